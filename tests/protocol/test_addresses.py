"""What of an address may be shown, whether it can be used, and whether it is this machine's."""

from __future__ import annotations

import pytest

from sluicegate.protocol.addresses import is_address, is_loopback, public_part


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://two.example/mcp", "https://two.example/mcp"),
        ("https://two.example:8443/mcp?key=CANARY#CANARY", "https://two.example:8443/mcp"),
        ("https://user:CANARY@two.example/mcp", "https://two.example/mcp"),
        ("https://user:CAN@ARY@two.example/mcp", "https://two.example/mcp"),
        ("https://user:@CAN@@ARY@@two.example", "https://two.example"),
        ("https://user:CAN/ARY@two.example/mcp", "…two.example/mcp"),
        ("https://user:CAN?ARY@two.example/mcp", "…"),
        ("https://user:CAN#ARY@two.example/mcp", "…"),
        ("https://two.example:port?key=CAN@ARY", "…"),
        ("https://user:CANARY@[::1]:80/mcp", "https://[::1]:80/mcp"),
        ("https://[::CANARY", "…"),
        ("https:/user:CANARY@two.example/mcp", "…two.example/mcp"),
        ("user:CANARY@two.example/mcp", "…two.example/mcp"),
        ("user:CANARY", "…"),
        ("https://packages.example/@scope/mcp", "https://packages.example/@scope/mcp"),
    ],
)
def test_no_part_of_user_password_query_or_fragment_is_shown(url: str, shown: str) -> None:
    assert shown == public_part(url)


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("http://a", True),
        ("https://a:1/x?y#z", True),
        ("https://a:65535", True),
        ("https://[::1]:80/", True),
        ("https://a:0/", False),
        ("https://a:65536/", False),
        ("https://a:b/", False),
        ("https://[::1/", False),
        ("https:///x", False),
        ("https:a", False),
        ("ftp://a", False),
        ("a", False),
        ("", False),
        ("https://a/b c", False),
    ],
)
def test_an_address_has_a_host_and_a_port_that_there_can_be(text: str, usable: bool) -> None:
    assert is_address(text) is usable


def test_an_address_may_be_of_other_schemes_where_those_are_asked_for() -> None:
    assert is_address("ws://a", ("ws", "wss"))
    assert not is_address("http://a", ("ws", "wss"))


@pytest.mark.parametrize("name", ["localhost", "LocalHost.", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])
def test_a_host_that_is_this_machine_alone(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name", ["", "localhost.example", "a.localhost.example", "128.0.0.1", "0.0.0.0", "::", "[::2]", "127.0.0.1.example"]
)
def test_a_host_that_others_may_reach(name: str) -> None:
    assert not is_loopback(name)

"""What of an address may be shown, whether it can be used, and whether it is this machine's."""

from __future__ import annotations

import pytest

from sluicegate.protocol.addresses import Reach, is_address, is_loopback, public_part, reach_of


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


@pytest.mark.parametrize(
    ("names", "reach"),
    [
        (
            "127.0.0.1 127.1 0x7f.1 0177.0.0.1 2130706433 127.0.0.1. localhost LocalHost. a.localhost 0.0.0.0 0 ::1 [::1] :: ::127.0.0.1",
            Reach.MACHINE,
        ),
        ("::ffff:127.0.0.1 [::ffff:7f00:1] 64:ff9b::7f00:1 2002:7f00:1::", Reach.MACHINE),
        ("169.254.169.254 0xa9fea9fe fe80::1 fe80::1%eth0 ::ffff:169.254.169.254", Reach.LINK),
        ("10.0.0.5 10.5 192.168.1.1 172.16.0.1 100.64.0.1 fd00::1 ::ffff:10.0.0.5 198.18.0.1", Reach.INSIDE),
        ("id.example localhost.example 8.8.8.8 2606:4700::1111 64:ff9b::808:808 172.32.0.1 1.example x", Reach.WORLD),
    ],
)
def test_how_near_a_host_is_shows_however_it_is_written(names: str, reach: Reach) -> None:
    assert {name: reach_of(name) for name in names.split()} == dict.fromkeys(names.split(), reach)

"""Whom the server takes its clients for."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sluicegate.http1.server.forwarded import PeerAddress, network_behind, peer_of, seen_through
from sluicegate.testing.memory_wire import memory_pair

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1"))
PROXY = PeerAddress(("10.0.0.1", 1234), ("10.0.0.2", 80), is_proxy=True)


def xff(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode()) for value in values]


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([], ("10.0.0.1", 1234)),
        (xff("192.0.2.1"), ("192.0.2.1", 0)),
        (xff("192.0.2.1, 192.0.2.2"), ("192.0.2.2", 0)),
        (xff("192.0.2.1, 192.0.2.2, 10.0.0.7"), ("192.0.2.2", 0)),
        (xff("192.0.2.1", "192.0.2.2,10.0.0.7", "10.0.0.8"), ("192.0.2.2", 0)),
        (xff("10.0.0.9, 10.0.0.8"), ("10.0.0.9", 0)),
        (xff("192.0.2.1, unknown"), ("10.0.0.1", 1234)),
        (xff("192.0.2.1, unknown, 10.0.0.8"), ("10.0.0.8", 0)),
        (xff("192.0.2.1:5678"), ("192.0.2.1", 0)),
        (xff("[2001:db8::1]:5678"), ("2001:db8::1", 0)),
        (xff("2001:DB8::1"), ("2001:db8::1", 0)),
        (xff("::ffff:10.0.0.8"), ("10.0.0.8", 0)),
        (xff("192.0.2.1, ::1"), ("192.0.2.1", 0)),
        (xff(""), ("10.0.0.1", 1234)),
        (xff("\N{SNOWMAN}"), ("10.0.0.1", 1234)),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy(headers: list[tuple[bytes, bytes]], client: tuple[str, int]) -> None:
    assert seen_through(PROXY, headers, TRUSTED) == (client, "http")


@pytest.mark.parametrize(
    ("value", "scheme"), [(b"https", "https"), (b"HTTPS", "https"), (b"http", "http"), (b"https, http", "http"), (b"gopher", "http")]
)
def test_the_scheme_is_what_the_nearest_proxy_says(value: bytes, scheme: str) -> None:
    assert seen_through(PROXY, [(b"x-forwarded-proto", value)], TRUSTED) == (("10.0.0.1", 1234), scheme)


@pytest.mark.parametrize(
    ("peer", "headers", "network"),
    [
        (PROXY, xff("192.0.2.1"), "192.0.2.1"),
        (PROXY, xff("2001:db8::1"), "2001:0db8:0000:0000"),
        (PROXY, [], ""),
        (PeerAddress(None, None, is_proxy=True), xff("192.0.2.1"), "192.0.2.1"),
        (PeerAddress(("192.0.2.9", 1)), xff("192.0.2.1"), "192.0.2.9"),
        (PeerAddress(), [], ""),
    ],
)
def test_a_request_comes_from_the_network_that_a_trusted_proxy_names(
    peer: PeerAddress, headers: list[tuple[bytes, bytes]], network: str
) -> None:
    assert network_behind(peer, headers, TRUSTED) == network


def test_a_stream_in_memory_has_no_addresses() -> None:
    assert peer_of(memory_pair()[0], TRUSTED) == PeerAddress()

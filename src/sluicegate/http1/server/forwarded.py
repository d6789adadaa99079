"""Who is at the other end: the peer of the connection, or whom a trusted proxy says that it speaks for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec
import trio

from ..sockets import QuickSocket
from .settings import Networks

__all__ = ["PeerAddress", "network_behind", "network_of", "peer_of", "seen_through"]

Address = tuple[str, int]

_WITH_PORT = re.compile(r"\[(?P<six>[^]]*)](?::\d+)?|(?P<four>[^:]*):\d+")
"""Some proxies write the port, too: ``[::1]:80`` or ``10.0.0.1:80``."""


class PeerAddress(msgspec.Struct, frozen=True):
    """Both ends of a connection."""

    client: Address | None = None
    """None where there are no addresses: in memory, and over Unix sockets."""
    server: tuple[str, int | None] | None = None
    is_proxy: bool = False
    """Whether its ``X-Forwarded-`` headers are believed."""

    @property
    def network(self) -> str:
        """What connections are counted by; "" is not counted. An IPv6 customer has a whole /64 network."""
        return "" if self.client is None or self.is_proxy else network_of(self.client[0])


def network_behind(peer: PeerAddress, headers: Iterable[tuple[bytes, bytes]], trusted: Networks) -> str:
    """The network that a request comes from: the peer's, or behind a trusted proxy that of the client whom it names; "" if it names none."""
    if not peer.is_proxy:
        return peer.network
    client, _ = seen_through(peer, headers, trusted)
    return "" if client is None or client == peer.client else network_of(client[0])


@lru_cache(1024)
def network_of(client: str) -> str:
    """What the clients at an address are counted by: an IPv4 address, or the /64 network of an IPv6 one; "" if it is no address."""
    address = _parsed(client)
    if isinstance(address, IPv6Address):
        return address.exploded[:19]
    return "" if address is None else str(address)


def peer_of(stream: trio.abc.Stream, trusted: Networks) -> PeerAddress:
    """Both ends of a stream; of a socket whose client has gone already, nothing is known."""
    raw = stream.stream if isinstance(stream, QuickSocket) else stream
    socket = raw.socket if isinstance(raw, trio.SocketStream) else None
    if socket is None:
        return PeerAddress()
    try:
        own, other = socket.getsockname(), socket.getpeername()
    except OSError:
        return PeerAddress()
    if not isinstance(own, tuple):
        return PeerAddress(None, (own if isinstance(own, str) else "", None), is_proxy=bool(trusted))
    host, port, *_ = other  # over IPv6 there are four
    own_host, own_port, *_ = own
    return PeerAddress((host, port), (own_host, own_port), is_proxy=_is_in(_parsed(host), trusted))


def seen_through(peer: PeerAddress, headers: Iterable[tuple[bytes, bytes]], trusted: Networks) -> tuple[Address | None, str]:
    """Client and scheme of a request. What a proxy added stands last, so the list is read from its end up to the first who is no proxy."""
    client, scheme = peer.client, "http"
    chain: list[bytes] = []
    for name, value in headers:
        if name == b"x-forwarded-for":
            chain += value.split(b",")
        elif name == b"x-forwarded-proto":
            last = value.rpartition(b",")[2].strip().lower()
            scheme = "https" if last == b"https" else "http"
    for entry in reversed(chain):
        address = _parsed(entry.decode("latin-1").strip())
        if address is None:
            break
        client = (str(address), 0)
        if not _is_in(address, trusted):
            break
    return client, scheme


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4 one that was mapped to IPv6 as what it is; None if it is none."""
    found = _WITH_PORT.fullmatch(text)
    if found is not None:
        text = found["six"] if found["six"] is not None else found["four"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_in(address: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)

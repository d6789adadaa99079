"""The way to a WebSocket: HTTP until both sides agree to go on in frames (RFC 6455, 4)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import h11
import trio
import wsproto
from wsproto.events import AcceptConnection, Event, RejectConnection, Request
from wsproto.utilities import RemoteProtocolError

from ...http1.client.head import encode_headers
from ...http1.client.origin import Address, parse_address
from ...http1.sockets import MOST_READ
from ...protocol.credential import Challenge
from ...protocol.why import Why
from ..http.authorized_wire import what_is_asked
from ..http.refusal_reasons import hint_of, what_it_means
from ..session import ConnectFailed

__all__ = ["SUBPROTOCOL", "Greeting", "NotLetIn", "address_of", "shake"]

SUBPROTOCOL = "mcp"
_OURS = frozenset({"accept", "accept-encoding", "content-length", "host"})
"""Headers that a configuration does not set: they make no sense here, or go another way."""
_REDIRECTS = range(300, 400)


def address_of(url: str) -> Address:
    """A ``ws`` or ``wss`` URL as the HTTP one that is asked first; raises `ValueError`."""
    return parse_address("http" + url[2:] if url[:2].lower() == "ws" else url)


class NotLetIn(ConnectFailed):
    """The server wants to be shown something else."""

    def __init__(self, why: Why, challenge: Challenge) -> None:
        super().__init__(why)
        self.challenge = challenge


@attrs.frozen
class Greeting:
    """What is asked of the server, the same each time."""

    address: Address
    host: str
    headers: tuple[tuple[bytes, bytes], ...] = attrs.field(repr=False)

    @classmethod
    def of(cls, address: Address, headers: Mapping[str, str], host: str) -> Greeting:
        """Make it; raises `ValueError` for headers that are no headers."""
        own = {"user-agent": "sluicegate"} | ({"authorization": address.basic} if address.userinfo else {})
        given = {name.lower(): value.strip(" \t") for name, value in headers.items() if name.lower() not in _OURS}
        encode_headers((own | given).items())
        lines = tuple((name.encode(), value.encode("latin-1")) for name, value in (own | given).items())
        return cls(address, host or address.origin.authority, lines)

    def with_lines(self, lines: bytes) -> Greeting:
        """The same with more header lines."""
        more = tuple((name, value.strip()) for name, _, value in (line.partition(b":") for line in lines.splitlines()))
        return attrs.evolve(self, headers=self.headers + more)

    @property
    def where(self) -> str:
        """The server, for people."""
        return str(self.address.origin).replace("http", "ws", 1)


async def shake(stream: trio.abc.Stream, greeting: Greeting) -> wsproto.WSConnection:
    """Ask for a WebSocket; raises `ConnectFailed`. The caller bounds it in time and closes the stream."""
    socket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    request = Request(
        greeting.host, greeting.address.target.decode("ascii"), extra_headers=list(greeting.headers), subprotocols=[SUBPROTOCOL]
    )
    try:
        await stream.send_all(socket.send(request))
        while not any(_is_taken(event, greeting) for event in socket.events()):
            data = bytes(await stream.receive_some(MOST_READ))
            if not data:
                raise ConnectFailed(Why("it closed the connection during the WebSocket handshake"))
            socket.receive_data(data)
    except trio.BrokenResourceError as error:
        raise ConnectFailed(Why("the connection broke during the WebSocket handshake")) from error
    except (RemoteProtocolError, h11.RemoteProtocolError, UnicodeError) as error:
        raise ConnectFailed(Why("it does not speak WebSocket", f"{greeting.where} does not speak WebSocket: {error}")) from error
    return socket


def _is_taken(event: Event, greeting: Greeting) -> bool:
    if isinstance(event, RejectConnection):
        asked = what_is_asked(event.status_code, event.headers)
        raise ConnectFailed(_refusal(event, greeting)) if asked is None else NotLetIn(_refusal(event, greeting), asked)
    return isinstance(event, AcceptConnection)


def _refusal(event: RejectConnection, greeting: Greeting) -> Why:
    """Why there is no WebSocket, and what to do about it."""
    status = event.status_code
    said = f"HTTP {status} instead of a WebSocket"
    location = next((value for name, value in event.headers if name.lower() == b"location"), b"")
    if status in _REDIRECTS and location:
        hint = f"it redirects to {location.decode('latin-1')[:500]!r}; if you trust that address, write it as the backend's url"
        return Why(f"{said}: it redirects elsewhere", f"{said}: {hint}")
    if meant := what_it_means(status):
        more = ", and whether it serves a WebSocket at that path" if status == 403 else ""  # some say so of paths that they do not know
        return Why(f"{said}: {meant}", f"{said}: {meant}; {hint_of(status)}{more}")
    http = str(greeting.address.origin)
    hint = f'no WebSocket is served at that path; if it speaks Streamable HTTP, write transport = "http" and url = "{http}/…"'
    return Why(said, f"{said}: {hint}" if status < 500 else said)

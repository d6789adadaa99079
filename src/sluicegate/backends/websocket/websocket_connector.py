"""A backend behind a ``ws`` or ``wss`` URL: one connection for all of its calls (CORE-67, LIM-4).

The frames and the handshake are wsproto's, which does no I/O. trio-websocket 0.12.2, which is built on it, was left out: it stops
answering pings when two messages are unread, a message over its limit costs the connection, it knows no proxy, and a send that is cancelled
may have sent half a frame. The connection, its TLS and its proxy are those of the HTTP client, and the conversation is that of a pipe.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio
import wsproto

from ...channel.outbox import Outbox
from ...http1.client.dialing import Dialer, Finish, dialer_to
from ...http1.client.failures import Unreachable
from ...http1.sockets import quicken
from ...outside import OpenStream, open_stream
from ...protocol.credential import Credential
from ...protocol.principal import Principal
from ...protocol.sizes import LARGEST_MESSAGE
from ...protocol.why import Why
from ...tls.client import TlsFiles
from ..channel import ChannelSession
from ..http.wire import own_host
from ..session import CLOSED, BackendSession, ConnectFailed, Inbox
from .frame_stream import FrameStream
from .opening_handshake import Greeting, NotLetIn, address_of, shake

__all__ = ["WebSocketConnector"]

GOODBYE_SECONDS = 2.0
"""How long the peer may take to close its side."""


@attrs.frozen(eq=False, repr=False)
class WebSocketConnector:
    """Opens sessions over a WebSocket (implements `Connector`)."""

    name: str
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Sent with the handshake."""
    open_stream: OpenStream = open_stream
    tls: TlsFiles | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    """The URL of a proxy on the way, with user and password if it wants them; it is asked for a tunnel."""
    max_message_size: int = LARGEST_MESSAGE
    """The largest message in bytes."""
    credential: Credential | None = None
    """What the handshake shows, where that can change."""
    ping_seconds: float = 20.0
    """After so long without a sign of life it is pinged, and after as long again given up."""
    transport: str = "websocket"
    make_session: Callable[..., ChannelSession] = ChannelSession
    """What keeps the conversation; the test kit has one that fails on demand."""
    finish: Finish = quicken
    """What becomes of the connection below the frames."""

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Connect; leaving the block says goodbye, within `GOODBYE_SECONDS`."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        greeting, dialer = self._prepare()
        stream, socket = await self._shaken(dialer, greeting, inbox.clientele.principal)
        try:
            carrier = FrameStream(stream, socket, self.max_message_size, self.ping_seconds)
            session = carrier.session = self.make_session(self.name, inbox, Outbox(send_now=carrier.send_now), None, carrier.framed)
            pumps = trio.CancelScope(shield=True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carrier.run, pumps)
                try:
                    yield session
                finally:
                    session.close(CLOSED)
                    with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                        await carrier.ended.wait()
                    pumps.cancel(reason="the session is left")
        finally:
            await trio.aclose_forcefully(stream)

    async def _shaken(self, dialer: Dialer, greeting: Greeting, owner: Principal) -> tuple[trio.abc.Stream, wsproto.WSConnection]:
        """A connection on which both have agreed; where what it showed was refused, and there is something newer, another one."""
        if self.credential is None:
            return await self._shake(dialer, greeting)
        shown = self._had(await self.credential.have(owner))
        try:
            return await self._shake(dialer, greeting.with_lines(shown))
        except NotLetIn as refusal:
            renewed = await self.credential.renewed(owner, shown, refusal.challenge)
            if isinstance(renewed, Why):
                raise
        return await self._shake(dialer, greeting.with_lines(renewed))

    @staticmethod
    def _had(lines: bytes | Why) -> bytes:
        if isinstance(lines, Why):
            raise ConnectFailed(lines)
        return lines

    async def _shake(self, dialer: Dialer, greeting: Greeting) -> tuple[trio.abc.Stream, wsproto.WSConnection]:
        stream = await self._dial(dialer, greeting)
        try:
            return stream, await shake(stream, greeting)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise

    def _prepare(self) -> tuple[Greeting, Dialer]:
        try:
            address = address_of(self.url)
            greeting = Greeting.of(address, self.headers, own_host(self.headers))
            return greeting, dialer_to(address.origin, self.open_stream, self.tls, self.proxy, self.finish, tunnels=True)
        except ValueError as error:
            raise ConnectFailed(f"its url or headers, tls or proxy cannot be used: {error}") from error

    async def _dial(self, dialer: Dialer, greeting: Greeting) -> trio.abc.Stream:
        try:
            return await dialer.dial()
        except Unreachable as error:
            raise ConnectFailed(Why("it cannot be reached", f"cannot connect to {greeting.where}: {error}")) from error

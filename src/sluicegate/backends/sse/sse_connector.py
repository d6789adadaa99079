"""A backend of 2024-11-05 behind a URL: HTTP+SSE, for servers that know nothing newer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio

from ...channel.outbox import Outbox
from ...http1.client.dialing import Finish
from ...http1.client.origin import parse_address
from ...http1.client.pool import HttpClient, open_client
from ...http1.client.response import ClientResponse
from ...http1.sockets import quicken
from ...outside import OpenStream, open_stream
from ...protocol.credential import Credential
from ...protocol.faults import Fault
from ...protocol.headers import EVENT_STREAM, media_type
from ...protocol.principal import Principal
from ...protocol.sizes import LARGEST_MESSAGE
from ...protocol.why import Why
from ...tls.client import TlsFiles
from ..channel import ChannelSession
from ..http.authorized_wire import wire_with
from ..http.wire import Wire, own_headers, own_host
from ..session import CLOSED, BackendSession, ConnectFailed, Inbox
from .event_carrier import EventCarrier

__all__ = ["SseConnector"]


@attrs.frozen(eq=False, repr=False)
class SseConnector:
    """Opens sessions with a stream of events each (implements `Connector`)."""

    name: str
    url: str = attrs.field(repr=False)
    """Of the stream, often ``…/sse``."""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Sent with every request, never to another origin."""
    open_stream: OpenStream = open_stream
    tls: TlsFiles | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    """The URL of a proxy on the way, with user and password if it wants them."""
    wall: Callable[[], float] = time.time
    """Time of day, in seconds since the epoch."""
    max_message_size: int = LARGEST_MESSAGE
    """The largest event in bytes."""
    credential: Credential | None = None
    """What its requests show, where that can change."""
    transport: str = "sse"
    make_session: Callable[..., ChannelSession] = ChannelSession
    """What keeps the conversation; the test kit has one that fails on demand."""
    finish: Finish = quicken
    """What becomes of each connection."""

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Open the stream and wait for the address that it names. There is no goodbye but closing the stream."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        make_wire, opened = self._prepare(inbox.clientele.principal)
        async with opened as client, trio.open_nursery() as nursery:
            wire = make_wire(client)
            answer = await self._stream(wire)
            session = self.make_session(self.name, inbox, Outbox())
            try:
                carrier = EventCarrier(wire, answer, session, nursery)
                nursery.start_soon(carrier.read)
                nursery.start_soon(carrier.write)
                await carrier.named.wait()
                if not session.is_open:
                    raise ConnectFailed(await session.wait_closed())
                yield session
            finally:
                session.close(CLOSED)
                answer.close()
                nursery.cancel_scope.cancel(reason="the session is left")

    async def _stream(self, wire: Wire) -> ClientResponse:
        answer = await wire.open(b"GET", b"")
        if isinstance(answer, Fault):
            raise ConnectFailed(Why(answer.message, answer.told))
        if answer.status == 200 and media_type(answer.header(b"content-type")) == EVENT_STREAM:
            return answer
        answer.close()
        instead = 'if it speaks Streamable HTTP, write transport = "http"'
        if answer.is_success:
            what = f"HTTP {answer.status} without a stream of events"
            raise ConnectFailed(Why(what, f"{what}: {instead}"))
        fault = wire.status_fault(answer, b"")
        more = f"; {fault.hint or instead}" if answer.status < 500 else ""
        raise ConnectFailed(Why(fault.message, f"{fault.told}{more}"))

    def _prepare(self, owner: Principal) -> tuple[Callable[[HttpClient], Wire], AbstractAsyncContextManager[HttpClient]]:
        try:
            address = parse_address(self.url)
            lines, host = own_headers(address, self.headers), own_host(self.headers)
            opened = open_client(
                address.origin, open_stream=self.open_stream, tls=self.tls, proxy=self.proxy, host=host, finish=self.finish
            )
        except ValueError as error:
            raise ConnectFailed(f"its url or headers, tls or proxy cannot be used: {error}") from error
        return lambda client: wire_with(self.credential, self.name, address, lines, client, self.max_message_size, self.wall, owner), opened

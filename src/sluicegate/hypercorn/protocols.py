"""Which version of HTTP a client speaks, and HTTP/1.1 as Hypercorn has it, with what we must know about it or do otherwise.

Otherwise: an ``Upgrade`` is ignored, to WebSockets unless they are asked for, and to ``h2c``, which HTTP/2 has given up; HTTP/2 without TLS is
spoken to clients that begin with it.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import attrs
import h11
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Request, Response
from hypercorn.protocol.h11 import STREAM_ID, H2ProtocolAssumedError, H11Protocol, H11WSConnection
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from ..http1.framing import RefusedMessage
from .http2 import Http2
from .judge import Limited
from .socket_stream import SocketStream, is_offered, offered_headers
from .strict_h11 import StrictConnection
from .tasks import Tasks

__all__ = ["Http1", "Talk", "Version"]

CLOSE = (b"connection", b"close")


class Version(Protocol):
    """One of the two."""

    @property
    def reads_body(self) -> bool:
        """Whether a request's body is still to come."""
        ...

    @property
    def is_stuck(self) -> bool:
        """Whether there is something to send that the client does not let us send."""
        ...

    @property
    def counts_idle_bytes(self) -> bool:
        """Whether bytes between two requests can only be the next request."""
        ...

    def is_idle_after(self, event: Updated | None) -> bool:
        """Whether there is no request now, whatever the event says, which may have been overtaken."""
        ...

    async def initiate(self) -> None:
        """Say what is said first."""
        ...

    async def handle(self, event: Event) -> None:
        """Take what came."""
        ...

    async def leave(self) -> None:
        """Say that no further request will be taken."""
        ...


class Http1(H11Protocol):
    """HTTP/1.1."""

    counts_idle_bytes = True
    is_stuck = False

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.connection: StrictConnection = StrictConnection(cast("Limited", self.config).limits)

    @property
    def reads_body(self) -> bool:
        """Whether a request's body is still to come, or the rest of something that is no request."""
        return self.connection.their_state in {h11.SEND_BODY, h11.ERROR}

    def is_idle_after(self, event: Updated | None) -> bool:
        """Whether there is no request now: here the event is right."""
        return event is not None and event.idle

    async def leave(self) -> None:
        """There is no word for it."""

    async def stream_send(self, event: StreamEvent) -> None:
        """Say it in the last answer when it is the last."""
        if isinstance(event, Response) and (self.context.terminated.is_set() or self.reads_body):
            event = Response(event.stream_id, [*event.headers, CLOSE], event.status_code)
        await super().stream_send(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        if event.method == b"PRI" and event.target == b"*" and event.http_version == b"2.0":
            await super()._check_protocol(event)  # raises

    async def _create_stream(self, request: h11.Request) -> None:
        """Begin a request, with the target as an application wants it."""
        socket = cast("Limited", self.config).takes_sockets and is_offered(request)
        plain_headers = [(name, value) for name, value in request.headers if name != b"upgrade"]  # an offer, which nobody has to take
        headers = offered_headers(request) if socket else plain_headers
        target, version = self.connection.target, request.http_version
        plain = h11.Request(method=request.method, target=target, headers=headers, http_version=version)
        await (self._create_socket(plain) if socket else super()._create_stream(plain))

    async def _create_socket(self, request: h11.Request) -> None:
        """From here on the connection carries frames."""
        parts = (self.app, self.config, self.context, self.task_group, self.ssl, self.client, self.server)
        self.stream = SocketStream(*parts, self.stream_send, STREAM_ID)
        self.connection = cast("StrictConnection", H11WSConnection(self.connection))
        version, state = request.http_version.decode(), self.connection_state
        begin = Request(STREAM_ID, list(request.headers), version, "GET", request.target, state)
        await self.stream.handle(begin)

    async def _send_error_response(self, status_code: int) -> None:
        """Refuse a request, and say why, as our own server does."""
        refused = self.connection.refused or RefusedMessage(status_code, "malformed request")
        cast("Limited", self.config).on_refused(refused.status, refused.reason)
        body = f"{refused.reason}\n".encode()
        head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)), CLOSE]
        await self._send_h11_event(h11.Response(status_code=refused.status, headers=[*head, *self.config.response_headers("h11")]))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())


@attrs.define(eq=False, repr=False)
class Talk:
    """The client's side of a connection, in whichever version it speaks."""

    parts: tuple[ASGIWrapper, Config, WorkerContext, Tasks, ConnectionState, bool, object, object, object]
    """What both are made of."""
    version: Version = attrs.field(init=False)

    async def begin(self, chosen: str | None) -> None:
        """Begin with what was agreed upon during the handshake."""
        self.version = Http2(*self.parts) if chosen == "h2" else Http1(*self.parts)
        await self.version.initiate()

    async def handle(self, event: Event) -> None:
        """Take what came; the first bytes may be those of HTTP/2."""
        try:
            await self.version.handle(event)
        except H2ProtocolAssumedError as assumed:
            await self.begin("h2")
            if assumed.data:
                await self.version.handle(RawData(assumed.data))

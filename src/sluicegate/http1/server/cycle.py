"""One request and its response, as an ASGI application sees them.

Per request two calls may return without yielding: the `receive` that has the whole body already, and the last `send` if the kernel takes it at
once. All others are checkpoints, and the connection yields between requests; so nobody can keep the others waiting, and a small request costs
one step of one task.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from errno import EPIPE

import attrs
import trio

from ...telling.loggers import get_logger
from ..asgi import ON_DISCONNECT, TAKES_VIEWS, Message, Scope
from ..carrier import Carrier
from ..timekeeper import NEVER
from .forwarded import network_behind, seen_through
from .hang_up import is_hang_up
from .pace import Pace
from .plain_answers import CONTINUE, TOO_MUCH
from .request_head import ServerRequest
from .request_parser import Refusal
from .response_writer import ResponseWriter

__all__ = ["Cycle"]

log = get_logger("sluicegate.http1")

_ASGI = {"version": "3.0", "spec_version": "2.4"}
"""One for all scopes: 184 bytes less for each request that is open."""
SKIPPED = 65_536
"""So much of a body that the application did not want is read and dropped to keep the connection."""


@attrs.define(eq=False, repr=False)
class Cycle:
    """One request, from its head to the end of the response."""

    connection: Carrier
    request: ServerRequest
    response: ResponseWriter
    hung_up: bool = attrs.field(default=False, init=False)
    failure: Refusal | None = attrs.field(default=None, init=False)
    """Why the rest of the body will not come, though the client is there."""
    _delivered: bool = attrs.field(default=False, init=False)
    """The application has the whole body."""
    _told: bool = attrs.field(default=False, init=False)
    """The application heard that nobody waits for its answer."""
    _taken: int = attrs.field(default=0, init=False)
    """Bytes of the body that the application has."""
    _held: int = attrs.field(default=0, init=False)
    """Of these, those that are counted by `Serving.held`."""
    _network: str = attrs.field(default="", init=False)
    """Whose they are."""
    _continued: bool = attrs.field(default=False, init=False)
    _pace: Pace | None = attrs.field(default=None, init=False)
    _bell: trio.Event | None = attrs.field(default=None, init=False)
    _callback: Callable[[], None] | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Let the application answer. A bug in it ends in here."""
        try:
            await self.connection.serving.app(self._scope(), self.receive, self.send)
        except Exception as error:  # noqa: BLE001  whatever it is, it costs this connection only
            self._fail(error)
        else:
            if not self.response.finished and not self._told and not self.connection.gone:
                log.error("an application left a request without a whole answer", path=self.request.line.path)
        finally:
            if self._held:
                self._hold(0)
            self._callback = None  # it leads back to this request: no circle may be left to the garbage collector

    def _fail(self, error: Exception) -> None:
        if is_hang_up(error):
            self.hung_up = True
        elif self._told or self.connection.gone:
            log.debug("an application failed after its client had gone", exc_info=error)
        else:
            log.error("an application failed", path=self.request.line.path, exc_info=error)

    def _scope(self) -> Scope:
        request, peer, serving = self.request, self.connection.peer, self.connection.serving
        line = request.line
        client, scheme = seen_through(peer, request.headers, serving.settings.trusted) if peer.is_proxy else (peer.client, "http")
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": line.version,
            "method": line.method,
            "scheme": scheme,
            "path": line.path,
            "raw_path": line.raw_path,
            "query_string": line.query,
            "root_path": "",
            "headers": request.headers,
            "client": client,
            "server": peer.server,
            "extensions": {ON_DISCONNECT: self.on_disconnect, TAKES_VIEWS: True},
        }
        if serving.lifespan.state is not None:
            scope["state"] = serving.lifespan.state.copy()
        return scope

    # ------------------------------------------------------------------ what the connection tells

    def hear(self) -> None:
        """There is more of the body, or there will be no more."""
        if self._bell is not None:
            self._bell.set()
            self._bell = None

    def give_up(self, failure: Refusal) -> None:
        """The rest of the body will not come."""
        self.failure = failure
        self.hear()

    def lose(self) -> None:
        """The client has gone."""
        callback, self._callback = self._callback, None
        self.hear()
        if callback is not None:
            callback()

    # ------------------------------------------------------------------ what the application calls

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call this once as soon as the client has gone, at once if it has. Only the last one that was given counts."""
        if self.connection.gone:
            callback()
        else:
            self._callback = callback

    async def receive(self) -> Message:
        """The next piece of the body; after its end, wait until the client has gone or the response is complete."""
        request = self.request
        if not (self._delivered or self._told) and self.failure is None:
            if not request.body and not request.complete:
                await self._wait_for_body()
            elif not request.complete or self._taken:
                await trio.lowlevel.checkpoint()
            if request.body or request.complete:
                return self._take()
        while self._delivered and not (self._told or self.response.finished or self.connection.gone):
            await self._news()
        self._told = True
        await trio.lowlevel.checkpoint()
        return {"type": "http.disconnect"}

    def _take(self) -> Message:
        request = self.request
        body = request.take()
        self._taken += len(body)
        self._delivered = request.complete
        if self._delivered and self._held:
            self._hold(0)
        self.connection.make_room()
        return {"type": "http.request", "body": body, "more_body": not request.complete}

    async def _wait_for_body(self) -> None:
        """Wait for a piece of the body, or for the certainty that there will be none."""
        request, connection = self.request, self.connection
        if request.expects_continue and not self._continued and not self.response.head_made:
            self._continued = True
            with suppress(OSError):  # who has gone is heard of below
                await connection.out.send(CONTINUE)
        settings, timekeeper = connection.serving.settings, connection.serving.timekeeper
        self._hold(self._taken)
        if self._taken > settings.read_ahead and connection.serving.is_full(self._network):
            self.give_up(TOO_MUCH)
        if self._pace is None:
            self._pace = Pace(settings.body_seconds, int(settings.body_seconds * settings.min_rate))
        while not (request.body or request.complete or self.failure or connection.gone):
            timekeeper.watch(connection, self._pace.start(trio.current_time(), self._taken))
            try:
                await self._news()
            finally:
                self._pace.stop(trio.current_time())
                connection.expires_at = NEVER

    def _hold(self, size: int) -> None:
        """Count what the application has of a body that is not complete."""
        serving = self.connection.serving
        if size and not self._held:
            self._network = network_behind(self.connection.peer, self.request.headers, serving.settings.trusted)
        serving.hold(self._network, size - self._held)
        self._held = size

    async def _news(self) -> None:
        if self._bell is None:
            self._bell = trio.Event()
        await self._bell.wait()

    async def send(self, message: Message) -> None:
        """Take a piece of the response.

        Raises:
            OSError: The client has gone, or what it sent is broken.
            RuntimeError: The application does not keep to the protocol.
        """
        if self.connection.gone or self._told:
            self._told = True
            await trio.lowlevel.checkpoint()
            raise BrokenPipeError(EPIPE, "nobody waits for this answer")
        kind, response = message["type"], self.response
        if kind == "http.response.start":
            response.start(message["status"], message.get("headers", ()))
            return
        if kind != "http.response.body":
            raise RuntimeError(f"{kind} is no part of a response")
        more, out = message.get("more_body", False), self.connection.out
        may_stay = self.connection.may_stay and (self.request.complete or self._body_is_near())
        first, second = response.write(message.get("body", b""), more=more, may_stay=may_stay)
        try:
            if second:
                await out.send(first, yields=False)
                first = second
            await out.send(first, yields=more)
        except OSError:
            self._told = True
            raise
        if response.finished:
            self.hear()
            if response.until_close:
                await out.end()
            self.connection.hand_over(response)

    def _body_is_near(self) -> bool:
        """Whether so little of the request's body is still missing that it can be dropped, should the application not want it."""
        request = self.request
        if request.content_length is None or (request.expects_continue and not self._continued):
            return False
        return request.content_length - self._taken - request.waiting <= SKIPPED

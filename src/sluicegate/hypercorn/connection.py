"""One connection on Hypercorn's parts: with bounded sends, and with limits to how long a client may take for what it does."""

from __future__ import annotations

from typing import Any, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from ..http1.server.forwarded import PeerAddress
from ..http1.server.outgoing import MessageSender
from ..http1.server.settings import ServerSettings
from ..http1.timekeeper import Timekeeper
from ..telling.loggers import get_logger
from .minimum_rate import NEVER, MinimumRate
from .protocols import Talk
from .tasks import Tasks

__all__ = ["FAREWELL_SECONDS", "HypercornConnection"]

log = get_logger("sluicegate.frontend")

FAREWELL_SECONDS = 2.0
"""How long a connection that is told to end may take to send what it is sending."""
LOOK_SECONDS = 2.0
"""How often a busy connection is looked at whose client could be slow."""


class HypercornConnection(TCPServer):
    """Hypercorn's connection on any stream."""

    stream: Any
    expires_at: float

    def __init__(
        self,
        app: ASGIWrapper,
        config: Config,
        context: WorkerContext,
        stream: trio.abc.Stream,
        peer: PeerAddress,
        settings: ServerSettings,
        timekeeper: Timekeeper,
        state: dict[str, Any],
    ) -> None:
        super().__init__(app, config, context, state, cast("Any", stream))
        self.looked_at = NEVER
        self._settings = settings
        self._timekeeper = timekeeper
        self._far = peer
        self._talk: Talk | None = None
        self._nursery: trio.Nursery | None = None
        self._idle = True
        self._in_head = False
        self._lingers = False
        self._leaves = False
        self._sending: trio.CancelScope | None = None
        self._last_moment = NEVER
        self._outgoing = MessageSender(stream, settings, timekeeper)
        self._body = MinimumRate(settings.body_seconds, settings.min_rate)
        self._answer = MinimumRate(settings.write_seconds, settings.min_rate)

    async def run(self) -> None:
        """Read requests until the client goes or the connection is cancelled."""
        try:
            if await self._shake_hands():
                await self._converse()
        except* OSError:
            pass
        finally:
            self._timekeeper.forget(self)
            self._timekeeper.forget(self._outgoing)
            await trio.aclose_forcefully(self.stream)

    async def _shake_hands(self) -> bool:
        if not isinstance(self.stream, trio.SSLStream):
            return True
        with trio.move_on_after(self._settings.head_seconds):
            try:
                await self.stream.do_handshake()
            except trio.BrokenResourceError as error:
                log.debug("a client did not get through the TLS handshake", error=str(error.__cause__ or error))
                return False
            return True
        return False

    async def _converse(self) -> None:
        secure = isinstance(self.stream, trio.SSLStream)
        tasks = Tasks(self._far, self._settings.trusted, self.stream.getpeercert() if secure else None)
        async with tasks:
            self._task_group, self._nursery = tasks, tasks.nursery
            parts = (
                self.app,
                self.config,
                self.context,
                tasks,
                ConnectionState(self.state),
                secure,
                self._far.client,
                None,
                self.protocol_send,
            )
            self._talk = self.protocol = cast("Any", Talk(cast("Any", parts)))
            await self.protocol.begin(self.stream.selected_alpn_protocol() if secure else None)  # type: ignore[attr-defined]
            self._timekeeper.watch(self, trio.current_time() + self._settings.idle_seconds)
            if self.context.terminated.is_set():
                self.end_if_idle()
            ear = trio.CancelScope()
            tasks.nursery.start_soon(self._hear_the_end, ear)
            try:
                await self._read_data()
            finally:
                self._nursery = None
                ear.cancel(reason="the client has gone")

    async def _read_data(self) -> None:
        talk = cast("Talk", self._talk)
        while True:
            try:
                data = bytes(await self.stream.receive_some(MAX_RECV))
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                break
            if not self._lingers:
                self._body.size += len(data)
                await talk.handle(RawData(data))
                self._after_bytes()
            if not data:
                break
        await talk.handle(Closed())

    def _after_bytes(self) -> None:
        """Give what is going on its time."""
        version, now = cast("Talk", self._talk).version, trio.current_time()
        if self._idle and version.counts_idle_bytes and not self._in_head:
            self._in_head = True
            self._timekeeper.watch(self, now + self._settings.head_seconds)
        elif not self._idle and version.reads_body and self._body.began == NEVER:
            self._timekeeper.watch(self, min(self._body.run(True, now), now + LOOK_SECONDS))

    async def expire(self) -> None:
        """See whether the client took too long."""
        now = trio.current_time()
        if not self._idle and not self._lingers:
            if cast("Talk", self._talk).version.is_idle_after(None):  # a client that takes back its last request is not told of
                self._settle(True)
                return
            due = self._due(now)
            if due > now:
                self._timekeeper.watch(self, min(due, now + LOOK_SECONDS))
                return
        if self._idle and not self._lingers:
            self.end_if_idle()
        else:
            await trio.aclose_forcefully(self.stream)

    def _due(self, now: float) -> float:
        version = cast("Talk", self._talk).version
        return min(self._body.run(version.reads_body, now), self._answer.run(version.is_stuck, now))

    def end_if_idle(self) -> bool:
        """Close it if it is idle; whether it was."""
        if not self._idle or self._leaves or self._nursery is None:
            return False
        self._leaves = True
        self._nursery.start_soon(self._leave)
        return True

    async def _leave(self) -> None:
        try:
            await cast("Talk", self._talk).version.leave()
        finally:
            await trio.aclose_forcefully(self.stream)

    async def _hear_the_end(self, ear: trio.CancelScope) -> None:
        """Set a limit to shielded sends as soon as the connection is cancelled: a send itself cannot notice."""
        with ear:
            try:
                await trio.sleep_forever()
            finally:
                self._last_moment = trio.current_time() + FAREWELL_SECONDS
                if self._sending is not None:
                    self._sending.deadline = min(self._sending.deadline, self._last_moment)

    async def protocol_send(self, event: Event) -> None:
        """Send bytes whole or not at all, unless time runs out."""
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Closed):
            await self._close()
            await self.protocol.handle(Closed())
        elif isinstance(event, Updated):
            self._settle(cast("Talk", self._talk).version.is_idle_after(event))

    def _settle(self, idle: bool) -> None:
        """Note whether there is a request, and give what comes now its time."""
        if idle == self._idle:
            return
        now = trio.current_time()
        self._idle, self._in_head = idle, False
        for rate in (self._body, self._answer):
            rate.run(False, now)  # whoever looks next may see the next request, and its time is its own
        self._timekeeper.watch(self, now + (self._settings.idle_seconds if idle else LOOK_SECONDS))
        if idle and self.context.terminated.is_set():
            self.end_if_idle()

    async def _send(self, data: bytes) -> None:
        async with self.send_lock:
            self._answer.size += len(data)
            with trio.CancelScope(shield=True, deadline=self._last_moment) as self._sending:
                try:
                    await self._outgoing.send(data)
                except OSError:  # the client has gone, or took too long
                    await self.protocol.handle(Closed())
            cut, self._sending = self._sending.cancelled_caught, None
            if cut:
                await trio.aclose_forcefully(self.stream)

    async def _close(self) -> None:
        """Half-close, so that the client reads the last reply; what it still sends is dropped for a while, or a reset would overtake that."""
        if self._lingers:
            return
        self._lingers = cast("Talk", self._talk).version.reads_body
        try:
            if isinstance(self.stream, trio.abc.HalfCloseableStream):
                await self.stream.send_eof()
        except (trio.BrokenResourceError, trio.BusyResourceError, trio.ClosedResourceError):
            self._lingers = False
        finally:
            if self._lingers:
                self._timekeeper.watch(self, trio.current_time() + self._settings.linger_seconds)
            else:
                await trio.aclose_forcefully(self.stream)

"""The access log: one line of JSON for every call, encoded once and written in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import msgspec
import trio

from ..events import get_logger
from ..protocol.calls import Call, Handler, Reply

__all__ = ["AccessLog", "Lines"]

log = get_logger("sluicegate.access")

FAREWELL_SECONDS = 2.0
"""How long what is waiting may take to be written, once no more will come."""
PAUSE_SECONDS = 0.05
"""Between two batches. Writing takes a turn in a thread, which costs as much for one line as for hundreds."""
MOST_LINES = 10_000
"""Lines that may wait for a slow reader of the log; the oldest are dropped, and their number is told."""


class _Line(msgspec.Struct, omit_defaults=True):
    time: float
    event: str
    method: str
    target: str
    outcome: str
    ms: float
    backend: str = ""
    attempts: int = 0
    principal: str = ""
    session: str = ""


@attrs.define(eq=False)
class Lines:
    """A bounded buffer in front of something that may be slow."""

    write: Callable[[bytes], Awaitable[None]]
    """Writes whole lines; runs in one task."""
    dropped: int = attrs.field(default=0, init=False)
    """Lines that were lost."""
    _told: int = attrs.field(default=0, init=False)
    """How many of those the log itself has told of."""
    _waiting: deque[bytes] = attrs.field(factory=lambda: deque(maxlen=MOST_LINES), init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _end: trio.Event = attrs.field(factory=trio.Event, init=False)
    """No more lines will come."""

    def put(self, line: bytes) -> None:
        """Add one line without its line break; never blocks."""
        self.dropped += len(self._waiting) == MOST_LINES
        self._waiting.append(line)
        self._news.set()

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None, None]:
        """Write for the length of a block, and a moment longer: lines about its end are written, too, however it ends."""
        async with trio.open_nursery() as nursery:
            writer = trio.CancelScope(shield=True)
            nursery.start_soon(self._run, writer)
            try:
                yield
            finally:
                self._end.set()
                self._news.set()
                writer.deadline = trio.current_time() + FAREWELL_SECONDS

    async def _run(self, writer: trio.CancelScope) -> None:
        with writer:
            while self._waiting or not self._end.is_set():
                await self._news.wait()
                if not self._end.is_set():
                    self._news = trio.Event()
                await self.flush()
                if not self._end.is_set():
                    with trio.move_on_after(PAUSE_SECONDS):
                        await self._end.wait()

    async def flush(self) -> None:
        """Write what is waiting."""
        if self._waiting:
            count = len(self._waiting)
            first = [msgspec.json.encode({"event": "lost lines", "lost": self.dropped - self._told})] if self.dropped > self._told else []
            batch = b"\n".join([*first, *self._waiting]) + b"\n"
            self._waiting.clear()
            told = self.dropped
            try:
                await self.write(batch)
                self._told = told
            except Exception as error:  # a full disk must not end the gateway; the next line that can be written tells
                self.dropped += count
                log.exception("the access log cannot be written", lines=count, error=repr(error))


@attrs.frozen
class AccessLog:
    """Tells of each call who asked for what, which backend answered, after how many attempts and in what time."""

    inner: Handler
    lines: Lines
    wall: Callable[[], float]

    async def __call__(self, call: Call) -> Reply:
        """Run the call and log its end, however it ends."""
        began = trio.current_time()
        outcome = "cancelled"
        try:
            reply = await self.inner(call)
            outcome = "ok" if reply.fault is None else reply.fault.reason or "error"
        except Exception:
            outcome = "bug"
            raise
        else:
            return reply
        finally:
            hops = call.trail.hops
            line = _Line(
                self.wall(),
                "call",
                call.method,
                call.target[:256],
                outcome,
                round((trio.current_time() - began) * 1000, 3),
                hops[-1].backend if hops else "",
                len(hops),
                call.caller.principal,
                call.caller.session[:8],
            )
            self.lines.put(msgspec.json.encode(line))

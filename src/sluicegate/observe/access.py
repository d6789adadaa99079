"""The access log: one line for every call, encoded once and written in batches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Protocol

import attrs
import msgspec
import trio

from ..protocol.calls import Call, Handler, Reply
from ..telling.loggers import get_logger, quoted
from ..telling.statistics import counter, gauge, snapshot
from ..waiting.bell import Bell
from .buffer import Buffer
from .stamps import Stamps

__all__ = ["AccessLine", "AccessLog", "AccessLogStatistics", "Beside", "JsonForm", "LogBuffer", "Sink", "TextForm"]

log = get_logger("sluicegate.access")

FAREWELL_SECONDS = 1.0
"""How long what is waiting may take to be written, once no more will come."""
PAUSE_SECONDS = 0.05
"""Between two batches. Writing takes a turn in a thread, which costs as much for one line as for hundreds."""

Encode = Callable[["AccessLine"], bytes]
"""Makes a line of text of it."""


class AccessLine(msgspec.Struct, omit_defaults=True):
    """What there is to say about one call."""

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


@attrs.frozen(repr=False)
class AccessLogStatistics:
    """What becomes of lines; beside other lines of a log, all of these."""

    dropped: int = attrs.field(metadata=counter("access_log_lines_dropped", "Lines of the access log that were lost."))
    waiting: int = attrs.field(metadata=gauge("access_log_lines_waiting", "Lines of the access log that are not written yet."))
    waiting_bytes: int = attrs.field(
        metadata=gauge("access_log_bytes_waiting", "Bytes of lines of the access log that are not written yet.")
    )


class Sink(Protocol):
    """Where lines go."""

    def statistics(self) -> AccessLogStatistics:
        """What has become of them until now."""
        ...

    @property
    def encode(self) -> Encode:
        """The form that they have there."""
        ...

    def put(self, line: bytes) -> None:
        """Add one line without its line break; never blocks."""
        ...


@attrs.frozen(eq=False, repr=False)
class Beside:
    """Puts lines into a buffer that others fill and somebody else empties: the daemon's log."""

    buffer: Buffer
    encode: Encode

    def statistics(self) -> AccessLogStatistics:
        """What has become of all lines in there until now."""
        return snapshot(AccessLogStatistics, self.buffer)

    def put(self, line: bytes) -> None:
        """Add one line without its line break; never blocks."""
        self.buffer.put(line)


@attrs.define(eq=False, repr=False)
class LogBuffer:
    """A buffer, and the task that hands its lines to something that may be slow."""

    write: Callable[[bytes], Awaitable[None]]
    """Writes whole lines; runs in one task."""
    encode: Encode = msgspec.json.encode
    buffer: Buffer = attrs.field(factory=Buffer, init=False)
    _bell: Bell = attrs.field(factory=Bell, init=False)
    """Wakes the writer."""
    _end: trio.Event = attrs.field(factory=trio.Event, init=False)
    """No more lines will come."""

    def __attrs_post_init__(self) -> None:
        self.buffer.on_news = self._bell.ring

    def statistics(self) -> AccessLogStatistics:
        """What has become of the lines until now."""
        return snapshot(AccessLogStatistics, self.buffer)

    def put(self, line: bytes) -> None:
        """Add one line without its line break; never blocks."""
        self.buffer.put(line)

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
                self._bell.ring()
                writer.deadline = trio.current_time() + FAREWELL_SECONDS

    async def _run(self, writer: trio.CancelScope) -> None:
        with writer:
            while len(self.buffer) or not self._end.is_set():
                while not len(self.buffer) and not self._end.is_set():
                    await self._bell.wait()
                await self.flush()
                if not self._end.is_set():
                    with trio.move_on_after(PAUSE_SECONDS):
                        await self._end.wait()

    async def flush(self) -> None:
        """Write what is waiting."""
        batch = self.buffer.take()
        if batch is not None:
            try:
                await self.write(batch.data)
                self.buffer.wrote(batch)
            except Exception as error:  # a full disk must not end the gateway; the next line that can be written tells
                self.buffer.failed(batch)
                log.exception("the access log cannot be written", lines=batch.count, error=repr(error))


class AccessLog(msgspec.Struct, frozen=True):
    """Tells of each call who asked for what, which backend answered, after how many attempts and in what time."""

    inner: Handler
    lines: Sink
    wall: Callable[[], float]

    async def __call__(self, call: Call) -> Reply:
        """Run the call and log its end, however it ends."""
        began = trio.current_time()
        outcome = "cancelled"
        try:
            reply = await self.inner(call)
            outcome = reply.outcome(call.method)
        except Exception:
            outcome = "bug"
            raise
        else:
            return reply
        finally:
            self.tell(call, outcome, trio.current_time() - began)

    def tell(self, call: Call, outcome: str, seconds: float) -> None:
        """Log the end of a call."""
        hops = call.trail.hops
        line = AccessLine(
            self.wall(),
            "call",
            call.method,
            call.target[:256],
            outcome,
            round(seconds * 1000, 3),
            call.trail.answerer if call.trail.given_by or not hops else hops[-1].backend,
            len(hops),
            call.caller.principal.key,
            call.caller.session[:8],
        )
        self.lines.put(self.lines.encode(line))


@attrs.define(eq=False, repr=False)
class TextForm:
    """Makes lines that look like those of the events beside which they stand."""

    _times: Stamps = attrs.field(factory=Stamps, init=False)

    def __call__(self, line: AccessLine) -> bytes:
        """The line, encoded."""
        about = _about(line.method, line.target, line.backend, line.principal, line.session)
        end = f"outcome={line.outcome} ms={line.ms} attempts={line.attempts}{about}"
        text = f"{self._times.at(line.time)} [info     ] call [sluicegate.access] {end}"
        return text.encode(errors="backslashreplace")


@attrs.define(eq=False, repr=False)
class JsonForm:
    """The same beside events in JSON: level, logger and timestamp are called as theirs."""

    _times: Stamps = attrs.field(factory=lambda: Stamps(',"level":"info","logger":"sluicegate.access","timestamp":"'), init=False)

    def __call__(self, line: AccessLine) -> bytes:
        """The line, encoded."""
        whole = msgspec.json.encode(line)
        return b'{%b%b"}' % (whole[whole.index(b'"event"') : -1], self._times.at(line.time).encode())


@lru_cache(1024)
def _about(method: str, target: str, backend: str, principal: str, session: str) -> str:
    """What many lines have in common."""
    fields = {"method": method, "target": target, "backend": backend, "principal": principal, "session": session}
    return "".join(f" {name}={quoted(value)}" for name, value in fields.items() if value)

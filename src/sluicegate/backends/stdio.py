"""A backend that is a child process speaking over its standard streams, one message per line (CORE-60, P-150).

Four tasks stand between the pipes and the session: a writer, a reader, a listener on stderr, and one that waits for the end. They live
behind a shield until the farewell is over, because a child that nobody listens to any more could block on its own goodbye.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio

from ..channel.lines import Oversized, as_line
from ..channel.outbox import Outbox
from ..channel.reading import read_lines
from ..outside import Child, OpenProcess, ProcessSpec, open_process
from ..protocol.blot import Blot, unblotted
from ..protocol.sizes import LARGEST_MESSAGE
from ..protocol.why import Why
from ..telling.loggers import get_logger
from .channel import ChannelSession
from .complaints import Complaints
from .diagnosis import how_it_ended, why_not_started
from .oversized_answers import settle
from .session import CLOSED, BackendSession, ConnectFailed, Inbox
from .unasked import tally_of
from .unreadable import parted, shown

__all__ = ["StdioConnector"]

log = get_logger("sluicegate.backend")

LAST_WORDS_SECONDS = 0.25
"""How long, after the child has ended, what it wrote before may take to arrive: a grandchild may hold the pipes open for ever."""
NOT_STARTED = "its command could not be started"


@attrs.frozen(eq=False, repr=False)
class StdioConnector:
    """Opens sessions with a command, each with a process of its own (implements `Connector`)."""

    name: str
    command: str
    args: tuple[str, ...] = attrs.field(default=(), repr=False)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Added to what is inherited."""
    cwd: str | None = None
    inherited: Callable[[], Mapping[str, str]] = os.environ.copy
    """What the child sees of the gateway's environment; asked at each start."""
    blot: Blot = unblotted
    """Takes known secrets out of what it writes to stderr."""
    open_process: OpenProcess = open_process
    max_message_size: int = LARGEST_MESSAGE
    """The longest line in bytes."""
    grace: float = 2.0
    """Seconds from closing stdin to SIGTERM, and from there to SIGKILL."""
    transport: str = "stdio"
    make_session: Callable[..., ChannelSession] = ChannelSession
    """What keeps the conversation; the test kit has one that fails on demand."""

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Start the process; leaving the block ends its whole group within three times `grace`."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        child = await self._start()
        outbox = Outbox(send_now=getattr(child.stdin, "send_now", None))
        session = self.make_session(self.name, inbox, outbox, child.pid, as_line)
        pumps = trio.CancelScope(shield=True)
        try:
            async with trio.open_nursery() as nursery:
                complaints = Complaints(self.name, self.blot, tally_of(inbox))
                nursery.start_soon(_Pipes(self.name, child, session, self.max_message_size, complaints).run, pumps)
                try:
                    yield session
                finally:
                    session.close(CLOSED)
                    await farewell(child, self.grace)
                    pumps.cancel(reason="the child has ended")
        finally:
            await child.aclose()

    async def _start(self) -> Child:
        spec = ProcessSpec(self.command, tuple(self.args), {**self.inherited(), **self.env}, self.cwd)
        try:
            return await self.open_process(spec)
        except OSError as error:
            raise ConnectFailed(Why(NOT_STARTED, why_not_started(spec, error))) from error
        except ValueError as error:  # a NUL, or half a surrogate, in an argument or in the environment
            raise ConnectFailed(Why(NOT_STARTED, f"command '{self.command}' cannot be started: {error}")) from error


async def farewell(child: Child, grace: float) -> None:
    """Close stdin, wait, SIGTERM, wait, SIGKILL, wait: always to the whole group, and no longer than it lives.

    A child that is gone already has left nobody to talk to on stdin, so what is left of its group gets SIGTERM at once.
    """
    with trio.CancelScope(shield=True):  # every wait in here has an end
        alone = child.returncode is not None
        await child.stdin.aclose()
        if not alone and await _ends(child, grace):
            return
        for sig in (signal.SIGTERM, signal.SIGKILL):
            child.signal_group(sig)
            if await _ends(child, grace):
                return


async def _ends(child: Child, seconds: float) -> bool:
    with trio.move_on_after(seconds):
        await child.wait_group()
        return True
    return False


@attrs.define(eq=False, repr=False)
class _Pipes:
    """The tasks between a child's pipes and its session."""

    backend: str
    child: Child
    session: ChannelSession
    limit: int
    complaints: Complaints
    ending: trio.Event = attrs.field(factory=trio.Event, init=False)
    """The conversation cannot go on."""
    _told_of_text: bool = attrs.field(default=False, init=False)
    what: str = attrs.field(default="", init=False)
    """What the child did to end it, should it still run."""

    async def run(self, scope: trio.CancelScope) -> None:
        """Pump until cancelled through ``scope``, which shields it from everybody else."""
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._wait_for_the_end)

    def _end(self, what: str) -> None:
        self.what = self.what or what
        self.ending.set()

    async def _wait_for_the_end(self) -> None:
        """Close the session once the conversation has ended, and all that was said before has arrived."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wait)
                nursery.start_soon(self._read)
                nursery.start_soon(self._listen)
                await self.ending.wait()
                nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS_SECONDS
        finally:  # after a farewell nobody waits for the last words, and what was left out is told all the same
            self.complaints.finish()
        self.session.close(how_it_ended(self.child.returncode, self.what, self.complaints.last_words))

    async def _wait(self) -> None:
        await self.child.wait()
        self._end("")

    async def _write(self) -> None:
        try:
            while (frame := await self.session.next_frame()) is not None:
                await self.child.stdin.send_all(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):  # ours is closed by the farewell alone
            self._end("it closed its input")

    async def _read(self) -> None:
        await read_lines(self.child.stdout, self.limit, self._take)
        self._end("it closed its output")

    def _take(self, line: bytes | Oversized) -> None:
        if isinstance(line, Oversized):
            settle(self.session, line, f"a line of {line.size} bytes", self.limit)
        elif line and not line.isspace():
            self.session.receive(line if line[:1] == b"{" else self._without_text(line))

    def _without_text(self, line: bytes) -> bytes:
        """The message behind what else stands on its line, if there is one; that is told of once."""
        text, message = parted(line)
        if text and not self._told_of_text:
            self._told_of_text = True
            log.warning("backend writes something before a message on its line; it is skipped", backend=self.backend, text=shown(text))
        return message

    async def _listen(self) -> None:
        await self.complaints.hear(self.child.stderr, lambda: self.session.is_open and not self.ending.is_set())

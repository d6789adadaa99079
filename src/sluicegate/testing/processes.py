"""A process table in memory: async functions run as programs, with pipes, groups, signals and exit statuses.

Its `ProcessTable.open_process` stands where the real one would (``Outside(open_process=table.open_process)``), so that stdio backends run
under a mock clock. Pipes hold nothing: a write waits until the other end has read it, so a program that does not read is felt at once.
"""

from __future__ import annotations

import errno
import signal
import traceback
from collections.abc import Awaitable, Callable, Collection

import attrs
import trio
import trio.testing

from ..outside import Child, ProcessSpec

__all__ = ["MemoryProcess", "ProcessTable", "Program"]

Program = Callable[[trio.abc.ReceiveStream, trio.abc.SendStream, trio.abc.SendStream, ProcessSpec], Awaitable[int]]
"""What runs: its stdin, stdout and stderr and how it was started; it returns its exit status. An exception is a traceback and status 1."""

RELEASE_SECONDS = 2.0


@attrs.frozen
class _Installed:
    program: Program
    ignores: frozenset[int]
    leaves: Program | None


@attrs.define(eq=False, repr=False)
class _Running:
    """One program of a group."""

    ignores: frozenset[int]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    ended: trio.Event = attrs.field(factory=trio.Event)
    returncode: int | None = None
    _by: int = signal.SIGKILL

    def signal(self, sig: int) -> None:
        if self.returncode is None and (sig == signal.SIGKILL or sig not in self.ignores) and not self.scope.cancel_called:
            self._by = sig
            self.scope.cancel()

    async def run(
        self, program: Program, stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec
    ) -> None:
        code: int | None = None
        try:
            with self.scope:
                try:
                    code = await program(stdin, stdout, stderr, spec)
                except Exception:  # noqa: BLE001  a program's bug is its own: it dies of it, as a real one would
                    await stderr.send_all(traceback.format_exc().encode())
                    code = 1
        finally:
            self.returncode = -self._by if code is None else code
            with trio.CancelScope(shield=True):  # closing in memory never waits
                for stream in (stdin, stdout, stderr):
                    await stream.aclose()
            self.ended.set()


@attrs.frozen(eq=False, repr=False)
class MemoryProcess:
    """A program that was started (implements `Child`)."""

    pid: int
    spec: ProcessSpec
    stdin: trio.abc.SendStream
    stdout: trio.abc.ReceiveStream
    stderr: trio.abc.ReceiveStream
    group: tuple[_Running, ...]
    """The child itself, then what it left in its group."""

    @property
    def returncode(self) -> int | None:
        """The exit status; negative for a signal; None while it runs."""
        return self.group[0].returncode

    @property
    def is_running(self) -> bool:
        """Whether any program of its group still runs."""
        return any(member.returncode is None for member in self.group)

    async def wait(self) -> int:
        """Wait until the child itself has ended."""
        await self.group[0].ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def wait_group(self) -> None:
        """Wait until the whole group has ended."""
        for member in self.group:
            await member.ended.wait()

    def signal(self, sig: int) -> None:
        """Send a signal to the child alone, as an operator's ``kill`` would."""
        self.group[0].signal(sig)

    def signal_group(self, sig: int) -> None:
        """Send a signal to every program of the group."""
        for member in self.group:
            member.signal(sig)

    async def aclose(self) -> None:
        """Kill what is left and close the pipes."""
        self.signal_group(signal.SIGKILL)
        with trio.move_on_after(RELEASE_SECONDS, shield=True):
            for stream in (self.stdin, self.stdout, self.stderr):
                await stream.aclose()
            await self.wait_group()


@attrs.define(eq=False, repr=False)
class ProcessTable:
    """Programs by command, and all processes that were started, in order; their tasks live in ``nursery``."""

    nursery: trio.Nursery
    started: list[MemoryProcess] = attrs.field(factory=list, init=False)
    _programs: dict[str, _Installed] = attrs.field(factory=dict, init=False)

    def add(self, command: str, program: Program, *, ignores: Collection[int] = (), leaves: Program | None = None) -> None:
        """Install a program: the signals it ignores, and a second one that it forks at its start and that may outlive it.

        What is forked ignores the same signals and has pipes of its own that lead nowhere.
        """
        self._programs[command] = _Installed(program, frozenset(ignores), leaves)

    @property
    def running(self) -> list[MemoryProcess]:
        """The processes of which anything still runs."""
        return [process for process in self.started if process.is_running]

    async def open_process(self, spec: ProcessSpec) -> Child:
        """Start a program; raises `FileNotFoundError` if there is none of that name."""
        await trio.lowlevel.checkpoint()
        installed = self._programs.get(spec.command)
        if installed is None:
            why = "it is none of the programs in memory; install it with ProcessTable.add(), or run this test on the real clock"
            raise FileNotFoundError(errno.ENOENT, why, spec.command)
        ours_in, stdin = trio.testing.lockstep_stream_one_way_pair()
        stdout, ours_out = trio.testing.lockstep_stream_one_way_pair()
        stderr, ours_err = trio.testing.lockstep_stream_one_way_pair()
        group = [_Running(installed.ignores)]
        self.nursery.start_soon(group[0].run, installed.program, stdin, stdout, stderr, spec)
        if installed.leaves is not None:
            group.append(_Running(installed.ignores))
            _nowhere, endless = trio.testing.memory_stream_one_way_pair()
            sink, _unread = trio.testing.memory_stream_one_way_pair()
            self.nursery.start_soon(group[1].run, installed.leaves, endless, sink, sink, spec)
        process = MemoryProcess(len(self.started) + 1000, spec, ours_in, ours_out, ours_err, tuple(group))
        self.started.append(process)
        return process

"""Child processes, each with the whole group that it may grow.

A child leads a session and a process group of its own, because launchers (``npx``, ``uvx``, shells) have children of their own and Ctrl-C
is ours to translate. Beside each group stands a *guardian*: a shell of 2 MiB in a session of its own that waits on a pipe whose
other end only we hold. When the gateway is gone, however it went (``kill -9`` included), the pipe ends and the guardian ends the group.

Rejected: ``PR_SET_PDEATHSIG``. It is bound to the *thread* that started the child (Trio starts children in worker threads, which end when
idle, so that healthy children would be killed), it reaches the direct child alone, and only Linux has it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import attrs
import trio

from ..events import get_logger

__all__ = ["Child", "OpenProcess", "ProcessSpec", "open_process"]

log = get_logger("sluicegate.processes")

SHELL = "/bin/sh"
RELEASE_SECONDS = 2.0
"""How long the kernel may take to end what got SIGKILL, and a guardian to leave once it is dismissed."""
LONGEST_POLL = 0.05
PROC = Path("/proc")

GUARDIAN = r"""# ends the processes of one backend when the gateway that started them is gone
trap '' HUP INT TERM
read -r group && [ "$group" ] || exit 0
read -r dismissed && exit 0
kill -s TERM -- "-$group" || exit 0
sleep 1
kill -s KILL -- "-$group"
"""
"""Reads the number of the group, then waits: for one more line (the group has ended) or for the end of the pipe (we have)."""


@attrs.frozen
class ProcessSpec:
    """What to run."""

    command: str
    """A path, or a name that is looked up in ``env["PATH"]``."""
    args: tuple[str, ...] = attrs.field(default=(), repr=False)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """The whole environment: nothing is inherited behind its back."""
    cwd: str | None = None


class Child(Protocol):
    """A running process and its group."""

    @property
    def pid(self) -> int:
        """The child's process id, which is its group's too."""
        ...

    @property
    def stdin(self) -> trio.abc.SendStream:
        """Where the child reads."""
        ...

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        """What the child writes."""
        ...

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        """What the child complains about."""
        ...

    @property
    def returncode(self) -> int | None:
        """The exit status; negative for a signal; None while the child runs."""
        ...

    async def wait(self) -> int:
        """Wait until the child itself has ended; its exit status."""
        ...

    async def wait_group(self) -> None:
        """Wait until no process of the group is left: the child may go first and its own children live on."""
        ...

    def signal_group(self, sig: int) -> None:
        """Send a signal to every process of the group; nothing happens if none is left."""
        ...

    async def aclose(self) -> None:
        """Kill what is left of the group and let go of the pipes; bounded, and done even when cancelled."""
        ...


OpenProcess = Callable[[ProcessSpec], Awaitable[Child]]
"""Starts a process; raises `OSError` if it cannot be started."""


@attrs.define(eq=False)
class _Group:
    """A real child (implements `Child`)."""

    process: trio.Process
    guardian: trio.Process | None
    gone: bool = attrs.field(default=False, init=False)
    """No process of the group is left; its number may belong to someone else by now."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdin(self) -> trio.abc.SendStream:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        assert self.process.stderr is not None
        return self.process.stderr

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def wait(self) -> int:
        return await self.process.wait()

    async def wait_group(self) -> None:
        await self.process.wait()
        pause = 0.001
        while not self._look():  # no kernel tells the end of a group, so there is nothing to wait on
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_POLL)

    def _look(self) -> bool:
        if not self.gone:
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                self.gone = True
            except PermissionError:  # macOS, about a group of zombies
                self.gone = True
            else:
                self.gone = self.process.returncode is not None and not _anyone_runs(self.pid)
        return self.gone

    def signal_group(self, sig: int) -> None:
        if not self.gone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, sig)

    async def aclose(self) -> None:
        self.signal_group(signal.SIGKILL)
        with trio.move_on_after(RELEASE_SECONDS, shield=True):
            for stream in (self.stdin, self.stdout, self.stderr):
                await stream.aclose()
            await self.wait_group()
        if self.guardian is not None:
            await _dismiss(self.guardian)


def _anyone_runs(group: int) -> bool:
    """Whether a process of the group does more than wait for its parent to notice its end.

    Orphans are noticed by the first process of the machine or container; many do that late, some never.
    """
    if not (PROC / "self" / "stat").exists():
        return True
    for stat in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended while we were looking
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


async def open_process(spec: ProcessSpec) -> Child:
    """Start a real child in a group of its own, watched by a guardian; raises `OSError`."""
    if sys.platform == "win32":
        raise OSError("child processes need POSIX process groups; on Windows use an http or in-process backend")
    guardian = await _open_guardian()
    try:
        process = await trio.lowlevel.open_process(
            [spec.command, *spec.args],
            env=dict(spec.env),
            cwd=spec.cwd,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except BaseException:
        if guardian is not None:
            await _dismiss(guardian)
        raise
    if guardian is not None:
        await _say(guardian, b"%d\n" % process.pid)
    return _Group(process, guardian)


async def _open_guardian() -> trio.Process | None:
    """A guardian that does not know yet what it guards; None, and a warning, where there is no shell."""
    if sys.platform == "win32":
        return None
    try:
        return await trio.lowlevel.open_process(
            [SHELL, "-c", GUARDIAN, "backend-guardian"],
            env={"PATH": os.defpath},
            cwd="/",
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        log.warning("no guardian: if the gateway is killed with -9, backends that ignore the end of their input live on", error=str(error))
        return None


async def _say(guardian: trio.Process, line: bytes) -> None:
    assert guardian.stdin is not None
    with trio.move_on_after(RELEASE_SECONDS, shield=True), suppress(trio.BrokenResourceError):
        await guardian.stdin.send_all(line)


async def _dismiss(guardian: trio.Process) -> None:
    """Tell the guardian that its group has ended; one that was never told a group just leaves."""
    assert guardian.stdin is not None
    await _say(guardian, b"\n")
    with trio.move_on_after(RELEASE_SECONDS, shield=True) as waiting:
        await guardian.stdin.aclose()
        await guardian.wait()
    if waiting.cancelled_caught:
        guardian.kill()
        with trio.move_on_after(RELEASE_SECONDS, shield=True):
            await guardian.wait()

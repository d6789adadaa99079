"""Real child processes, each with the whole group that it may grow.

A child leads a session and a process group of its own, because launchers (``npx``, ``uvx``, shells) have children of their own and Ctrl-C
is ours to translate.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import attrs
import trio
from trio.lowlevel import FdStream

from .child import Child, ProcessSpec
from .guardian import MARK, appoint, dismiss, open_guardian
from .pipes import ReadPipe, WritePipe
from .virtual import refuse_under_virtual_time

__all__ = ["open_process"]

PROC = Path("/proc")
RELEASE_SECONDS = 2.0
"""How long the kernel may take to end what got SIGKILL."""
POLL_SECONDS = 0.05


@attrs.define(eq=False, repr=False)
class _Group:
    """A real child (implements `Child`)."""

    process: trio.Process
    guardian: trio.Process | None
    stdin: WritePipe
    stdout: ReadPipe
    stderr: ReadPipe
    gone: bool = attrs.field(default=False, init=False)
    """No process of the group is left; its number may belong to someone else by now."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def wait(self) -> int:
        return await self.process.wait()

    async def wait_group(self) -> None:
        await self.process.wait()
        while not self._look():  # noqa: ASYNC110  no kernel tells the end of a group, so there is nothing to wait on
            await trio.sleep(POLL_SECONDS)

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
            await dismiss(self.guardian)


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
    refuse_under_virtual_time("child processes", "Outside(open_process=ProcessTable(nursery).open_process)")
    if sys.platform == "win32":
        raise OSError("child processes need POSIX process groups; on Windows use an http or in-process backend")
    mark = secrets.token_hex()
    guardian = await open_guardian(mark)
    try:
        process = await trio.lowlevel.open_process(
            [spec.command, *spec.args],
            env={**spec.env, MARK: mark},
            cwd=spec.cwd,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except BaseException:  # cancelled or failed: without a child the guardian has nothing to wait for
        if guardian is not None:
            await dismiss(guardian)
        raise
    if guardian is not None:
        await appoint(guardian, process.pid)
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert isinstance(stdin, FdStream)
    assert isinstance(stdout, FdStream)
    assert isinstance(stderr, FdStream)
    return _Group(process, guardian, WritePipe(stdin), ReadPipe(stdout), ReadPipe(stderr))

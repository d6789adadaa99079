"""What ends the processes of a backend when the gateway itself is gone, however it went: ``kill -9`` included.

Beside each process group stands a *guardian*: a shell of 2 MiB in a session of its own, waiting on a pipe whose other end only we hold.

Rejected: ``PR_SET_PDEATHSIG``. It is bound to the *thread* that started the child (Trio starts children in worker threads, which end when
idle, so that healthy children would be killed), it reaches the direct child alone, and only Linux has it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import trio

from ..telling.loggers import get_logger

__all__ = ["MARK", "appoint", "dismiss", "open_guardian"]

log = get_logger("sluicegate.processes")

SHELL = "/bin/sh"
DISMISSAL_SECONDS = 2.0

GUARDIAN = r"""# ends the processes of one backend when the gateway that started them is gone
trap '' HUP INT TERM
if ! read -r group; then
  sleep 1
  for environ in /proc/[0-9]*/environ; do
    tr '\0' '\n' < "$environ" | grep -qx "$1" || continue
    child=${environ#/proc/} child=${child%/environ}
    kill -s KILL -- "-$child"
    kill -s KILL "$child"
  done
  exit 0
fi
[ "$group" ] || exit 0
read -r dismissed && exit 0
kill -s TERM -- "-$group" || exit 0
sleep 1
kill -s KILL -- "-$group"
"""
"""Reads the number of the group, then waits: for one more line (the group has ended) or for the end of the pipe (we have).

Where we end before we could tell the number, whoever has the mark in its environment was our child; only Linux shows that.
"""
MARK = "SLUICEGATE_CHILD"
"""Environment variable of a child: a word that its guardian knows, too."""


async def open_guardian(mark: str) -> trio.Process | None:
    """A guardian that does not know yet what it guards, but for its mark; None, and a warning, where there is no shell."""
    if sys.platform == "win32":
        return None
    try:
        return await trio.lowlevel.open_process(
            [SHELL, "-c", GUARDIAN, "backend-guardian", f"{MARK}={mark}"],
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


async def appoint(guardian: trio.Process, group: int) -> None:
    """Tell the guardian whom it guards."""
    await _say(guardian, b"%d\n" % group)


async def _say(guardian: trio.Process, line: bytes) -> None:
    assert guardian.stdin is not None
    with trio.move_on_after(DISMISSAL_SECONDS, shield=True), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await guardian.stdin.send_all(line)


async def dismiss(guardian: trio.Process) -> None:
    """Tell the guardian that its group has ended; one that was never told a group just leaves, and one that has left hears nothing."""
    assert guardian.stdin is not None
    await _say(guardian, b"\n")
    with trio.move_on_after(DISMISSAL_SECONDS, shield=True) as waiting:
        await guardian.stdin.aclose()
        await guardian.wait()
    if waiting.cancelled_caught:
        guardian.kill()
        with trio.move_on_after(DISMISSAL_SECONDS, shield=True):
            await guardian.wait()

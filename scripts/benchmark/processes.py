"""Programs that are measured: starting them, waiting until they listen, and ending them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from .usage import PROC

__all__ = ["Failed", "Program", "free_port", "running"]

PATIENCE = 60.0
"""Seconds that a program may take to say where it listens."""
FAREWELL = 10.0


class Failed(Exception):
    """A program did not do what it is there for."""


@attrs.define
class Program:
    """A running program, where it listens, and how long it took to get there."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""
    seconds_to_listen: float = 0.0

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def memory(self) -> dict[str, float]:
        """Resident memory now and at its highest, in MiB; without its children."""
        status = (PROC / str(self.pid) / "status").read_text()
        return {
            key: round(int(found[1]) / 1024, 1)
            for key, name in (("rss", "VmRSS"), ("highest", "VmHWM"))
            if (found := re.search(rf"{name}:\s+(\d+) kB", status))
        }

    def wait_for(self, pattern: str) -> str:
        """The first group of the first match in its log; raises `Failed` if there is none in time."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log.read_text(errors="replace")):
                return found[1]
            self._must_run()
            time.sleep(0.005)
        raise Failed(f"{self.name} did not say {pattern!r}:\n{self.tail()}")

    def wait_until_listening(self, port: int) -> None:
        """Return as soon as somebody accepts connections on that port of loopback."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            self._must_run()
            time.sleep(0.002)
        raise Failed(f"{self.name} does not listen:\n{self.tail()}")

    def _must_run(self) -> None:
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]


@contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    folder: Path,
    *,
    port: int = 0,
    env: Mapping[str, str] | None = None,
    says: str = "",
    stderr: int | None = None,
) -> Iterator[Program]:
    """Start a program in a process group of its own; ready when it listens on ``port``, or has written what matches ``says``: the URL it serves.

    The whole group is gone at the end of the block. What it writes is in its log, unless there is a descriptor for ``stderr``.
    """
    log = folder / f"{name.replace(' ', '-').replace('/', '-')}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output if stderr is None else stderr,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    program = Program(name, process, log)
    try:
        if port:
            program.wait_until_listening(port)
        program.seconds_to_listen = time.monotonic() - began
        if says:
            program.url = program.wait_for(says)
        yield program
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then make it, with all that it has started."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(FAREWELL)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A port that nobody has now; for programs that cannot choose one and tell."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port

"""`clients` and `attackers` as they are used: programs of their own, so that what they compute does not delay what is measured."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from .clients import Outcome
from .processes import Failed
from .sessions import open_sessions
from .targets import Target

__all__ = ["Callers", "attacking", "calling", "hurting", "probing"]

HERE = Path(__file__).parent
PATIENCE = 90.0


@attrs.frozen
class Callers:
    """A program of this folder that runs until it is told to stop, and then reports."""

    process: subprocess.Popen[str]

    def report(self) -> dict[str, Any]:
        """Tell it to stop; what it has to report."""
        self.process.send_signal(signal.SIGTERM)
        told, complaints = self.process.communicate(timeout=PATIENCE)
        if self.process.returncode != 0 or not told:
            raise Failed(f"{self.process.args!r}: {complaints[-2000:]}")
        found: dict[str, Any] = json.loads(told)
        return found

    def outcomes(self) -> list[Outcome]:
        """No more calls; what came of those there were."""
        return [Outcome(*outcome) for outcome in self.report()["outcomes"]]


@contextmanager
def calling(
    target: Target, tool: str, arguments: dict[str, object], connections: int, *, pause: float, calls: int = 0
) -> Iterator[Callers]:
    """Well-behaved clients, on a session of their own: ``calls`` on each connection, 0 is until told to stop; ``pause`` seconds between two of them."""
    (session,) = open_sessions(target.url, 1)
    # A session id may begin with a dash, so it stands behind the one that ends the options.
    options = ["--connections", str(connections), "--pause", str(pause), "--calls", str(calls)]
    with _running("clients.py", [*options, "--", target.url, session, target.tool(tool), json.dumps(arguments)], "started") as callers:
        yield callers


@contextmanager
def probing(url: str, connections: int, *, pause: float) -> Iterator[Callers]:
    """The same clients, who get a URL instead of calling a tool."""
    options = ["--connections", str(connections), "--pause", str(pause)]
    with _running("clients.py", [*options, "--", url, "-", "", "{}"], "started") as callers:
        yield callers


@contextmanager
def attacking(target: Target, numbers: dict[str, int]) -> Iterator[Callers]:
    """Clients that hurt, so many of each kind."""
    (session,) = target.sessions_for(1)
    amounts = [text for kind, number in numbers.items() for text in (f"--{kind}", str(number))]
    with _running("attackers.py", [*amounts, "--", target.url, session, target.tool("large")], "all there") as callers:
        yield callers


@contextmanager
def hurting(target: Target, kind: str, tool: str, amount: int, url: str = "") -> Iterator[Callers]:
    """Requests that hurt, of one kind; ``tool`` is what is called, where something is, for ``amount`` of what it does. ``url`` gets them instead."""
    (session,) = open_sessions(target.url, 1)
    with _running("hurting_client.py", ["--amount", str(amount), "--", kind, url or target.url, session, tool], "started") as callers:
        yield callers


@contextmanager
def _running(script: str, arguments: Sequence[str], says: str) -> Iterator[Callers]:
    """Start a program, and wait until it says that it is where it should be; it is gone at the end of the block."""
    command = [sys.executable, str(HERE / script), *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            heard = ""
            while not heard.endswith(f"{says}\n"):
                line = process.stderr.readline()
                if not line:
                    raise Failed(f"{script} ended: {heard}")
                heard += line
            yield Callers(process)
        finally:
            process.kill()

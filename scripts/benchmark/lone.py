"""What a call without a session costs (2026-07-28), in calls with one, of the same gateway and the same kind of clients, in pairs of one run."""

from __future__ import annotations

import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import attrs

from .goals import Goal
from .price import say
from .processes import Failed, Program, running
from .targets import SLUICEGATE, URL, write_configuration
from .usage import usage

__all__ = ["Lone", "lone", "lone_goals", "show_lone"]

HERE = Path(__file__).parent
CLIENTS = 16
CALLS = 400
PAIRS = 9
PROMISED = 1.1
PATIENCE = 120


@attrs.frozen
class Lone:
    """Microseconds of processor time of the gateway for a call, pair by pair."""

    pairs: list[tuple[float, float]]
    """In a session, and without one."""

    @property
    def ratio(self) -> float:
        """The middle one of all pairs: each was measured at once, so what else the machine does is in both."""
        return statistics.median(without / within for within, without in self.pairs)


def lone(folder: Path, pairs: int = PAIRS) -> Lone:
    """Measure, both kinds in turns."""
    with ExitStack() as stack:
        command = [sys.executable, str(HERE / "talking_stub.py"), "http"]
        stub = stack.enter_context(running("talking stub", command, folder, says=r"(http://\S+/mcp)\s"))
        table = f'[[backends]]\nname = "b"\ntransport = "http"\nurl = "{stub.url}"\n'
        path = write_configuration(folder / "lone.toml", [table])
        gateway = stack.enter_context(running("lone", [*SLUICEGATE, "run", "-c", path], folder, says=URL))
        found: list[tuple[float, float]] = []
        for turn in range(pairs + 1):  # the first one warms up
            say(f"{turn}/{pairs}: calls with and without a session …")
            first, second = ("session", "lone") if turn % 2 else ("lone", "session")
            costs = {kind: _measure(gateway, kind) for kind in (first, second)}
            if turn:
                found.append((costs["session"], costs["lone"]))
        say("")
    return Lone(found)


def _measure(program: Program, kind: str) -> float:
    before = usage(program.pid)
    command = [sys.executable, str(HERE / "plain_clients.py"), "--connections", str(CLIENTS), "--calls", str(CALLS)]
    done = subprocess.run([*command, f"{program.url}/mcp", "b_echo", kind], capture_output=True, text=True, timeout=PATIENCE, check=False)
    spent = usage(program.pid) - before
    if done.returncode or int(done.stdout) != CLIENTS * CALLS:
        raise Failed(f"{kind}: {done.stdout.strip()} answers instead of {CLIENTS * CALLS}: {done.stderr[-1000:]}")
    return spent.own / (CLIENTS * CALLS) * 1e6


def show_lone(found: Lone) -> str:
    """A line a pair."""
    lines = [f"{within:6.0f} µs in a session {without:6.0f} µs without one {without / within:5.2f} x" for within, without in found.pairs]
    return "\n".join(["CPU of a small call over HTTP", *lines, f"in the middle {found.ratio:.3f} x"])


def lone_goals(found: Lone) -> list[Goal]:
    """What that says about the promise."""
    return [Goal("a call without a session: CPU in calls with one", PROMISED, found.ratio)]

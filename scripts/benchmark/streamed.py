"""What it costs to be told how far a call is, and to be asked in the middle of one, in small calls of the same gateway and the same clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from .goals import Goal
from .price import say
from .processes import Failed, Program, running
from .talking_stub import NOTES
from .targets import SLUICEGATE, URL, write_configuration
from .usage import usage

__all__ = ["Streamed", "show_streamed", "streamed", "streamed_goals"]

HERE = Path(__file__).parent
CLIENTS = 16
CALLS = 300
ROUNDS = 5
KINDS = {"echo": 1, "notes": NOTES + 1, "ask": 2}
"""By tool: how many messages a client gets for a call."""
PROMISED = {"notes": 2.3, "ask": 2.6}
PATIENCE = 120


@attrs.frozen
class Streamed:
    """Microseconds of processor time of the gateway for a call, by the transport of its backend and the tool."""

    costs: dict[str, dict[str, float]]

    def ratio(self, transport: str, kind: str) -> float:
        """How many small calls one of that kind costs."""
        return self.costs[transport][kind] / self.costs[transport]["echo"]


def streamed(folder: Path, rounds: int = ROUNDS) -> Streamed:
    """Measure, all kinds in turns; the least of some rounds, because whatever disturbs only adds."""
    found: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        gateways = {transport: stack.enter_context(_gateway(folder, transport)) for transport in ("stdio", "http")}
        for turn in range(rounds + 1):  # the first one warms up
            for transport, program in gateways.items():
                for kind in KINDS:
                    say(f"{turn}/{rounds}: {kind} over {transport} …")
                    cost = _measure(program, kind)
                    if turn:
                        found.setdefault(transport, {}).setdefault(kind, []).append(cost)
    say("")
    return Streamed({transport: {kind: min(costs) for kind, costs in kinds.items()} for transport, kinds in found.items()})


def _measure(program: Program, kind: str) -> float:
    before = usage(program.pid)
    command = [sys.executable, str(HERE / "listening_clients.py"), "--connections", str(CLIENTS), "--calls", str(CALLS)]
    done = subprocess.run([*command, f"{program.url}/mcp", f"b_{kind}"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    spent = usage(program.pid) - before
    expected = CLIENTS * CALLS * KINDS[kind]
    if done.returncode or int(done.stdout) != expected:
        raise Failed(f"{kind}: {done.stdout.strip()} messages instead of {expected}: {done.stderr[-1000:]}")
    return spent.own / (CLIENTS * CALLS) * 1e6


@contextmanager
def _gateway(folder: Path, transport: str) -> Iterator[Program]:
    """The gateway with a backend that may ask each client of it."""
    command = [sys.executable, str(HERE / "talking_stub.py"), transport]
    with ExitStack() as stack:
        if transport == "http":
            stub = stack.enter_context(running("talking stub", command, folder, says=r"(http://\S+/mcp)\s"))
            reached = f'url = "{stub.url}"\n'
        else:
            reached = f"command = {json.dumps(command[0])}\nargs = {json.dumps(command[1:])}\n"
        table = f'[[backends]]\nname = "b"\ntransport = "{transport}"\n{reached}sessions = "per_client"\n'
        path = write_configuration(folder / f"talking-{transport}.toml", [table])
        yield stack.enter_context(running(f"talking {transport}", [*SLUICEGATE, "run", "-c", path], folder, says=URL))


def show_streamed(found: Streamed) -> str:
    """A table."""
    lines = ["CPU of a call                     echo     ten notes        a question"]
    for transport, costs in found.costs.items():
        told = [f"{costs[kind]:6.0f} µs {found.ratio(transport, kind):5.2f} x" for kind in ("notes", "ask")]
        lines.append(f"{transport + ', a session for each client':30} {costs['echo']:6.0f} µs  {'  '.join(told)}")
    return "\n".join(lines)


def streamed_goals(found: Streamed) -> list[Goal]:
    """What that says about the promises."""
    names = {"notes": "a call with 10 progress notes", "ask": "a call with a question"}
    return [
        Goal(f"{names[kind]}, {transport}: CPU in small calls", limit, found.ratio(transport, kind))
        for transport in found.costs
        for kind, limit in PROMISED.items()
    ]

"""What single inputs that hurt do to the others: names, members, floods. Each kind has a gateway of its own, with well-behaved clients.

Peace and attack take turns, as in `attack`; ``/livez`` and the calls of a healthy backend are timed in both.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import attrs
import httpx2

from .attack import compared
from .callers import calling, hurting
from .goals import Goal
from .price import say
from .processes import Failed, Program, free_port, running
from .ratios import Ratio, ratio
from .targets import SLUICEGATE, URL, Target, backend_table, http_stub, write_configuration
from .usage import usage

__all__ = ["KINDS", "QUICK", "THOROUGH", "Flood", "flood_goals", "floods", "show_floods"]

PAUSE = 0.02
"""Seconds between two calls of a well-behaved client, and between two looks at ``/livez``."""
CLIENTS = 4
LOOK_SECONDS = 0.1
SETTLING = 15.0
"""Seconds after an attack until the gateway should have nothing to do any more; a backend may go on for some of them."""
AT_REST = 0.2
"""Of a core: less than that is nothing to do."""


@attrs.frozen
class Kind:
    """One way to hurt, and what it may cost."""

    sends: str
    """What `hurting_client` sends."""
    backend: str = ""
    """The transport of a backend that hurts, where that is what does it."""
    tool: str = ""
    amount: int = 0
    lines: str = ""
    """More of the healthy backend's configuration."""
    unread: bool = False
    """Whether nobody reads what the gateway logs."""
    mebibytes: float = 16
    """Of memory more than in peace."""
    log: float = 256
    """KiB of log of one attack."""
    ended: float = 8
    """Seconds that the gateway may take to end; a child that does not listen is waited for."""
    answered: float = 5
    """Seconds within which each request of the attack is answered."""


KINDS: Mapping[str, Kind] = {
    "unread log": Kind("call", "stdio", "chatter", 20_000, unread=True, ended=3),
    "long names": Kind("names", lines='hide_tools = ["*zz*", "**x**y**z", "re:(a|aa)*b"]\n'),
    "sessions": Kind("sessions", mebibytes=64),
    "members": Kind("members", mebibytes=160),
    "pings": Kind("call", "http", "pings", 200_000, answered=20),
    "questions": Kind("call", "stdio", "questions", 200_000, answered=20),
    "chatter": Kind("call", "stdio", "chatter", 200_000, answered=20),
    "deep": Kind("call", "stdio", "deep", 100_000),
}


@attrs.frozen
class Flood:
    """How long each phase takes, in seconds, and how often an attack comes."""

    seconds: float
    times: int


THOROUGH = Flood(seconds=4, times=3)
QUICK = Flood(seconds=1.5, times=1)
"""For a test."""


def floods(folder: Path, plan: Flood, names: list[str]) -> dict[str, Any]:
    """Every kind of those names, one after the other; everything that was found out. Latencies are milliseconds, memory MiB, logs KiB."""
    found = {}
    for name in names:
        say(f"attack: {name} …")
        try:
            found[name] = flood(folder, plan, name, KINDS[name])
        except (Failed, httpx2.HTTPError) as error:
            found[name] = {"failed": repr(error)}
    say("")
    return found


def flood(folder: Path, plan: Flood, name: str, kind: Kind) -> dict[str, Any]:
    """One kind, some times."""
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder, f"stub of {name}"))
        opened = stack.enter_context(ended_in_time(folder, name, kind, stub))
        target = opened.target
        phase(target, plan, None)  # warm up
        peace, attacks = [phase(target, plan, None)], []
        for _ in range(plan.times):
            attacks.append(phase(target, plan, kind) | {"settled": settled(target.program)})
            peace.append(phase(target, plan, None))
    found = {what: attrs.asdict(ratio(compared(peace, attacks, what))) for what in ("p99", "livez")}
    return {"peace": peace, "attacks": attacks, "ended": round(opened.ended, 2), **found}


@attrs.define
class Opened:
    """A gateway, and how many seconds it took to end in the end."""

    target: Target
    ended: float = 0.0


@contextmanager
def ended_in_time(folder: Path, name: str, kind: Kind, stub: Program) -> Iterator[Opened]:
    """A gateway in front of the healthy backend, and of one that hurts where the kind has one."""
    port = free_port()
    slug = name.replace(" ", "-")
    with ExitStack() as stack:
        tables = [backend_table("stub", stub) + kind.lines]
        if kind.backend:
            tables.append(stack.enter_context(hurting_backend(folder, slug, kind.backend)))
        path = write_configuration(folder / f"{slug}.toml", tables, port=port)
        output = None
        if kind.unread:
            unread, output = os.pipe()
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, 4096)
            stack.callback(os.close, unread)
            stack.callback(os.close, output)
        command = [*SLUICEGATE, "run", "-c", path]
        program = stack.enter_context(
            running(f"gateway of {slug}", command, folder, port=port, says="" if kind.unread else URL, stderr=output)
        )
        program.url = f"http://127.0.0.1:{port}"
        opened = Opened(Target(name, program, f"{program.url}/mcp", stub))
        yield opened
        began = time.monotonic()
        program.process.terminate()
        program.process.wait(30)
        opened.ended = time.monotonic() - began


@contextmanager
def hurting_backend(folder: Path, slug: str, transport: str) -> Iterator[str]:
    """The table of a backend that hurts."""
    script = str(Path(__file__).with_name("hurting_server.py"))
    head = f'[[backends]]\nname = "hurting"\ntransport = "{transport}"\ntimeout.seconds = 30\n'
    if transport == "stdio":
        yield f"{head}command = {json.dumps(sys.executable)}\nargs = {json.dumps([script, transport])}\n"
        return
    with running(f"server of {slug}", [sys.executable, script, transport], folder, says=r"(http://\S+/mcp)\s") as server:
        yield f'{head}url = "{server.url}"\n'


class Prober:
    """Asks for ``/livez`` again and again, for the length of a block."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.seconds: list[float] = []
        self.wrong = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.thread.join()

    def run(self) -> None:
        """Ask until it is over."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        while not self.over.wait(PAUSE):
            began = time.monotonic()
            try:
                connection.request("GET", "/livez")
                answer = connection.getresponse()
                answer.read()
                self.wrong += answer.status != 200
            except (OSError, http.client.HTTPException):
                self.wrong += 1
                connection.close()
            self.seconds.append(time.monotonic() - began)
        connection.close()


def phase(target: Target, plan: Flood, kind: Kind | None) -> dict[str, Any]:
    """Well-behaved clients for a while, with or without an attack; what became of their calls."""
    program = target.program
    written = program.log.stat().st_size
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        tool = target.tool(kind.tool or "echo") if kind else ""
        clients = stack.enter_context(calling(target, "echo", {}, CLIENTS, pause=PAUSE))
        attackers = stack.enter_context(hurting(target, kind.sends, tool, kind.amount)) if kind else None
        memory = 0.0
        with Prober(program.url) as prober:
            until = time.monotonic() + plan.seconds
            while time.monotonic() < until:
                memory = max(memory, program.memory()["rss"])
                time.sleep(LOOK_SECONDS)
        calls = clients.outcomes()
        if attackers:
            found = attackers.report()
    latencies = sorted((call.ended - call.sent) * 1e3 for call in calls)
    lives = sorted(seconds * 1e3 for seconds in prober.seconds)
    return {
        "calls": len(calls),
        "bad": [call.what for call in calls if call.what != "200"] + ["livez"] * prober.wrong,
        "p50": round(statistics.median(latencies), 2),
        "p99": round(latencies[int(len(latencies) * 0.99)], 2),
        "livez": round(lives[int(len(lives) * 0.99)], 2),
        "longest": round(max(latencies[-1], lives[-1]), 2),
        "memory": memory,
        "log": round((program.log.stat().st_size - written) / 1024, 1),
        **found,
    }


def settled(program: Program) -> float:
    """Wait until the gateway has nothing to do, and tell how many seconds that took."""
    began = time.monotonic()
    while True:
        before = usage(program.pid).own
        time.sleep(LOOK_SECONDS * 5)
        waited = time.monotonic() - began
        if usage(program.pid).own - before < AT_REST * LOOK_SECONDS * 5 or waited > SETTLING:
            return round(waited, 1)


def show_floods(found: Mapping[str, Any]) -> str:
    """A line for each kind."""
    lines = [
        f"{'':12}{'p99 ms':>9}{'peace':>8}{'livez':>9}{'peace':>8}{'longest':>9}{'most MiB':>10}{'peace':>8}{'log KiB':>9}{'answered':>10}  answers"
    ]
    for name, one in found.items():
        if "failed" in one:
            lines.append(f"{name:12} the gateway is dead to everybody: {one['failed']}")
            continue
        peace, attacks = one["peace"], one["attacks"]
        times = "".join(f"{median(attacks, what):9.2f}{median(peace, what):8.2f}" for what in ("p99", "livez"))
        most = f"{max(attack['longest'] for attack in attacks):9.1f}{max(attack['memory'] for attack in attacks):10.1f}{peace[0]['memory']:8.1f}"
        tail = f"{max(attack['log'] for attack in attacks):9.1f}{max(attack['longest answer'] for attack in attacks):10.2f}"
        lines.append(f"{name:12}{times}{most}{tail}  {attacks[-1]['statuses']}")
        lines.append(f"{'':12}{'':4}p99 {Ratio(**one['p99'])}, livez {Ratio(**one['livez'])}")
    return "\n".join(lines)


def median(phases: list[dict[str, Any]], what: str) -> float:
    """Of all phases."""
    return statistics.median(one[what] for one in phases)


def flood_goals(found: Mapping[str, Any]) -> list[Goal]:
    """What each kind may do at most."""
    goals = []
    for name, one in found.items():
        goals.append(Goal(f"{name}: attacks after which nobody can open a session", 0, "failed" in one))
        if "failed" in one:
            continue
        kind, attacks = KINDS[name], one["attacks"]
        phases = [*one["peace"], *attacks]
        goals += [
            Goal(f"{name}: p99 of healthy calls, as a multiple of that in peace", 2, one["p99"]["median"]),
            Goal(f"{name}: p99 of /livez, as a multiple of that in peace", 2, one["livez"]["median"]),
            Goal(f"{name}: healthy calls that went wrong", 0, sum(len(phase["bad"]) for phase in phases)),
            Goal(f"{name}: MiB more than in peace", kind.mebibytes, max(phase["memory"] for phase in phases) - one["peace"][0]["memory"]),
            Goal(f"{name}: KiB of log in one attack", kind.log, max(phase["log"] for phase in attacks)),
            Goal(f"{name}: seconds until what hurts is answered", kind.answered, max(phase["longest answer"] for phase in attacks)),
            Goal(f"{name}: seconds until it is at rest again", SETTLING, max(phase["settled"] for phase in attacks)),
            Goal(f"{name}: seconds until the gateway has ended", kind.ended, one["ended"]),
        ]
    return goals

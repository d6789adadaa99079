"""What single inputs that hurt do to the others: names, members, floods. Each kind has a gateway of its own, with well-behaved clients.

Peace and attack take turns, as in `attack`; ``/livez`` and the calls of a healthy backend are timed in both. Two figures stand beside that, which say what
of it is the gateway's doing. *Pressed* is another peace, in which the same requests are sent to a program that drops them: what the sender takes from the
processor it takes from everybody. And once in peace and once under attack the gateway's loop is counted from within, in processor time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import httpx2

from .attack import compared
from .callers import Callers, calling, hurting, probing
from .flood_kinds import KINDS, Kind
from .flooded import ended_in_time, swallowing
from .goals import Goal
from .price import say
from .processes import Failed, Program
from .ratios import Ratio, ratio
from .targets import Target, http_stub
from .turns import counting
from .usage import usage

__all__ = ["QUICK", "THOROUGH", "Flood", "flood_goals", "floods", "show_floods"]

PAUSE = 0.02
"""Seconds between two calls of a well-behaved client."""
CLIENTS = 4
"""So many call, and as many look at ``/livez``."""
LOOK_SECONDS = 0.1
SETTLING = 15.0
"""Seconds after an attack until the gateway should have nothing to do any more; a backend may go on for some of them."""
AT_REST = 0.2
"""Of a core: less than that is nothing to do."""
LONGEST_ROUND, LONGEST_STEP = 1.0, 3.0
"""Milliseconds of processor time of the loop: 99 of 100 rounds, and each step of a task."""


@attrs.frozen
class Flood:
    """How long each phase takes, in seconds, and how often an attack comes."""

    seconds: float
    times: int


THOROUGH = Flood(seconds=6, times=3)
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
        elsewhere = stack.enter_context(swallowing(folder, name)) if kind.is_sent else ""
        phase(target, plan, None)  # warm up
        peace, attacks, pressed = [phase(target, plan, None)], [], []
        for _ in range(plan.times):
            attacks.append(phase(target, plan, kind) | {"settled": settled(target.program)})
            if elsewhere:
                pressed.append(phase(target, plan, kind, elsewhere))
            peace.append(phase(target, plan, None))
        counted = [count(target, plan, folder, which) for which in (None, kind, kind)]
    found = {what: attrs.asdict(ratio(compared(peace, attacks, what))) for what in ("p99", "livez")}
    return {"peace": peace, "attacks": attacks, "pressed": pressed, "counted": counted, "ended": round(opened.ended, 2), **found}


def count(target: Target, plan: Flood, folder: Path, kind: Kind | None) -> dict[str, Any]:
    """What the loop does in a phase; the clients are slower for being counted, so they are not asked."""
    with counting(target, folder) as counted:
        phase(target, plan, kind)
    return counted


def phase(target: Target, plan: Flood, kind: Kind | None, elsewhere: str = "") -> dict[str, Any]:
    """Well-behaved clients for a while, with or without an attack, be it on the gateway or on somebody else; what became of their calls."""
    program = target.program
    written = program.log.stat().st_size
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        tool = target.tool(kind.tool or "echo") if kind else ""
        clients = stack.enter_context(calling(target, "echo", {}, CLIENTS, pause=PAUSE))
        probes = stack.enter_context(probing(f"{program.url}/livez", CLIENTS, pause=PAUSE))
        attackers = stack.enter_context(hurting(target, kind.sends, tool, kind.amount, elsewhere)) if kind else None
        memory = 0.0
        until = time.monotonic() + plan.seconds
        while time.monotonic() < until:
            memory = max(memory, program.memory()["rss"])
            time.sleep(LOOK_SECONDS)
        (latencies, wrong), (lives, dead) = times(clients), times(probes)
        if attackers:
            found = attackers.report()
    return {
        "calls": len(latencies),
        "bad": wrong + [f"livez: {what}" for what in dead],
        "p50": round(statistics.median(latencies), 2),
        "p99": round(latencies[int(len(latencies) * 0.99)], 2),
        "livez": round(lives[int(len(lives) * 0.99)], 2),
        "longest": round(max(latencies[-1], lives[-1]), 2),
        "memory": memory,
        "log": round((program.log.stat().st_size - written) / 1024, 1),
        **found,
    }


def times(callers: Callers) -> tuple[list[float], list[str]]:
    """How many milliseconds each call took, the shortest first; and what became of those that went wrong."""
    calls = callers.outcomes()
    return sorted((call.ended - call.sent) * 1e3 for call in calls), [call.what for call in calls if call.what != "200"]


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
        lines += [f"{'':16}{line}" for line in beside(one)]
    return "\n".join(lines)


def beside(one: Mapping[str, Any]) -> list[str]:
    """What of it is the gateway's doing, in words."""
    lines = []
    if one["pressed"]:
        what = [f"{name} {median(one['attacks'], name) / median(one['pressed'], name):.2f}" for name in ("p99", "livez")]
        lines.append(f"as a multiple of peace while the same is sent to somebody else: {', '.join(what)}")
    quiet, attacked = one["counted"][0], better(one["counted"])
    waits = [f"{name} {quiet['waits'][name]:.2f} -> {attacked['waits'][name]:.2f}" for name in quiet["waits"]]
    lines.append(f"ms of the loop until an answer, p99: {', '.join(waits)}")
    rounds = ", ".join(f"{name} {quiet[name]:.2f} -> {attacked[name]:.2f}" for name in ("round", "longest round", "longest step"))
    return [*lines, f"ms of the loop: p99 of a {rounds} ({attacked['slowest'].rpartition('.')[2]})"]


def better(counted: list[dict[str, Any]]) -> dict[str, Any]:
    """The attack with the shorter longest step: what is the gateway's doing comes in both, and what other programs cost it does not."""
    best: dict[str, Any] = min(counted[1:], key=lambda one: one["longest step"])
    return best


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
        kind, attacks, counted = KINDS[name], one["attacks"], better(one["counted"])
        phases = [*one["peace"], *one["pressed"], *attacks]
        goals += [
            Goal(f"{name}: p99 of healthy calls, as a multiple of that in peace", 2, one["p99"]["median"]),
            Goal(f"{name}: p99 of /livez, as a multiple of that in peace", 2, one["livez"]["median"]),
            Goal(f"{name}: p99 of a round of the loop, ms of processor time", LONGEST_ROUND, counted["round"]),
            Goal(f"{name}: the longest step of a task, ms of processor time", LONGEST_STEP, counted["longest step"]),
            Goal(f"{name}: healthy calls that went wrong", 0, sum(len(phase["bad"]) for phase in phases)),
            Goal(f"{name}: MiB more than in peace", kind.mebibytes, max(phase["memory"] for phase in phases) - one["peace"][0]["memory"]),
            Goal(f"{name}: KiB of log in one attack", kind.log, max(phase["log"] for phase in attacks)),
            Goal(f"{name}: seconds until what hurts is answered", kind.answered, max(phase["longest answer"] for phase in attacks)),
            Goal(f"{name}: seconds until it is at rest again", SETTLING, max(phase["settled"] for phase in attacks)),
            Goal(f"{name}: seconds until the gateway has ended", kind.ended, one["ended"]),
        ]
    return goals

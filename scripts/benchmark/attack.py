"""What clients that hurt do to the others: the gateway under attack, beside well-behaved clients whose every call is timed.

Peace and attack take turns, and each attack is compared with the peace before and after it. What is left over from one attack and grows with each
can so be told from what is merely kept for the next.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs

from .callers import attacking, calling
from .goals import Goal
from .price import say
from .processes import Program
from .ratios import Ratio, ratio
from .rows import STRANGERS
from .targets import Target, gateway, http_stub
from .watching import LOOK_SECONDS, Bystander, held, held_ports, open_files, watching

__all__ = ["SMALL", "WHOLE", "Attack", "attack", "attack_goals", "show_attack"]

SLACK = 2.0
"""Seconds beyond a limit after which a connection should have been gone: the gateway's own time-keeping, ours, and a busy machine's."""
PAUSE = 0.02
"""Seconds between two calls of a well-behaved client."""
SETTLING = 8.0
"""Seconds after an attack until everything should be as before; connections to backends are kept for some of them."""
GIVEN_BACK = 12.0
"""Seconds in which what has become free between what lives goes back to the system: it looks for that every ten."""
MOST_KEPT = 1.1
"""Memory after the last attack, as a multiple of that after the first."""
KIB_PER_CONNECTION = 48
MIB_PER_STALLED = 2.5
"""Of memory that an attacker may cost: a stalled one waits for a mebibyte, which exists as the backend's answer and as ours."""


@attrs.frozen
class Attack:
    """Who attacks, how long, and what the gateway is told about it. Durations are seconds."""

    numbers: Mapping[str, int]
    seconds: float
    """Of each attack, from when all are connected, and of each peace."""
    limit: float
    """``head_seconds``, ``body_seconds`` and ``write_seconds``."""
    idle: float
    times: int
    connections: int = 8
    """Well-behaved clients."""

    def limit_of(self, kind: str) -> float:
        """How long a connection of that kind may live."""
        return self.idle if kind == "idle" else self.limit


WHOLE = Attack({"drippers": 500, "stalled": 100, "resetters": 100, "idle": 1000}, seconds=12, limit=5, idle=10, times=3)
SMALL = Attack({"drippers": 40, "stalled": 8, "resetters": 10, "idle": 60}, seconds=3, limit=1, idle=2, times=2, connections=4)
"""For a test."""


def attack(folder: Path, plan: Attack) -> dict[str, Any]:
    """Attack a gateway some times; everything that was found out. Latencies are milliseconds, memory MiB."""
    allow_files(2 * sum(plan.numbers.values()) + 500)
    limits = "".join(f"{name}_seconds = {plan.limit}\n" for name in ("head", "body", "write"))
    with http_stub(folder) as stub, gateway("attacked", folder, stub, lines={"listen": f"{limits}idle_seconds = {plan.idle}\n"}) as target:
        files = open_files(target.program)
        phase(target, plan, {}, seconds=min(2, plan.seconds))  # warm up
        peace, attacks = [phase(target, plan, {})], []
        for number in range(plan.times):
            say(f"attack {number + 1}/{plan.times} …")
            bound = MOST_KEPT * attacks[0]["kept"] if attacks else float("inf")
            attacks.append(phase(target, plan, plan.numbers) | settled(target.program, files, bound))
            peace.append(phase(target, plan, {}))
        say("")
        errors = [line for line in target.program.log.read_text().splitlines() if '"level": "error"' in line or "Traceback" in line]
    strangers = max(one["strangers"] for one in (*peace, *attacks))
    return {
        "plan": attrs.asdict(plan),
        "files": files,
        "peace": peace,
        "attacks": attacks,
        "p99": attrs.asdict(ratio(compared(peace, attacks, "p99"))),
        "p50": attrs.asdict(ratio(compared(peace, attacks, "p50"))),
        "notes": [f"other programs used up to {strangers} cores: latencies say little"] if strangers > STRANGERS else [],
        "complaints": errors[:5],
    }


def compared(peace: list[dict[str, Any]], attacks: list[dict[str, Any]], what: str) -> list[tuple[float, float]]:
    """Each attack, and the mean of the peace around it."""
    around = [(before[what] + after[what]) / 2 for before, after in pairwise(peace)]
    return list(zip([one[what] for one in attacks], around, strict=True))


def allow_files(number: int) -> None:
    """Let this process and those it starts open so many files, if the machine does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, number if hard == resource.RLIM_INFINITY else min(hard, number))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def phase(target: Target, plan: Attack, numbers: Mapping[str, int], *, seconds: float | None = None) -> dict[str, Any]:
    """Well-behaved clients for a while, with or without an attack; what became of their calls, and of the attackers."""
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        looks = stack.enter_context(watching(target.program))
        attackers = stack.enter_context(attacking(target, dict(numbers))) if numbers else None
        clients = stack.enter_context(calling(target, "echo", {}, plan.connections, pause=PAUSE))
        bystander = Bystander(target)
        time.sleep(plan.seconds if seconds is None else seconds)
        found.update(bystander.found())
        calls = clients.outcomes()
        if attackers:
            found.update(held(attackers.report(), looks))
    latencies = sorted((call.ended - call.sent) * 1e3 for call in calls)
    return {
        "calls": len(calls),
        "bad": [call.what for call in calls if call.what != "200"],
        "p50": round(statistics.median(latencies), 2),
        "p99": round(latencies[int(len(latencies) * 0.99)], 2),
        "longest": round(latencies[-1], 2),
        "memory": max(look.memory for look in looks),
        **found,
    }


def settled(program: Program, files: int, most: float) -> dict[str, Any]:
    """Wait until the gateway has let go of everything, memory of more than so many MiB included: what it still has at the end of that."""
    deadline = time.monotonic() + SETTLING
    while time.monotonic() < deadline and (held_ports(program) or open_files(program) > files):
        time.sleep(LOOK_SECONDS)
    deadline = time.monotonic() + GIVEN_BACK
    while (kept := program.memory()["rss"]) > most and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return {"left": len(held_ports(program)), "files": open_files(program), "kept": kept}


def show_attack(found: Mapping[str, Any]) -> str:
    """A line for each phase, in their order."""
    lines = [
        f"{'':8}{'calls':>7}{'p50 ms':>9}{'p99 ms':>9}{'longest':>9}{'most MiB':>10}{'kept MiB':>10}{'held':>6}{'cores':>7}{'delayed':>9}{'others':>8}"
    ]
    attacks = [*found["attacks"], None]
    for peace, attacked in zip(found["peace"], attacks, strict=True):
        for name, one in (("peace", peace), ("attack", attacked)):
            if one:
                latencies = "".join(f"{one[key]:9.2f}" for key in ("p50", "p99", "longest"))
                memory = f"{one['memory']:10.1f}{one.get('kept', ''):>10}{one.get('most held', ''):>6}"
                lines.append(f"{name:8}{one['calls']:7}{latencies}{memory}{one['busy']:7.2f}{one['delayed']:9.1%}{one['strangers']:8.2f}")
    lines += [f"{what} under attack, as a multiple of that in peace: {Ratio(**found[what])}" for what in ("p50", "p99")]
    return "\n".join([*lines, *found["complaints"]])


def attack_goals(found: Mapping[str, Any]) -> list[Goal]:
    """What attacks may do at most."""
    plan = Attack(**found["plan"])
    peace, attacks = found["peace"], found["attacks"]
    allowed = sum(plan.numbers.values()) * KIB_PER_CONNECTION / 1024 + plan.numbers["stalled"] * MIB_PER_STALLED
    goals = [
        Goal("p99 of healthy calls under attack, as a multiple of that in peace (median of all attacks)", 2, found["p99"]["median"]),
        Goal("healthy calls that went wrong", 0, sum(len(one["bad"]) for one in (*peace, *attacks))),
        Goal("MiB more than in peace", round(allowed), max(one["memory"] for one in attacks) - peace[0]["memory"]),
        Goal("connections left after an attack", 0, max(one["left"] for one in attacks)),
        Goal("files left after an attack", 0, max(0, *(one["files"] - found["files"] for one in attacks))),
        Goal(
            "kinds of attackers that were never seen", 0, len({kind for one in attacks for kind, held in one["held"].items() if not held})
        ),
        Goal("MiB kept after the last attack, as a multiple of those after the first", MOST_KEPT, attacks[-1]["kept"] / attacks[0]["kept"]),
    ]
    return goals + [
        Goal(f"seconds that {kind} are held", plan.limit_of(kind) + SLACK, max(one["held"][kind] for one in attacks))
        for kind in attacks[0]["held"]
        if kind != "resetters"
    ]

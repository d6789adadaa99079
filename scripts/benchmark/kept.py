"""What a call costs that is answered with what was kept, or with the answer to another one; and what both add where they help nobody.

Gateways are driven at the same time, as for the access log: those where they help with one call again and again, the others with calls that differ.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import attrs
import httpx2

from .goals import Goal
from .logged import CONNECTIONS, NOISE, WARM_UP, cost
from .price import say
from .processes import free_port, running
from .ratios import Ratio, ratio
from .targets import Target, gateway, http_stub

__all__ = ["Kept", "kept", "kept_goals", "kept_notes", "show_kept"]

CACHE = "cache = { tool_ttl_seconds = 3600, max_entries = 10000 }\n"
COALESCE = "coalesce_requests = true\n"
GUARDED = """\
timeout = { seconds = 60, per_attempt_seconds = 30 }
retry = { max_retries = 3, budget_percent = 20, only = "all" }
circuit_breaker = { minimum_calls = 100 }
"""
LINES = {
    "forwarded": "",
    "hit": CACHE,
    "shared": COALESCE,
    "sharing nothing": COALESCE,
    "neither": CACHE + COALESCE,
    "all, same": GUARDED + CACHE + COALESCE,
    "all, other": GUARDED + CACHE + COALESCE,
    "forwarded, again": "",
}
"""By name, further lines of the ``[[backends]]`` table."""
STORED = "hit in Redis"
"""Measured where a server is installed."""
SAME = frozenset({"hit", "shared", "all, same", STORED})
"""Driven with one call again and again."""
JOINED = "mcp_proxy_requests_coalesced_total"
"""The metric that counts those who wait for the call of another one."""
LOGGED = frozenset({"all, same", "all, other"})
"""With the access log."""


@attrs.frozen
class Kept:
    """Microseconds of processor time per call in each second, and ratios to forwarded ones."""

    costs: Mapping[str, list[float]]
    joined: list[float]
    """In each second, the share of the "shared" calls that waited for that of another one; the rest are those calls."""
    ratios: Mapping[str, Ratio]


def kept(folder: Path, times: int) -> Kept:
    """Measure all of them so often."""
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder))
        targets = {
            name: stack.enter_context(gateway(name, folder, stub, access_log=name in LOGGED, lines={"backend": lines}))
            for name, lines in LINES.items()
        }
        if (program := shutil.which("valkey-server") or shutil.which("redis-server")) is not None:
            port = free_port()
            command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
            stack.enter_context(running("redis", command, folder, port=port))
            table = f'[cache]\nbackend = "redis"\nurl = "redis://127.0.0.1:{port}"\n'
            targets[STORED] = stack.enter_context(gateway(STORED, folder, stub, lines={"backend": CACHE, "auth": table}))
        for name, target in targets.items():
            target.drive(CONNECTIONS, WARM_UP, same=name in SAME)
        drivers = stack.enter_context(ThreadPoolExecutor(len(targets)))
        rows, joined = [], []
        for number in range(times):
            say(f"{number + 1}/{times}: kept answers …")
            before = share_of(targets["shared"])
            driven = {name: drivers.submit(partial(cost, target, same=name in SAME)) for name, target in targets.items()}
            rows.append({name: round(one.result(), 2) for name, one in driven.items()})
            waited, calls = (now - then for now, then in zip(share_of(targets["shared"]), before, strict=True))
            joined.append(round(waited / calls, 4))
        say("")
    forwarded = [(row["forwarded"] + row["forwarded, again"]) / 2 for row in rows]
    helped = [name for name in targets if not name.startswith("forwarded")]
    ratios = {name: ratio((row[name], base) for row, base in zip(rows, forwarded, strict=True)) for name in helped}
    ratios["waiting"] = ratio((follower(row, share), base) for row, share, base in zip(rows, joined, forwarded, strict=True))
    ratios["check"] = ratio((row["forwarded, again"], row["forwarded"]) for row in rows)
    return Kept({name: [row[name] for row in rows] for name in targets}, joined, ratios)


def share_of(target: Target) -> tuple[float, float]:
    """How many calls have waited for that of another one so far, and how many there were."""
    page = httpx2.get(f"{target.url.removesuffix('/mcp')}/metrics", trust_env=False).text.splitlines()
    waited = sum(float(line.rpartition(" ")[2]) for line in page if line.startswith(JOINED))
    of_tools = (line for line in page if line.startswith("mcp_proxy_requests_total{") and "tools/call" in line)
    return waited, sum(float(line.rpartition(" ")[2]) for line in of_tools)


def follower(row: Mapping[str, float], share: float) -> float:
    """What a call costs that waits for another one's: what is left when each of those others cost as much as one that shares nothing."""
    return (row["shared"] - (1 - share) * row["sharing nothing"]) / share


def show_kept(found: Kept) -> str:
    """Some lines."""
    lines = [f"{name}: {statistics.median(micros):.1f} µs per call" for name, micros in found.costs.items()]
    lines += [f"{name}, as a multiple of forwarded: {one}" for name, one in found.ratios.items()]
    lines += [f"of the shared calls {statistics.median(found.joined):.0%} waited for another one"]
    return "\n".join(lines)


def kept_goals(found: Kept) -> list[Goal]:
    """What they may cost."""

    def more(name: str) -> float:
        return (found.ratios[name].median - 1) * 100

    stored = found.ratios.get(STORED)
    return [
        *(
            []
            if stored is None
            else [Goal("a call that is answered with what is in Redis: per cent of a forwarded one", 130, stored.median * 100)]
        ),
        Goal("a call that is answered with what was kept: per cent of a forwarded one", 50, found.ratios["hit"].median * 100),
        Goal("a call that is one of several that are the same: per cent of a forwarded one", 50, found.ratios["shared"].median * 100),
        Goal("a call that waits for another one's answer: per cent of a forwarded one", 50, found.ratios["waiting"].median * 100),
        Goal("deadlines, retry, breaker, cache, sharing, access log, calls that differ: per cent more CPU", 20, more("all, other")),
        Goal("the same, calls that are the same: per cent more CPU", 20, more("all, same")),
    ]


def kept_notes(found: Kept) -> list[str]:
    """What to know when reading it."""
    apart = abs(found.ratios["check"].median - 1)
    rough = [f"two gateways that forward are {apart:.0%} apart: so rough is what is said about the others"] if apart > NOISE else []
    return [
        *rough,
        *([] if STORED in found.ratios else ["neither valkey-server nor redis-server is installed: hits in Redis are left out"]),
    ]

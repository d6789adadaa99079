"""What the traffic policies add to the price of a call: each by itself in this process, and all that are common together at a real gateway.

At the real gateway they are measured as the access log is: with, without, and without again, at the same time.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import attrs
import trio

from sluicegate.policies.breaker import Breaker
from sluicegate.policies.budget import Budget, Budgeted
from sluicegate.policies.compose import stack
from sluicegate.policies.concurrency import Concurrency
from sluicegate.policies.deadline import AttemptDeadline
from sluicegate.policies.gate import Gate
from sluicegate.policies.hedge import Hedge, HedgeTimer
from sluicegate.policies.outlier import Group, Outlier
from sluicegate.policies.rate import Bucket, RateLimit
from sluicegate.policies.retry import Retry
from sluicegate.policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from sluicegate.protocol.calls import Call, Handler, Layer, Reply

from .goals import Goal
from .logged import NOISE, cost
from .price import say
from .ratios import Ratio, ratio
from .targets import gateway, http_stub

__all__ = ["LOADED", "Load", "load_goals", "load_notes", "loaded", "show_load"]

CONNECTIONS = 16
WARM_UP = 2
CALLS = 20_000
ROUNDS = 7
NAMES = ("minimal", "loaded", "minimal, again")
LOADED = """\
timeout = { seconds = 60, per_attempt_seconds = 30 }
retry = { max_retries = 3, budget_percent = 20, only = "all" }
circuit_breaker = { minimum_calls = 100 }
outlier_detection = { consecutive_errors = 5 }
concurrency = { max_concurrent = 64 }
rate_limit = { requests = 1000000 }
"""
"""Further lines of a ``[[backends]]`` table."""


@attrs.frozen
class Load:
    """Microseconds of processor time per call."""

    alone: Mapping[str, float]
    """What each policy adds to a handler that does nothing."""
    costs: Mapping[str, list[float]]
    """Of the whole gateway, in each second."""
    loaded: Ratio
    check: Ratio


def loaded(folder: Path, times: int) -> Load:
    """Measure everything; ``times`` seconds of each gateway."""
    alone = trio.run(each)
    with ExitStack() as stack:
        stub = stack.enter_context(http_stub(folder))
        targets = [
            stack.enter_context(gateway(name, folder, stub, lines={"backend": LOADED} if name == "loaded" else {})) for name in NAMES
        ]
        for target in targets:
            target.drive(CONNECTIONS, WARM_UP)
        drivers = stack.enter_context(ThreadPoolExecutor(len(targets)))
        rows = []
        for number in range(times):
            say(f"{number + 1}/{times}: policies …")
            rows.append([round(micros, 2) for micros in drivers.map(cost, targets)])
        say("")
    with_them = ratio((dear, (first + second) / 2) for first, dear, second in rows)
    check = ratio((second, first) for first, _, second in rows)
    return Load(alone, dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True)), with_them, check)


async def each() -> dict[str, float]:
    """What each policy adds when it lets a call through; the least of some rounds, because whatever disturbs only adds."""
    reply = Reply()

    async def plain(call: Call) -> Reply:
        del call
        return reply

    async with trio.open_nursery() as background:
        layers = alone(background)
        handlers = {name: stack(layer, around=plain) for name, layer in layers.items()}
        handlers["gate, attempt deadline, rate limit, concurrency"] = stack(
            *(layers[name] for name in ("breaker and outlier", "attempt deadline", "rate limit", "concurrency")), around=plain
        )
        found: dict[str, list[float]] = {name: [] for name in handlers}
        base = []
        for _ in range(ROUNDS):
            base.append(await once(plain))
            for name, handler in handlers.items():
                found[name].append(await once(handler))
        background.cancel_scope.cancel()
    return {name: round(min(micros) - min(base), 2) for name, micros in found.items()}


async def once(handler: Handler) -> float:
    """Microseconds of one call."""
    call = Call("tools/call", "x", {})
    began = time.process_time()
    for _ in range(CALLS):
        await handler(call)
    spent = time.process_time() - began
    await trio.lowlevel.checkpoint()
    return spent / CALLS * 1e6


def alone(background: trio.Nursery) -> dict[str, Layer]:
    """By name, what puts each of them around a handler."""
    chance = random.Random(1)
    timer = HedgeTimer()
    background.start_soon(timer.run)
    yes: Callable[[], bool] = lambda: True  # noqa: E731  as short as what the gateway gives them

    def may_repeat(call: Call) -> bool:
        del call
        return True

    return {
        "budget": lambda inner: Budgeted(inner, Budget(20, 10)),
        "retry": lambda inner: Retry(inner, RetrySettings(), may_repeat, chance),
        "hedge": lambda inner: Hedge(inner, HedgeSettings(), may_repeat, yes, timer, background),
        "breaker and outlier": lambda inner: Gate(
            inner, Breaker("x", BreakerSettings(minimum_calls=100)), Outlier("x", OutlierSettings(), Group())
        ),
        "attempt deadline": lambda inner: AttemptDeadline(inner, 30, "x"),
        "rate limit": lambda inner: RateLimit(inner, Bucket(RateLimitSettings(10_000_000))),
        "concurrency": lambda inner: Concurrency(inner, ConcurrencySettings(64), "x"),
    }


def show_load(found: Load) -> str:
    """Some lines."""
    lines = [f"{name}: {micros:.1f} µs" for name, micros in found.alone.items()]
    lines += [f"{name}: {statistics.median(micros):.1f} µs per call" for name, micros in found.costs.items()]
    lines += [f"CPU per call with all of them, as a multiple of that without: {found.loaded}", f"of another gateway without: {found.check}"]
    return "\n".join(lines)


def load_goals(found: Load) -> list[Goal]:
    """What they may cost."""
    return [Goal("deadline, retry, breaker, outlier, concurrency, rate limit: per cent more CPU", 20, (found.loaded.median - 1) * 100)]


def load_notes(found: Load) -> list[str]:
    """What to know when reading it."""
    apart = abs(found.check.median - 1)
    return [f"two gateways without policies are {apart:.0%} apart: so rough is what is said about them"] if apart > NOISE else []

"""Random settings of the policies of a backend."""

from __future__ import annotations

import random
from typing import Any

from sluicegate.policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HealthSettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)

__all__ = ["POLICIES", "draw_policies"]

POLICIES = ("retry", "hedging", "circuit_breaker", "outlier_detection", "rate_limit", "concurrency", "health")


def draw_policies(chance: random.Random, density: float, *, has_budget: bool) -> dict[str, Any]:
    """Tables of a backend, each with this probability; all take their draws, whether they are taken in or not."""
    drawn = {
        "retry": _retry(chance, has_budget=has_budget),
        "hedging": HedgeSettings(chance.choice((0, 50, 310)), chance.choice((None, None, 90)), chance.randint(1, 2), _only(chance)),
        "circuit_breaker": _breaker(chance),
        "outlier_detection": _outlier(chance),
        "rate_limit": RateLimitSettings(chance.randint(3, 12), 1.0, chance.choice((None, 1, 20)), chance.choice((0.0, 0.1, 2.0, 9.0))),
        "concurrency": ConcurrencySettings(chance.randint(1, 4), chance.choice((0, 3, 50)), chance.choice((None, 0.5, 3.0))),
        "health": HealthSettings(
            chance.choice((1.0, 2.0)), chance.choice((0.3, 1.0)), chance.randint(1, 3), chance.randint(1, 2), chance.random() < 0.4
        ),
    }
    return {table: given for table, given in drawn.items() if chance.random() < density}


def _only(chance: random.Random) -> Any:
    return chance.choice(("safe", "all", ("echo",)))


def _retry(chance: random.Random, *, has_budget: bool) -> RetrySettings:
    initial = chance.choice((20.0, 170.0))
    percent, least = chance.choice((None, 5.0, 20.0, 100.0)), chance.choice((0.0, 0.2, 1.0))
    return RetrySettings(
        chance.randint(0, 3), initial, initial * chance.randint(1, 5), _only(chance), percent if has_budget else None, least
    )


def _breaker(chance: random.Random) -> BreakerSettings:
    least = chance.randint(1, 6)
    by_time = chance.random() < 0.4
    return BreakerSettings(
        chance.choice((0.3, 0.5, 1.0)),
        least,
        None if by_time else chance.choice((None, least + 4)),
        chance.choice((2.0, 5.0)) if by_time else None,
        chance.choice((None, 0.9)),
        chance.choice((0.5, 1.0)),
        chance.choice((1.0, 3.0)),
        chance.randint(1, 3),
    )


def _outlier(chance: random.Random) -> OutlierSettings:
    base = chance.choice((1.0, 2.0))
    return OutlierSettings(
        chance.choice((0, 2, 4)),
        chance.choice((None, 0.5, 0.8)),
        chance.randint(1, 6),
        chance.choice((1.0, 3.0)),
        base,
        base * chance.randint(1, 3),
        chance.choice((0.0, 20.0, 50.0, 100.0)),
    )

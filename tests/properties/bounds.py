"""How long things may take in a world, by its settings alone."""

from __future__ import annotations

import math

from tests.properties.worlds import Part, World

__all__ = ["DEAF_SECONDS", "cap", "ejection_limit", "longest_call", "recovery_seconds"]

DEAF_SECONDS = 5.0
"""Until a child that hears nothing is killed, and the far side of HTTP is back."""
CALL_EVERY = 1.0
"""At least, once it is calm."""


def longest_call(world: World, *parts: Part) -> float:
    """From the moment in which a client asks: the limit of all clients together lies outside of the deadline."""
    return max(part.config.timeout.seconds for part in parts) + (0.0 if world.limit is None else world.limit.max_wait_seconds)


def recovery_seconds(world: World, path: str) -> float:
    """After the last fault, until every call of a primary goes well.

    What began before may fail until its deadline. Then, for the member that takes longest: it is connected again, found to be healthy, let in
    again; calls find its breaker's old failures, perhaps at the last call of the window, wait, and are its probes.
    """
    return longest_call(world, world[path]) + max(_one_recovers(part) for part in world.group(path))


def _one_recovers(part: Part) -> float:
    config = part.config
    seconds = DEAF_SECONDS + config.restart.max_seconds + config.connect_timeout_seconds
    if config.health is not None:
        seconds += config.health.healthy_threshold * config.health.interval_seconds + config.health.timeout_seconds
    outlier = config.outlier_detection
    if outlier is not None:
        seconds += outlier.max_ejection_seconds + (outlier.interval_seconds if outlier.success_rate_threshold is not None else 0.0)
    breaker = config.circuit_breaker
    if breaker is not None:
        wait = breaker.wait_duration_seconds
        seconds += wait + breaker.minimum_calls * CALL_EVERY + wait + (breaker.permitted_calls_in_half_open + 1) * CALL_EVERY
    return seconds


def cap(percent: float, least: float, calls: int) -> int:
    """Attempts beyond the first in ten seconds with so many calls."""
    return max(1, math.floor(percent / 100 * calls + 1e-9) + math.floor(10 * least + 1e-9))


def ejection_limit(world: World, path: str) -> int:
    """How many of a group may be ejected at once."""
    given = [part.config.outlier_detection for part in world.group(path) if part.config.outlier_detection is not None]
    percent = max((one.max_ejection_percent for one in given), default=0.0)
    return max(1 if percent else 0, math.floor(len(given) * percent / 100))

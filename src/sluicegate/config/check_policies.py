"""Whether what is said about traffic policies makes sense: the numbers of each table, and numbers that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..policies.settings import Only
from .backends import BackendConfig
from .model import ProxyConfig
from .problem import Problem

__all__ = ["POLICIES", "policy_rules", "proxy_policy_rules"]

POLICIES = ("retry", "hedging", "circuit_breaker", "outlier_detection", "rate_limit", "concurrency", "health")
"""The tables of a backend, in the order in which they are documented."""


@attrs.frozen
class _Range:
    """Which numbers a key may have."""

    least: float
    most: float = math.inf
    open_below: bool = False
    """Whether the least number itself is too small."""
    open_above: bool = False
    words: str = "must be > 0"
    instead: str = "write a positive number, or leave the key out for its default"

    def has(self, number: float) -> bool:
        return not (
            not math.isfinite(number)
            or number < self.least
            or number > self.most
            or (self.open_below and number == self.least)
            or (self.open_above and number == self.most)
        )


_POSITIVE = _Range(0, open_below=True)
_WHOLE = _Range(1, words="must be > 0", instead="write 1 or more, or leave the key out for its default")
_NOT_NEGATIVE = _Range(0, words="must be >= 0", instead="write 0 or more, or leave the key out for its default")
_SHARE = _Range(0, 1, open_below=True, words="must be in (0.0, 1.0]", instead="write a share, such as 0.5 for one in two")
_NEEDED = _Range(1, words="must be > 0", instead="write 1 or more, or leave the table out for no limit")

_RATE = {"requests": _NEEDED, "period_seconds": _POSITIVE, "burst": _WHOLE, "max_wait_seconds": _NOT_NEGATIVE}
_RANGES: Mapping[str, Mapping[str, _Range]] = {
    "retry": {
        "max_retries": _NOT_NEGATIVE,
        "initial_backoff_ms": _NOT_NEGATIVE,
        "max_backoff_ms": _NOT_NEGATIVE,
        "budget_percent": _Range(
            0, 1000, open_below=True, words="must be > 0 and at most 1000", instead="write percent of the calls, such as 20"
        ),
        "min_retries_per_sec": _NOT_NEGATIVE,
    },
    "hedging": {
        "delay_ms": _NOT_NEGATIVE,
        "percentile": _Range(
            0,
            100,
            open_below=True,
            open_above=True,
            words="must be > 0 and < 100",
            instead="write how many percent are in time, such as 95",
        ),
        "max_hedges": _NOT_NEGATIVE,
    },
    "circuit_breaker": {
        "failure_rate_threshold": _SHARE,
        "minimum_calls": _WHOLE,
        "window_calls": _WHOLE,
        "window_seconds": _POSITIVE,
        "slow_call_seconds": _POSITIVE,
        "slow_call_rate_threshold": _SHARE,
        "wait_duration_seconds": _NOT_NEGATIVE,
        "permitted_calls_in_half_open": _WHOLE,
    },
    "outlier_detection": {
        "consecutive_errors": _NOT_NEGATIVE,
        "success_rate_threshold": _SHARE,
        "minimum_calls": _WHOLE,
        "interval_seconds": _POSITIVE,
        "base_ejection_seconds": _NOT_NEGATIVE,
        "max_ejection_seconds": _NOT_NEGATIVE,
        "max_ejection_percent": _Range(0, 100, words="must be 0-100", instead="write percent of the backends that stand in for each other"),
    },
    "rate_limit": _RATE,
    "concurrency": {"max_concurrent": _NEEDED, "max_queue": _NOT_NEGATIVE, "queue_timeout_seconds": _POSITIVE},
    "health": {
        "interval_seconds": _POSITIVE,
        "timeout_seconds": _POSITIVE,
        "unhealthy_threshold": _WHOLE,
        "healthy_threshold": _WHOLE,
    },
}


def policy_rules(index: int, backend: BackendConfig) -> Iterator[Problem]:
    """What is wrong with the policies of the backend at that place."""
    place = f"backends[{index}]."
    for table in POLICIES:
        yield from _numbers(place, table, getattr(backend, table))
    yield from (Problem(None, None, place + key, what, instead) for key, what, instead in _contradictions(backend))


def proxy_policy_rules(proxy: ProxyConfig) -> Iterator[Problem]:
    """What is wrong with the policies for all requests together (CFG-V5)."""
    yield from _numbers("", "proxy.rate_limit", proxy.rate_limit)


def _numbers(place: str, table: str, settings: Any) -> Iterator[Problem]:
    if settings is None:
        return
    for key, range_ in _RANGES[table.removeprefix("proxy.")].items():
        number = getattr(settings, key)
        if number is not None and not range_.has(number):
            what = f"{table}.{key} {range_.words}, got {number:g}"
            yield Problem(None, None, f"{place}{table}.{key}", what, range_.instead)


def _contradictions(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    """Key, what is wrong, and what to write instead; numbers that are impossible by themselves are told elsewhere."""
    retry, breaker, outlier = backend.retry, backend.circuit_breaker, backend.outlier_detection
    if retry is not None:
        if 0 <= retry.max_backoff_ms < retry.initial_backoff_ms:
            yield "retry.max_backoff_ms", "the longest pause is shorter than the first", "write at least retry.initial_backoff_ms"
        yield from _only("retry", retry.only)
    if backend.hedging is not None:
        yield from _only("hedging", backend.hedging.only)
    if breaker is not None and breaker.window_calls is not None:
        if breaker.window_seconds is not None:
            what = "a window cannot be counted in calls and in seconds"
            yield "circuit_breaker.window_seconds", what, "keep window_calls or window_seconds"
        elif 0 < breaker.window_calls < breaker.minimum_calls:
            what = f"the window holds fewer calls than minimum_calls = {breaker.minimum_calls}, so the breaker would never open"
            yield "circuit_breaker.window_calls", what, "write at least minimum_calls, or leave it out"
    if outlier is not None and 0 <= outlier.max_ejection_seconds < outlier.base_ejection_seconds:
        what = "the longest ejection is shorter than the first"
        yield "outlier_detection.max_ejection_seconds", what, "write at least outlier_detection.base_ejection_seconds"


def _only(table: str, only: Only) -> Iterator[tuple[str, str, str]]:
    if not isinstance(only, tuple):
        if only not in ("safe", "all"):  # a file cannot say that, but a program can
            yield f"{table}.only", "this is none of the words that are known", 'write "safe", "all", or a tuple of the backend\'s tools'
        return
    seen: set[str] = set()
    for number, tool in enumerate(only):
        if not tool:
            yield f"{table}.only[{number}]", "a tool's name must not be empty", "write the backend's own name of the tool"
        elif tool in seen:
            yield f"{table}.only[{number}]", f"'{tool}' is in the list twice", "keep one of them"
        seen.add(tool)

"""What ``/metrics`` shows of the traffic policies: only of those that are configured, read off them at the moment of asking (OBS-2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias

from ..observe.exposition import MetricFamily
from ..policies.breaker import BreakerState
from .handles import Policies

__all__ = ["of_policies"]

Table: TypeAlias = "tuple[tuple[str, str, Read], ...]"
"""Name, words, and how to read it."""
Read = Callable[[Policies], float | None]
"""One number of a backend's policies; None where it has none."""


def _breaker_opened(one: Policies) -> float | None:
    return None if one.breaker is None else one.breaker.opened


def _is_ejected(one: Policies) -> float | None:
    return None if one.outlier is None else one.outlier.is_ejected


def _ejections(one: Policies) -> float | None:
    return None if one.outlier is None else one.outlier.ejections


def _retries(one: Policies) -> float | None:
    return None if one.retry is None else one.retry.retried


def _exhausted(one: Policies) -> float | None:
    return None if one.retry is None else one.retry.exhausted


def _budget_left(one: Policies) -> float | None:
    return None if one.budget is None else one.budget.left


def _budget_refused(one: Policies) -> float | None:
    return None if one.budget is None else one.budget.refused


def _hedges(one: Policies) -> float | None:
    return None if one.hedge is None else one.hedge.sent


def _hedges_won(one: Policies) -> float | None:
    return None if one.hedge is None else one.hedge.won


def _limited(one: Policies) -> float | None:
    return None if one.rate is None else one.rate.refused


def _queued(one: Policies) -> float | None:
    return None if one.concurrency is None else one.concurrency.waiting


def _turned_away(one: Policies) -> float | None:
    return None if one.concurrency is None else one.concurrency.refused


def _too_large(one: Policies) -> float | None:
    return None if one.arguments is None else one.arguments.refused


_GAUGES: Table = (
    ("backend_ejected", "Whether outlier detection keeps it out now.", _is_ejected),
    ("retry_budget_left", "Attempts beyond the first that could be drawn now.", _budget_left),
    ("backend_queue", "Requests that wait for a place.", _queued),
)
_COUNTERS: Table = (
    ("arguments_refused", "Calls of tools whose arguments were too large.", _too_large),
    ("breaker_opened", "Times that its breaker opened.", _breaker_opened),
    ("backend_ejections", "Times that outlier detection took it out.", _ejections),
    ("retries", "Attempts beyond the first that a retry made.", _retries),
    ("retries_exhausted", "Requests that failed although they might have been repeated.", _exhausted),
    ("retry_budget_refused", "Attempts beyond the first that there was no budget for.", _budget_refused),
    ("hedges", "Copies of slow requests that were sent.", _hedges),
    ("hedges_won", "Copies whose answer was taken.", _hedges_won),
    ("rate_limited", "Requests that its rate limit refused.", _limited),
    ("queue_refused", "Requests that found its queue full, or waited in it for too long.", _turned_away),
)


def of_policies(policies: Mapping[str, Policies]) -> Iterator[MetricFamily]:
    """A family for each number that any backend has."""
    yield from _breakers(policies)
    yield from _read(policies, _GAUGES, "gauge")
    yield from _read(policies, _COUNTERS, "counter")


def _read(policies: Mapping[str, Policies], table: Table, kind: Literal["gauge", "counter"]) -> Iterator[MetricFamily]:
    for name, words, read in table:
        samples = [((backend,), float(value)) for backend, one in policies.items() if (value := read(one)) is not None]
        if samples:
            yield MetricFamily(name, words, ("backend",), samples, kind)


def _breakers(policies: Mapping[str, Policies]) -> Iterator[MetricFamily]:
    samples = [
        ((backend, state.value), float(state is one.breaker.state))
        for backend, one in policies.items()
        if one.breaker is not None
        for state in BreakerState
    ]
    if samples:
        yield MetricFamily("breaker_state", "1 for the state that its breaker is in, 0 for the others.", ("backend", "state"), samples)

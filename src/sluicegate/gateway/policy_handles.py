"""The policies of one backend that remember something: made of its settings once, to be read and moved by hand while they work."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import attrs
import trio

from ..backends.backend import Backend
from ..backends.health import Health, HealthSettings
from ..backends.supervisor import Restarts
from ..config.model import BackendConfig
from ..policies.breaker import Breaker, BreakerSettings
from ..policies.budget import Budget
from ..policies.compose import chain
from ..policies.concurrency import Concurrency
from ..policies.gate import Gate
from ..policies.hedge import Hedge, HedgeSettings, HedgeTimer
from ..policies.outlier import Group, Outlier, OutlierSettings
from ..policies.rate import Bucket, RateLimit
from ..policies.repeatable import repeatable
from ..policies.retry import Retry, RetrySettings
from ..policies.settings import RateLimitConfig
from ..protocol.blot import Blot
from ..protocol.calls import WORK, Handler, Layer

__all__ = [
    "Policies",
    "PolicyContext",
    "gate_layer",
    "health_of",
    "hedge_layer",
    "limit_layer",
    "queue_layer",
    "restarts_of",
    "retry_layer",
]


Policy = TypeVar("Policy")


@attrs.frozen(eq=False)
class PolicyContext:
    """What the policies of a backend need of the gateway around them."""

    backend: Backend
    chance: Callable[[str], random.Random]
    timer: HedgeTimer
    background: trio.Nursery


@attrs.frozen(eq=False)
class Policies:
    """What of one backend's policies can be read and moved; None where it is not configured."""

    handler: Handler
    """From the outermost of them down to the backend."""
    budget: Budget | None = None
    retry: Retry | None = None
    hedge: Hedge | None = None
    breaker: Breaker | None = None
    outlier: Outlier | None = None
    rate: RateLimit | None = None
    concurrency: Concurrency | None = None

    @classmethod
    def found_in(cls, handler: Handler, config: BackendConfig) -> Policies:
        """Those in a chain, with the budget of the calls that are led to this backend."""
        gate, retry = _found(handler, Gate), config.retry
        return cls(
            handler,
            None if retry is None or retry.budget_percent is None else Budget(retry.budget_percent, retry.min_retries_per_sec),
            _found(handler, Retry),
            _found(handler, Hedge),
            None if gate is None else gate.breaker,
            None if gate is None else gate.outlier,
            _found(handler, RateLimit),
            _found(handler, Concurrency),
        )

    @property
    def is_open(self) -> bool:
        """Whether its breaker would refuse a call now."""
        return self.breaker is not None and self.breaker.is_open

    def is_ejected(self) -> bool:
        """Whether its group does without it for now."""
        return self.outlier is not None and self.outlier.is_ejected

    @property
    def holds_calls(self) -> bool:
        """Whether calls are on their way through them to the backend, and wait: for their next attempt, for a token or for a place."""
        retry, rate, places = self.retry, self.rate, self.concurrency
        return bool((retry and retry.waiting) or (rate and rate.bucket.waiting) or (places and places.running))

    def join(self, group: Group) -> None:
        """The backend serves from now on: it counts among those that stand in for each other."""
        if self.outlier is not None:
            self.outlier.move(group)

    def leave(self) -> None:
        """The backend is gone: it counts in its group no more."""
        if self.outlier is not None:
            self.outlier.leave()


def _found(handler: Handler, kind: type[Policy]) -> Policy | None:
    return next((step for step in chain(handler) if isinstance(step, kind)), None)


def retry_layer(config: BackendConfig, around: PolicyContext) -> Layer | None:
    """Send again what has failed."""
    given = config.retry
    if given is None or given.max_retries == 0:
        return None
    settings = RetrySettings(given.max_retries, given.initial_backoff_ms / 1000, given.max_backoff_ms / 1000)
    may_repeat = repeatable(given.only, around.backend.is_safe)
    return lambda inner: Retry(inner, settings, may_repeat, around.chance(f"retry:{config.name}"), around.backend)


def hedge_layer(config: BackendConfig, around: PolicyContext) -> Layer | None:
    """Send copies of what takes long."""
    given = config.hedging
    if given is None or given.max_hedges == 0:
        return None
    settings = HedgeSettings(given.delay_ms / 1000, given.max_hedges, given.percentile)
    may_repeat = repeatable(given.only, around.backend.is_safe)

    def layer(inner: Handler) -> Hedge:
        gate = inner if isinstance(inner, Gate) else None
        breaker = None if gate is None else gate.breaker
        may_hedge = _always if breaker is None else lambda: not (breaker.is_open or breaker.is_half_open)
        return Hedge(inner, settings, may_repeat, may_hedge, around.timer, around.background)

    return layer


def _always() -> bool:
    return True


def gate_layer(config: BackendConfig) -> Layer | None:
    """Keep away from a backend that fails."""
    breaker, outlier = _breaker(config), _outlier(config)
    return None if breaker is None and outlier is None else lambda inner: Gate(inner, breaker, outlier)


def _breaker(config: BackendConfig) -> Breaker | None:
    given = config.circuit_breaker
    if given is None:
        return None
    settings = BreakerSettings(
        failure_rate=given.failure_rate_threshold,
        minimum_calls=given.minimum_calls,
        window_calls=given.window_calls,
        window_seconds=given.window_seconds,
        slow_seconds=given.slow_call_seconds,
        slow_rate=given.slow_call_rate_threshold,
        wait_seconds=given.wait_duration_seconds,
        permitted=given.permitted_calls_in_half_open,
        count_tool_errors=given.count_tool_errors,
    )
    return Breaker(config.name, settings)


def _outlier(config: BackendConfig) -> Outlier | None:
    given = config.outlier_detection
    if given is None:
        return None
    settings = OutlierSettings(
        consecutive_errors=given.consecutive_errors,
        success_rate_threshold=given.success_rate_threshold,
        minimum_calls=given.minimum_calls,
        interval_seconds=given.interval_seconds,
        base_ejection_seconds=given.base_ejection_seconds,
        max_ejection_seconds=given.max_ejection_seconds,
        max_ejection_percent=given.max_ejection_percent,
        count_tool_errors=given.count_tool_errors,
    )
    return Outlier(config.name, settings, Group())  # alone, until it serves


def limit_layer(given: RateLimitConfig | None, backend: str = "") -> Layer | None:
    """So many calls in so much time; what is made of one layer shares one bucket. A backend's is for work alone (RES-0c), the gateway's for all."""
    if given is None:
        return None
    bucket = Bucket(given.requests, given.period_seconds, given.burst)
    only = WORK if backend else None
    return lambda inner: RateLimit(inner, bucket, given.max_wait_seconds, backend, only)


def queue_layer(config: BackendConfig) -> Layer | None:
    """So many calls at a time."""
    given = config.concurrency
    if given is None:
        return None
    return lambda inner: Concurrency(inner, given.max_concurrent, given.max_queue, given.queue_timeout_seconds, config.name)


def health_of(config: BackendConfig, blot: Blot) -> Health | None:
    """What probes it, and judges it while it is up."""
    given = config.health
    if given is None:
        return None
    settings = HealthSettings(
        given.interval_seconds,
        given.timeout_seconds,
        given.unhealthy_threshold,
        given.healthy_threshold,
        given.reconnect,
        given.by_calls,
    )
    return Health(config.name, settings, blot=blot)


def restarts_of(config: BackendConfig) -> Restarts:
    """How it is brought back."""
    restart = config.restart
    return Restarts(restart.initial_seconds, restart.max_seconds, restart.crash_limit, restart.crash_window_seconds)

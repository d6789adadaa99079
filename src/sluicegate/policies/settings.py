"""What can be configured of the traffic policies of a backend, with its defaults.

A policy whose table is not there is not in the chain. Durations are seconds unless a name ends in ``_ms``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

__all__ = [
    "CircuitBreakerConfig",
    "ConcurrencyConfig",
    "HealthConfig",
    "HedgingConfig",
    "Only",
    "OutlierDetectionConfig",
    "RateLimitConfig",
    "RetryConfig",
]

Only: TypeAlias = Literal["safe", "all"] | tuple[str, ...]
"""Which calls may be sent twice: those that do no harm, all, or those of the tools named here (the backend's own names)."""


@attrs.frozen
class RetryConfig:
    """Send a call again that has failed (RES-1 … RES-6)."""

    max_retries: int = 3
    """Attempts after the first."""
    initial_backoff_ms: float = 100.0
    """The longest first pause; each further one may be twice as long. Every pause is drawn between nothing and that."""
    max_backoff_ms: float = 5000.0
    only: Only = "safe"
    """``safe``: read-only and idempotent tools, resources and prompts; and, whatever it is, a call that certainly did not start."""
    budget_percent: float | None = None
    """Attempts beyond the first, by retries, hedges and failover together, in percent of the calls of the last 10 seconds; None is no limit."""
    min_retries_per_sec: float = 10.0
    """So many a second are allowed in any case. Only with ``budget_percent``."""


@attrs.frozen
class HedgingConfig:
    """Send a copy of a call that takes long, and take the first success (RES-10 … RES-13)."""

    delay_ms: float = 200.0
    """After that a copy is sent, and the next one after as much again; 0 sends all at once."""
    percentile: float | None = None
    """The delay is what so many percent of calls take, as soon as enough were seen; ``delay_ms`` until then."""
    max_hedges: int = 1
    only: Only = "safe"


@attrs.frozen
class CircuitBreakerConfig:
    """Send nothing for a while to a backend that fails too often (RES-40 … RES-45)."""

    failure_rate_threshold: float = 0.5
    """Of the calls in the window, from 0 to 1; it opens when as many have failed."""
    minimum_calls: int = 5
    """With fewer it never opens."""
    window_calls: int | None = None
    """The last so many calls are looked at; None is ``minimum_calls``."""
    window_seconds: float | None = None
    """The calls of the last so many seconds are looked at instead."""
    slow_call_seconds: float | None = None
    """A call that takes as long is slow."""
    slow_call_rate_threshold: float = 1.0
    """It also opens when as many of the calls in the window were slow."""
    wait_duration_seconds: float = 30.0
    permitted_calls_in_half_open: int = 3
    """After the wait so many calls are let through; if all succeed it closes."""
    count_tool_errors: bool = False
    """Whether a tool's result that says that it failed (``isError``) is a failure; some proxies turn every error into such a result."""


@attrs.frozen
class OutlierDetectionConfig:
    """Take a backend out of its group for a while that does worse than it may (RES-50 … RES-56)."""

    consecutive_errors: int = 5
    """As many in a row eject it; 0 does not look at that."""
    success_rate_threshold: float | None = None
    """Fewer successes than that in an interval, from 0 to 1, eject it, too."""
    minimum_calls: int = 10
    """In an interval with fewer the rate says nothing."""
    interval_seconds: float = 10.0
    base_ejection_seconds: float = 30.0
    """The first time; the next time twice as long, then three times. An interval without an ejection takes one back."""
    max_ejection_seconds: float = 300.0
    max_ejection_percent: float = 50.0
    """Of the backends that stand in for each other; at least one may be ejected, unless this is 0."""
    count_tool_errors: bool = False
    """The same as for ``circuit_breaker``."""


@attrs.frozen
class RateLimitConfig:
    """So many calls in so much time (RES-20 … RES-22)."""

    requests: int
    period_seconds: float = 1.0
    burst: int | None = None
    """As many may come at once after a quiet time; None is ``requests``."""
    max_wait_seconds: float = 0.1
    """A call waits for its turn that long, and never longer than its deadline allows; then it is refused."""


@attrs.frozen
class ConcurrencyConfig:
    """So many calls at a time (RES-15)."""

    max_concurrent: int
    max_queue: int = 100
    """So many wait for a place, first come, first served; the next one is refused."""
    queue_timeout_seconds: float | None = None
    """How long one waits at most; None is as long as its deadline allows."""


@attrs.frozen
class HealthConfig:
    """Ask a backend now and then whether it is there (HC-1 … HC-8)."""

    interval_seconds: float = 10.0
    timeout_seconds: float = 5.0
    unhealthy_threshold: int = 3
    """As many failures in a row make it unhealthy: failover and canary pass it over, and it does not make us ready."""
    healthy_threshold: int = 1
    """As many successes in a row make it healthy again."""
    reconnect: bool = False
    """Whether a backend that becomes unhealthy is connected to anew; calls that are on their way are lost then."""
    by_calls: bool = False
    """Judge it by its calls, without pings: for proxies that answer pings for a dead server, or start a program for each of them."""

"""What can be set of each policy, once: its default, its range, its unit and what it does.

A file is read into these classes and the policies take them; ``check``, ``conf/reference.toml`` and the schema are made of them. The sentence
below a setting is what its users read there. Durations are seconds unless a name says otherwise. ``table`` is the table of a backend in which the settings stand; ``example`` is shown where there is no default to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias, get_args

import attrs

from ..settings.guarding import GuardrailSettings
from ..settings.keeping import CacheSettings
from ..settings.ranges import NEEDED, NOT_NEGATIVE, POSITIVE, SHARE, WHOLE, Range, within
from ..settings.stand_ins import CanaryGuardSettings

__all__ = [
    "TABLES",
    "BreakerSettings",
    "CacheSettings",
    "CanaryGuardSettings",
    "ConcurrencySettings",
    "GuardrailSettings",
    "HealthSettings",
    "HedgeSettings",
    "Only",
    "OutlierSettings",
    "PolicySettings",
    "RateLimitSettings",
    "RestartSettings",
    "ResultSizeSettings",
    "RetrySettings",
    "TimeoutSettings",
    "needed",
]

Only: TypeAlias = Literal["safe", "all"] | tuple[str, ...]
"""Which calls may be sent twice: those that do no harm, all, or those of the tools named here (the backend's own names)."""

_BUDGET = Range(0, 1000, without_least=True, words="must be > 0 and at most 1000", instead="write percent of the calls, such as 20")
_PERCENTILE = Range(
    0, 100, without_least=True, without_most=True, words="must be > 0 and < 100", instead="write how many percent are in time, such as 95"
)
_OF_A_GROUP = Range(0, 100, words="must be 0-100", instead="write percent of the backends that stand in for each other")


@attrs.frozen(repr=False)
class TimeoutSettings:
    """How long a call may take: all its attempts together, and each of them."""

    seconds: float = attrs.field(default=300.0, metadata=within(POSITIVE))
    """A whole call, with all its attempts."""
    per_attempt_seconds: float | None = attrs.field(default=None, metadata=within(POSITIVE, example=30))
    """Each attempt; progress starts it anew; no limit unless given."""


@attrs.frozen(repr=False)
class RestartSettings:
    """How a backend that went away is brought back."""

    initial_seconds: float = attrs.field(default=0.5, metadata=within(POSITIVE))
    """The first wait before a restart; each further one is twice as long, with jitter."""
    max_seconds: float = attrs.field(default=30.0, metadata=within(POSITIVE))
    """The longest wait."""
    crash_limit: int = attrs.field(default=5, metadata=within(POSITIVE))
    """That many ends within the window are a crash loop: then only the longest wait is used."""
    crash_window_seconds: float = attrs.field(default=60.0, metadata=within(POSITIVE))
    """How long such a window is."""


@attrs.frozen(repr=False)
class RetrySettings:
    """Sends a call again that has failed (RES-1 … RES-6)."""

    table: ClassVar[str] = "retry"
    max_retries: int = attrs.field(default=3, validator=NOT_NEGATIVE)
    """Attempts after the first."""
    initial_backoff_ms: float = attrs.field(default=100.0, validator=NOT_NEGATIVE)
    """The longest first pause; each further one may be twice as long; drawn between nothing and that."""
    max_backoff_ms: float = attrs.field(default=5000.0, validator=NOT_NEGATIVE)
    """The longest pause, except for the time that a backend asks for, which comes on top."""
    only: Only = "safe"
    """Read-only and idempotent tools, resources, prompts, and what certainly did not start; "all"; or a list of the backend's own tools:
    ["look", "find"]."""
    budget_percent: float | None = attrs.field(default=None, validator=_BUDGET, metadata={"example": 20})
    """Attempts beyond the first, by retries, hedges and failover, in percent of the last 10 s' calls; no limit unless given."""
    min_retries_per_sec: float = attrs.field(default=10.0, validator=NOT_NEGATIVE)
    """So many are allowed in any case; only with budget_percent."""


@attrs.frozen(repr=False)
class HedgeSettings:
    """Sends a copy of a call that takes long; the first success wins (RES-10 … RES-13)."""

    table: ClassVar[str] = "hedging"
    delay_ms: float = attrs.field(default=200.0, validator=NOT_NEGATIVE)
    """When the copy is sent, and the next one after as much again; 0 sends all at once."""
    percentile: float | None = attrs.field(default=None, validator=_PERCENTILE, metadata={"example": 95})
    """The delay is what so many percent of calls take, once enough were seen, and delay_ms until then."""
    max_hedges: int = attrs.field(default=1, validator=NOT_NEGATIVE)
    """Copies."""
    only: Only = "safe"
    """As for retry."""


@attrs.frozen(repr=False)
class BreakerSettings:
    """Sends nothing for a while after too many failures (RES-40 … RES-45)."""

    table: ClassVar[str] = "circuit_breaker"
    failure_rate_threshold: float = attrs.field(default=0.5, validator=SHARE)
    """Of the calls in the window; it opens when as many have failed."""
    minimum_calls: int = attrs.field(default=5, validator=WHOLE)
    """With fewer it never opens."""
    window_calls: int | None = attrs.field(default=None, validator=WHOLE, metadata={"example": 20})
    """The last so many calls are looked at; minimum_calls unless given."""
    window_seconds: float | None = attrs.field(default=None, validator=POSITIVE, metadata={"example": 30})
    """Or those of the last so many seconds."""
    slow_call_seconds: float | None = attrs.field(default=None, validator=POSITIVE, metadata={"example": 5})
    """A call that takes as long is slow."""
    slow_call_rate_threshold: float = attrs.field(default=1.0, validator=SHARE)
    """It also opens when as many were slow; only with slow_call_seconds."""
    wait_duration_seconds: float = attrs.field(default=30.0, validator=NOT_NEGATIVE)
    """How long it stays open."""
    permitted_calls_in_half_open: int = attrs.field(default=3, validator=WHOLE)
    """Then so many are let through; if all succeed it closes."""
    count_tool_errors: bool = False
    """Whether a tool's result that says it failed (isError) is a failure; some proxies turn every error into such a result."""


@attrs.frozen(repr=False)
class OutlierSettings:
    """Takes a backend out of those that stand in for each other (RES-50 … RES-56)."""

    table: ClassVar[str] = "outlier_detection"
    consecutive_errors: int = attrs.field(default=5, validator=NOT_NEGATIVE)
    """As many in a row eject it; 0 does not look at that."""
    success_rate_threshold: float | None = attrs.field(default=None, validator=SHARE, metadata={"example": 0.9})
    """Fewer successes in an interval eject it at its end, too."""
    minimum_calls: int = attrs.field(default=10, validator=WHOLE)
    """In an interval with fewer the rate says nothing; only with success_rate_threshold."""
    interval_seconds: float = attrs.field(default=10.0, validator=POSITIVE)
    """How long an interval is; it begins with the first outcome after the last one."""
    base_ejection_seconds: float = attrs.field(default=30.0, validator=NOT_NEGATIVE)
    """The first time; then twice, three times as long; a quiet interval takes one back."""
    max_ejection_seconds: float = attrs.field(default=300.0, validator=NOT_NEGATIVE)
    """The longest ejection."""
    max_ejection_percent: float = attrs.field(default=50.0, validator=_OF_A_GROUP)
    """Of the group; at least one may be ejected, unless this is 0."""
    count_tool_errors: bool = False
    """As for circuit_breaker."""


@attrs.frozen(repr=False)
class RateLimitSettings:
    """So many calls, reads and gets in so much time; completions are not counted (RES-20 … RES-22, GRL-1)."""

    table: ClassVar[str] = "rate_limit"
    requests: int = attrs.field(validator=NEEDED, metadata={"example": 100})
    """How many in a period."""
    period_seconds: float = attrs.field(default=1.0, validator=POSITIVE)
    """How long a period is."""
    burst: int | None = attrs.field(default=None, validator=WHOLE, metadata={"example": 200})
    """As many may come at once after a quiet time; as many as requests unless given."""
    max_wait_seconds: float = attrs.field(default=0.1, validator=NOT_NEGATIVE)
    """A call waits that long for its turn, and never longer than its deadline allows; then it is refused."""


@attrs.frozen(repr=False)
class ConcurrencySettings:
    """So many calls at a time (RES-15)."""

    table: ClassVar[str] = "concurrency"
    max_concurrent: int = attrs.field(validator=NEEDED, metadata={"example": 10})
    """How many."""
    max_queue: int = attrs.field(default=100, validator=NOT_NEGATIVE)
    """So many wait for a place, first come, first served; the next one is refused."""
    queue_timeout_seconds: float | None = attrs.field(default=None, validator=POSITIVE, metadata={"example": 5})
    """How long one waits at most; as long as its deadline allows unless given."""


@attrs.frozen(repr=False)
class ResultSizeSettings:
    """How large the result of a tool, a resource or a prompt may be (LIM-57)."""

    table: ClassVar[str] = "result_size"
    max_bytes: int = attrs.field(validator=NEEDED, metadata={"example": 262144})
    """Bytes of a result, as JSON and as it came; a larger one is thrown away, and its caller told how large it was."""


@attrs.frozen(repr=False)
class HealthSettings:
    """Asks the backend now and then whether it is there (HC-1 … HC-8)."""

    table: ClassVar[str] = "health"
    interval_seconds: float = attrs.field(default=10.0, validator=POSITIVE)
    """From the beginning of one ping to the beginning of the next."""
    timeout_seconds: float = attrs.field(default=5.0, validator=POSITIVE)
    """How long an answer may take."""
    unhealthy_threshold: int = attrs.field(default=3, validator=WHOLE)
    """As many failures in a row: failover and canary pass it over, and it does not make us ready."""
    healthy_threshold: int = attrs.field(default=1, validator=WHOLE)
    """As many successes in a row make it healthy again."""
    reconnect: bool = False
    """Whether one that becomes unhealthy is connected to anew; calls that are on their way are lost."""
    by_calls: bool = False
    """Whether its calls show its health and no pings are sent: for proxies that answer pings for a dead server, or start a program for each."""


@attrs.frozen(kw_only=True, slots=False, repr=False)  # a backend has more of this kind
class PolicySettings:
    """The tables of a backend in the order in which they are documented. A policy whose table is not there is not in the chain."""

    retry: RetrySettings | None = None
    hedging: HedgeSettings | None = None
    circuit_breaker: BreakerSettings | None = None
    outlier_detection: OutlierSettings | None = None
    rate_limit: RateLimitSettings | None = None
    concurrency: ConcurrencySettings | None = None
    result_size: ResultSizeSettings | None = None
    guardrails: GuardrailSettings | None = None
    cache: CacheSettings | None = None
    health: HealthSettings | None = None
    canary_guard: CanaryGuardSettings | None = None


TABLES: Mapping[str, type[attrs.AttrsInstance]] = {
    field.name: get_args(field.type)[0] for field in attrs.fields(attrs.resolve_types(PolicySettings))
}
"""The classes of these tables, by name."""


def needed(table: str, key: str) -> float | None:
    """The example for a key without a default; None where it has one, or there is no such key."""
    field = attrs.fields_dict(TABLES[table]).get(key) if table in TABLES else None
    return field.metadata["example"] if field is not None and field.default is attrs.NOTHING else None

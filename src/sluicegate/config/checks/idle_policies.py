"""What is said about traffic policies and has no effect beside what else is said (LIM-47)."""

from __future__ import annotations

from collections.abc import Iterator

from ...policies.settings import TABLES, BreakerSettings, HedgeSettings, OutlierSettings, RetrySettings
from ...settings.keeping import CacheSettings
from ..backends import BackendConfig
from ..problem import Problem

__all__ = ["policy_warnings"]

_RETRY, _BREAKER, _OUTLIER = RetrySettings(), BreakerSettings(), OutlierSettings()


def policy_warnings(index: int, backend: BackendConfig) -> Iterator[Problem]:
    """What can run at the backend at that place, but does nothing, or less than was probably meant."""
    found = [
        *_mirror(backend),
        *_retry(backend),
        *_hedging(backend),
        *_breaker(backend),
        *_outlier(backend),
        *_queue(backend),
        *_cache(backend),
        *_guard(backend),
    ]
    yield from (Problem(None, None, f"backends[{index}].{key}", what, instead) for key, what, instead in found)


def _attempt(backend: BackendConfig) -> float:
    """Seconds after which an attempt is over in any case."""
    attempt = backend.timeout.per_attempt_seconds
    return backend.timeout.seconds if attempt is None else min(attempt, backend.timeout.seconds)


def _mirror(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    """Copies go straight to the backend; only who calls a mirror by its own name meets its policies."""
    if backend.mirror_of is None:
        return
    for table in TABLES:
        if getattr(backend, table) is None or table == "health":
            continue
        if backend.mirror_hidden:
            yield table, f"{table} has no effect: copies pass none of a mirror's policies, and nobody else may call it", "leave it out"
        else:
            what = f"{table} has no effect on copies, only on calls by the mirror's own name"
            yield table, what, "leave it out, or set mirror_hidden = true and do without it"


def _guard(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    if backend.canary_guard is not None and backend.canary_of is None and backend.mirror_of is None:
        yield "canary_guard", "canary_guard has no effect without canary_of", "leave it out"


def _retry(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    retry = backend.retry
    if retry is None:
        return
    if retry.budget_percent is None:
        if retry.min_retries_per_sec != _RETRY.min_retries_per_sec:
            what = "min_retries_per_sec has no effect without budget_percent"
            yield "retry.min_retries_per_sec", what, "add budget_percent = 20, or leave it out"
        if retry.max_retries == 0:
            yield "retry.max_retries", "nothing is retried, and there is no budget: the table has no effect", "leave the table out"
    if retry.max_retries == 0:
        return
    whole = backend.timeout.seconds
    if retry.initial_backoff_ms >= whole * 1000:
        what = f"the first pause may last as long as a whole call may take, {whole:g} s"
        yield "retry.initial_backoff_ms", what, "write less; the number is milliseconds"
    elif retry.max_backoff_ms >= whole * 1000 and retry.max_backoff_ms != _RETRY.max_backoff_ms:
        what = f"a pause may last as long as a whole call may take, {whole:g} s"
        yield "retry.max_backoff_ms", what, "write less; the number is milliseconds"


def _hedging(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    hedging: HedgeSettings | None = backend.hedging
    if hedging is None:
        return
    if hedging.max_hedges == 0:
        yield "hedging.max_hedges", "no copy is sent: the table has no effect", "leave the table out"
    elif hedging.percentile is None and hedging.delay_ms >= _attempt(backend) * 1000:
        what = f"no copy is ever sent: an attempt ends after {_attempt(backend):g} s"
        yield "hedging.delay_ms", what, "write less; the number is milliseconds"


def _breaker(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    breaker = backend.circuit_breaker
    if breaker is None:
        return
    if breaker.slow_call_seconds is None:
        if breaker.slow_call_rate_threshold != _BREAKER.slow_call_rate_threshold:
            what = "slow_call_rate_threshold has no effect without slow_call_seconds"
            yield "circuit_breaker.slow_call_rate_threshold", what, "add slow_call_seconds, or leave it out"
    elif breaker.slow_call_seconds >= _attempt(backend):
        what = f"no call can be as slow and succeed: an attempt ends after {_attempt(backend):g} s"
        yield "circuit_breaker.slow_call_seconds", what, "write less, or leave it out"


def _outlier(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    outlier = backend.outlier_detection
    if outlier is None:
        return
    if outlier.max_ejection_percent == 0:
        what = "nobody may be ejected: the table has no effect"
        yield "outlier_detection.max_ejection_percent", what, "write more than 0, or leave the table out"
    elif outlier.consecutive_errors == 0 and outlier.success_rate_threshold is None:
        what = "nothing ejects: consecutive_errors is 0, and there is no success_rate_threshold"
        yield "outlier_detection.consecutive_errors", what, "set one of the two, or leave the table out"
    elif outlier.success_rate_threshold is None and outlier.minimum_calls != _OUTLIER.minimum_calls:
        what = "minimum_calls has no effect without success_rate_threshold"
        yield "outlier_detection.minimum_calls", what, "add success_rate_threshold, or leave it out"


def _queue(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    places = backend.concurrency
    if places is None or places.queue_timeout_seconds is None:
        return
    if places.max_queue == 0:
        what = "queue_timeout_seconds has no effect with max_queue = 0: nobody waits"
        yield "concurrency.queue_timeout_seconds", what, "leave it out"
    elif places.queue_timeout_seconds >= _attempt(backend):
        what = f"nobody waits that long: an attempt ends after {_attempt(backend):g} s"
        yield "concurrency.queue_timeout_seconds", what, "write less, or leave it out"


def _cache(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    cache = backend.cache
    if cache is None:
        return
    if not cache.ttls():
        if cache != CacheSettings():  # who writes nothing but defaults has turned it off
            yield "cache", "nothing is kept: no time is given for anything", "add tool_ttl_seconds = 60, or leave the table out"
    elif "tools/call" not in cache.ttls():
        for key, patterns in cache.patterns():
            if patterns:
                yield key, f"{key.partition('.')[2]} has no effect without tool_ttl_seconds", "add tool_ttl_seconds = 60, or leave it out"

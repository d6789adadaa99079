"""The traffic policies of a backend: numbers that are impossible, that contradict each other, or that have no effect."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from sluicegate.config.checks.whole import problems, warnings
from sluicegate.config.load import ConfigError, parse
from sluicegate.config.model import BackendConfig, Config, ProxyConfig, TimeoutSettings
from sluicegate.policies import settings
from sluicegate.policies.settings import (
    BreakerSettings,
    CacheSettings,
    ConcurrencySettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from sluicegate.settings.ranges import Range

TABLES: dict[str, Any] = {
    "rate_limit": RateLimitSettings(100),
    "concurrency": ConcurrencySettings(10),
} | {
    table: kind(*(field.metadata["example"] for field in attrs.fields(kind) if field.default is attrs.NOTHING))
    for table, kind in settings.TABLES.items()
    if kind not in {RateLimitSettings, ConcurrencySettings}
}
"""A sensible table of each kind."""


def one(**tables: Any) -> Config:
    return Config(ProxyConfig("p"), (BackendConfig("a", "stdio", command="x", **tables),))


def with_key(table: str, **changes: Any) -> Config:
    return one(**{table: attrs.evolve(TABLES[table], **changes)})


def test_a_sensible_table_of_each_kind_is_accepted_without_a_word() -> None:
    config = attrs.evolve(
        one(**{table: one for table, one in TABLES.items() if table != "canary_guard"}),
        proxy=ProxyConfig("p", rate_limit=RateLimitSettings(1)),
    )

    assert problems(config) == []
    assert warnings(config) == []


def test_a_guard_is_for_canaries() -> None:
    primary = one().backends[0]
    canary = BackendConfig("c", "stdio", command="x", canary_of="a", weight=5, canary_guard=settings.CanaryGuardSettings())

    assert warnings(attrs.evolve(one(), backends=(primary, canary))) == []
    (warning,) = warnings(one(canary_guard=settings.CanaryGuardSettings()))
    assert (warning.path, warning.what) == ("backends[0].canary_guard", "canary_guard has no effect without canary_of")


WRONG = [
    ("canary_guard", "error_factor", (0, 0.5, -1), "canary_guard.error_factor must be >= 1"),
    ("canary_guard", "latency_factor", (0.9,), "canary_guard.latency_factor must be >= 1"),
    ("canary_guard", "window_seconds", (0, -1), "must be > 0"),
    ("canary_guard", "minimum_calls", (0,), "must be > 0"),
    ("canary_guard", "minimum_failures", (0,), "must be > 0"),
    ("circuit_breaker", "failure_rate_threshold", (0, -0.1, 1.5, 50), "failure_rate_threshold must be in (0.0, 1.0]"),  # V14, TST-E26
    ("rate_limit", "requests", (0, -1), "rate_limit.requests must be > 0"),  # V15, TST-E27
    ("concurrency", "max_concurrent", (0, -5), "concurrency.max_concurrent must be > 0"),  # V16
    ("circuit_breaker", "minimum_calls", (0, -1), "must be > 0"),  # CFG-48
    ("circuit_breaker", "wait_duration_seconds", (-1,), "must be >= 0"),  # CFG-49
    ("circuit_breaker", "permitted_calls_in_half_open", (0,), "must be > 0"),  # CFG-50
    ("circuit_breaker", "window_calls", (0,), "must be > 0"),
    ("circuit_breaker", "window_seconds", (0, -1), "must be > 0"),
    ("circuit_breaker", "slow_call_seconds", (0, -1), "must be > 0"),
    ("circuit_breaker", "slow_call_rate_threshold", (0, 1.1), "must be in (0.0, 1.0]"),
    ("rate_limit", "period_seconds", (0, -1), "rate_limit.period_seconds must be > 0"),  # CFG-51
    ("rate_limit", "burst", (0, -1), "must be > 0"),
    ("rate_limit", "max_wait_seconds", (-1,), "must be >= 0"),
    ("cache", "resource_ttl_seconds", (-1,), "must be >= 0"),  # CFG-66
    ("cache", "tool_ttl_seconds", (-1,), "must be >= 0"),  # CFG-67
    ("cache", "prompt_ttl_seconds", (-1,), "must be >= 0"),
    ("cache", "max_entries", (0, 100_001), "must be 1-100000"),  # CFG-68
    ("cache", "max_bytes", (0,), "must be > 0"),
    ("cache", "stale_while_revalidate_seconds", (-1,), "must be >= 0"),
    ("cache", "stale_if_error_seconds", (-1,), "must be >= 0"),
    ("concurrency", "max_queue", (-1,), "must be >= 0"),
    ("concurrency", "queue_timeout_seconds", (0, -1), "must be > 0"),
    ("retry", "max_retries", (-1,), "must be >= 0"),  # CFG-53
    ("retry", "initial_backoff_ms", (-1,), "must be >= 0"),  # CFG-54
    ("retry", "max_backoff_ms", (-1,), "must be >= 0"),  # CFG-55
    ("retry", "budget_percent", (0, -1, 1001), "must be > 0 and at most 1000"),  # CFG-56, V26
    ("retry", "min_retries_per_sec", (-1,), "must be >= 0"),  # CFG-57
    ("outlier_detection", "consecutive_errors", (-1,), "must be >= 0"),  # CFG-58
    ("outlier_detection", "interval_seconds", (0, -1), "must be > 0"),  # CFG-59
    ("outlier_detection", "base_ejection_seconds", (-1,), "must be >= 0"),  # CFG-60
    ("outlier_detection", "max_ejection_seconds", (-1,), "must be >= 0"),
    ("outlier_detection", "max_ejection_percent", (-1, 101), "max_ejection_percent must be 0-100"),  # CFG-61
    ("outlier_detection", "success_rate_threshold", (0, 1.1, 95), "must be in (0.0, 1.0]"),
    ("outlier_detection", "minimum_calls", (0,), "must be > 0"),
    ("hedging", "delay_ms", (-1,), "must be >= 0"),  # CFG-62
    ("hedging", "max_hedges", (-1,), "must be >= 0"),  # CFG-63
    ("hedging", "percentile", (0, 100, -1, 101), "must be > 0 and < 100"),
    ("health", "interval_seconds", (0, -1), "must be > 0"),
    ("health", "timeout_seconds", (0,), "must be > 0"),
    ("health", "unhealthy_threshold", (0,), "must be > 0"),
    ("health", "healthy_threshold", (0,), "must be > 0"),
]
WRONG += [
    (table, field.name, (field.validator.least - 1,), field.validator.words)
    for table, kind in settings.TABLES.items()
    if table not in {table for table, *_ in WRONG}
    for field in attrs.fields(kind)
    if isinstance(field.validator, Range)
]


EACH = [(table, key, number, phrase) for table, key, numbers, phrase in WRONG for number in numbers]
REQUIRED = {
    table: f"{field.name} = {field.metadata['example']}\n"
    for table, kind in settings.TABLES.items()
    for field in attrs.fields(kind)
    if field.default is attrs.NOTHING
}


@pytest.mark.parametrize(("table", "key", "number", "phrase"), EACH)
def test_an_impossible_number_is_refused_at_its_key(table: str, key: str, number: float, phrase: str) -> None:
    """CFG-47 … 63, CFG-V14 … V16, TST-E26, TST-E27: the message keeps the seed's words, and says what to write instead."""
    needed = REQUIRED.get(table, "")
    text = f"[proxy]\nname = 'p'\n[[backends]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\n[backends.{table}]\n{key} = {number}\n"

    with pytest.raises(ConfigError) as caught:
        parse(text + ("" if key in needed else needed))

    (found,) = caught.value.problems
    assert (found.path, found.line) == (f"backends[0].{table}.{key}", 8)
    assert found.what.startswith(f"{table}.{key} ")
    assert phrase in found.what
    assert f"got {number:g}" in found.what
    assert found.instead


@pytest.mark.parametrize(
    ("table", "key", "number", "phrase"),
    [*EACH, *((table, key, number, phrase) for table, key, _, phrase in WRONG for number in (math.nan, math.inf, -math.inf))],
)
def test_a_program_that_makes_impossible_settings_is_told_the_same(table: str, key: str, number: float, phrase: str) -> None:
    """Where it makes them, so that no policy is ever made of them."""
    with pytest.raises(ValueError, match=f"^{table}.{key} ") as caught:
        attrs.evolve(TABLES[table], **{key: number})

    assert phrase in str(caught.value)
    assert f"got {number:g}; write " in str(caught.value)


def test_all_impossible_numbers_of_a_file_are_told_of_at_once_and_nothing_that_follows_from_them() -> None:
    text = (
        "[proxy]\nname = 'p'\n[[backends]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\n"
        "circuit_breaker = { minimum_calls = 0, window_calls = 4, failure_rate_threshold = 50 }\n"
        "outlier_detection = { base_ejection_seconds = -1, max_ejection_seconds = 10 }\n"
        "retry = { initial_backoff_ms = 10, max_backoff_ms = 5, max_retries = -1 }\n"
    )

    with pytest.raises(ConfigError) as caught:
        parse(text)

    assert [problem.path.removeprefix("backends[0].") for problem in caught.value.problems] == [
        "circuit_breaker.failure_rate_threshold",
        "circuit_breaker.minimum_calls",
        "outlier_detection.base_ejection_seconds",
        "retry.max_retries",
        "retry.max_backoff_ms",
    ]


_NO_NUMBERS = {"only", "reconnect", "by_calls", "count_tool_errors", "tools", "except_tools", "clear_on_writes", "ttl_seconds_by_tool"} | {
    *("secrets", "patterns", "results", "arguments"),
}
"""Of ``ttl_seconds_by_tool``, ``check`` looks at each by itself (``test_stores_read.py``)."""


def test_every_number_of_every_table_has_a_range() -> None:
    ruled, numbers = set(), set()
    for table, kind in settings.TABLES.items():
        for field in attrs.fields(kind):
            if field.name not in _NO_NUMBERS:
                numbers.add((table, field.name))
            if isinstance(field.validator, Range):
                ruled.add((table, field.name))

    assert ruled == numbers == {(table, key) for table, key, _, _ in WRONG}
    assert set(settings.TABLES) == set(TABLES)


EDGES = [
    ("circuit_breaker", {"failure_rate_threshold": 1.0, "slow_call_seconds": 1, "slow_call_rate_threshold": 1.0}),
    ("circuit_breaker", {"minimum_calls": 1, "wait_duration_seconds": 0, "permitted_calls_in_half_open": 1}),
    ("circuit_breaker", {"window_calls": 5, "minimum_calls": 5}),
    ("circuit_breaker", {"window_seconds": 0.1}),
    ("rate_limit", {"requests": 1, "period_seconds": 0.001, "burst": 1, "max_wait_seconds": 0}),
    ("concurrency", {"max_concurrent": 1, "max_queue": 0}),
    ("retry", {"initial_backoff_ms": 0, "max_backoff_ms": 0}),
    ("retry", {"budget_percent": 1000, "min_retries_per_sec": 0}),
    ("retry", {"budget_percent": 0.5, "max_retries": 0}),  # the budget also holds for failover and hedges
    ("retry", {"only": ()}),
    ("retry", {"only": ("look", "find")}),
    ("outlier_detection", {"consecutive_errors": 0, "success_rate_threshold": 1.0, "minimum_calls": 1}),
    ("outlier_detection", {"base_ejection_seconds": 0, "max_ejection_seconds": 0, "max_ejection_percent": 100}),  # RES-53
    ("hedging", {"delay_ms": 0, "percentile": 99.9, "only": "all"}),
]


@pytest.mark.parametrize(("table", "changes"), EDGES)
def test_what_is_just_possible_is_accepted_without_a_word(table: str, changes: dict[str, Any]) -> None:
    config = with_key(table, **changes)

    assert problems(config) == []
    assert warnings(config) == []


CONTRADICTIONS = [
    ("circuit_breaker", {"window_calls": 4}, "window_calls", "fewer calls than minimum_calls = 5"),
    ("circuit_breaker", {"window_calls": 10, "window_seconds": 10}, "window_seconds", "in calls and in seconds"),
    ("retry", {"initial_backoff_ms": 10, "max_backoff_ms": 9}, "max_backoff_ms", "shorter than the first"),
    ("outlier_detection", {"max_ejection_seconds": 29}, "max_ejection_seconds", "shorter than the first"),
    ("retry", {"only": ("look", "")}, "only[1]", "must not be empty"),
    ("hedging", {"only": ("look", "find", "look")}, "only[2]", "'look' is in the list twice"),
    ("retry", {"only": "look"}, "only", "none of the words that are known"),
    ("hedging", {"only": ["look"]}, "only", "none of the words that are known"),
]


@pytest.mark.parametrize(("table", "changes", "key", "phrase"), CONTRADICTIONS)
def test_numbers_that_contradict_each_other_are_refused(table: str, changes: dict[str, Any], key: str, phrase: str) -> None:
    """CFG-V26, LIM-47: what can never work is no configuration."""
    (found,) = problems(with_key(table, **changes))

    assert found.path == f"backends[0].{table}.{key}"
    assert phrase in found.what
    assert found.instead


@pytest.mark.parametrize(("key", "phrase"), [("requests", "proxy.rate_limit.requests must be > 0"), ("period_seconds", "must be > 0")])
def test_the_limit_for_all_requests_has_the_same_rules(key: str, phrase: str) -> None:
    """CFG-V5, CFG-30."""
    keys = ", ".join(f"{name} = {number}" for name, number in ({"requests": 5} | {key: 0}).items())
    backend = "[[backends]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\n"

    with pytest.raises(ConfigError) as caught:
        parse(f"[proxy]\nname = 'p'\nrate_limit = {{ {keys} }}\n{backend}")

    (found,) = caught.value.problems
    assert found.path == f"proxy.rate_limit.{key}"
    assert phrase in found.what


IDLE = [
    ({"retry": RetrySettings(min_retries_per_sec=5)}, "retry.min_retries_per_sec", "without budget_percent"),
    ({"retry": RetrySettings(max_retries=0)}, "retry.max_retries", "the table has no effect"),
    (
        {"retry": RetrySettings(initial_backoff_ms=2000), "timeout": TimeoutSettings(2)},
        "retry.initial_backoff_ms",
        "a whole call may take, 2 s",
    ),
    ({"retry": RetrySettings(max_backoff_ms=6000), "timeout": TimeoutSettings(5)}, "retry.max_backoff_ms", "a whole call may take, 5 s"),
    ({"cache": CacheSettings(max_entries=3)}, "cache", "no time is given"),
    ({"cache": CacheSettings(resource_ttl_seconds=3, tools=("x",))}, "cache.tools", "without tool_ttl_seconds"),
    ({"cache": CacheSettings(resource_ttl_seconds=3, except_tools=("x",))}, "cache.except_tools", "without tool_ttl_seconds"),
    ({"hedging": HedgeSettings(max_hedges=0)}, "hedging.max_hedges", "no copy is sent"),
    ({"hedging": HedgeSettings(3000), "timeout": TimeoutSettings(3)}, "hedging.delay_ms", "an attempt ends after 3 s"),
    ({"hedging": HedgeSettings(3000), "timeout": TimeoutSettings(9, 2)}, "hedging.delay_ms", "an attempt ends after 2 s"),
    (
        {"circuit_breaker": BreakerSettings(slow_call_rate_threshold=0.5)},
        "circuit_breaker.slow_call_rate_threshold",
        "without slow_call_seconds",
    ),
    (
        {"circuit_breaker": BreakerSettings(slow_call_seconds=5), "timeout": TimeoutSettings(9, 5)},
        "circuit_breaker.slow_call_seconds",
        "an attempt ends after 5 s",
    ),
    (
        {"outlier_detection": OutlierSettings(max_ejection_percent=0)},
        "outlier_detection.max_ejection_percent",
        "nobody may be ejected",
    ),
    ({"outlier_detection": OutlierSettings(consecutive_errors=0)}, "outlier_detection.consecutive_errors", "nothing ejects"),
    (
        {"outlier_detection": OutlierSettings(minimum_calls=3)},
        "outlier_detection.minimum_calls",
        "without success_rate_threshold",
    ),
    ({"concurrency": ConcurrencySettings(1, 0, 5)}, "concurrency.queue_timeout_seconds", "nobody waits"),
    (
        {"concurrency": ConcurrencySettings(1, 9, 5), "timeout": TimeoutSettings(4)},
        "concurrency.queue_timeout_seconds",
        "nobody waits that long",
    ),
    ({"timeout": TimeoutSettings(5, 5)}, "timeout.per_attempt_seconds", "no attempt lasts longer"),
]


@pytest.mark.parametrize(("tables", "key", "phrase"), IDLE)
def test_what_has_no_effect_is_a_warning_and_no_error(tables: dict[str, Any], key: str, phrase: str) -> None:
    """LIM-47: every key that is accepted has an effect, or it is said that it has none."""
    config = one(**tables)

    (found,) = warnings(config)

    assert found.path == f"backends[0].{key}"
    assert phrase in found.what
    assert found.instead
    assert problems(config) == []


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("hidden", [True, False])
def test_the_policies_of_a_mirror_do_nothing_for_copies(table: str, hidden: bool) -> None:
    """LIM-47: a copy passes none of them; who calls a mirror that is not hidden meets them. Probes are for any backend."""
    mirror = BackendConfig("m", "stdio", command="x", mirror_of="a", mirror_hidden=hidden, **{table: TABLES[table]})

    found = warnings(attrs.evolve(one(), backends=(*one().backends, mirror)))

    assert [warning.path for warning in found] == ([] if table == "health" else [f"backends[1].{table}"])
    assert all(("copies pass none" if hidden else "no effect on copies") in warning.what for warning in found)

"""The tables of the traffic policies in a file: read strictly, written back whole."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.config.checks.whole import problems
from sluicegate.config.load import ConfigError, dump, parse
from sluicegate.config.model import BackendConfig, Config, ProxyConfig, TimeoutSettings
from sluicegate.policies.settings import (
    BreakerSettings,
    ConcurrencySettings,
    HealthSettings,
    HedgeSettings,
    OutlierSettings,
    RateLimitSettings,
    RetrySettings,
)
from sluicegate.settings.stand_ins import FAILOVER_AFTER

HEAD = '[proxy]\nname = "p"\n'
BACKEND = '[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'

FULL = (
    HEAD
    + "rate_limit = { requests = 1000, period_seconds = 60, burst = 50, max_wait_seconds = 0 }\n"
    + BACKEND
    + """\
[backends.retry]
max_retries = 2
initial_backoff_ms = 50
max_backoff_ms = 2000
only = ["look", "find"]
budget_percent = 20
min_retries_per_sec = 1.5
[backends.hedging]
delay_ms = 150
percentile = 95
max_hedges = 2
only = "all"
[backends.circuit_breaker]
failure_rate_threshold = 0.25
minimum_calls = 10
window_calls = 40
slow_call_seconds = 3
slow_call_rate_threshold = 0.8
wait_duration_seconds = 15
permitted_calls_in_half_open = 2
count_tool_errors = true
[backends.outlier_detection]
consecutive_errors = 3
success_rate_threshold = 0.9
minimum_calls = 20
interval_seconds = 5
base_ejection_seconds = 10
max_ejection_seconds = 100
max_ejection_percent = 34
count_tool_errors = true
[backends.rate_limit]
requests = 5
[backends.concurrency]
max_concurrent = 8
max_queue = 16
queue_timeout_seconds = 2
[backends.health]
interval_seconds = 30
timeout_seconds = 2
unhealthy_threshold = 2
healthy_threshold = 3
reconnect = true
by_calls = true
[[backends]]
name = "b"
transport = "stdio"
command = "x"
canary_of = "a"
weight = 15
canary_sticky = true
"""
)


def test_every_key_of_every_table_arrives() -> None:
    """CFG-30, CFG-47 … 63, CFG-82, CFG-83 (TST-E33 has a part of it)."""
    loaded = parse(FULL)

    a, b = loaded.config.backends
    assert loaded.planned == ()
    assert loaded.warnings == ()
    assert loaded.config.proxy.rate_limit == RateLimitSettings(1000, 60, 50, 0)
    assert a.retry == RetrySettings(2, 50, 2000, ("look", "find"), 20, 1.5)
    assert a.hedging == HedgeSettings(150, 95, 2, "all")
    assert a.circuit_breaker == BreakerSettings(0.25, 10, 40, None, 3, 0.8, 15, 2, count_tool_errors=True)
    assert a.outlier_detection == OutlierSettings(3, 0.9, 20, 5, 10, 100, 34, count_tool_errors=True)
    assert a.rate_limit == RateLimitSettings(5)
    assert a.concurrency == ConcurrencySettings(8, 16, 2)
    assert a.health == HealthSettings(30, 2, 2, 3, reconnect=True, by_calls=True)
    assert (b.canary_of, b.weight, b.canary_sticky) == ("a", 15, True)


def test_an_empty_table_is_one_with_the_defaults_and_no_table_is_none() -> None:
    """RES-0d: what is not there is not in the chain."""
    (a,) = parse(HEAD + BACKEND + "retry = {}\ncircuit_breaker = {}\n").config.backends

    assert (a.retry, a.circuit_breaker, a.hedging) == (RetrySettings(), BreakerSettings(), None)


def test_a_number_may_come_from_the_environment() -> None:
    text = HEAD + BACKEND + "[backends.rate_limit]\nrequests = '${RATE}'\nperiod_seconds = '${PERIOD:-0.5}'\n"

    (a,) = parse(text, environ={"RATE": "7"}).config.backends

    assert a.rate_limit == RateLimitSettings(7, 0.5)


@pytest.mark.parametrize("words", ['"all"', '"safe"', "[]", '["look"]'])
def test_only_is_a_word_or_a_list_of_tools(words: str) -> None:
    (a,) = parse(HEAD + BACKEND + f"retry = {{ only = {words} }}\nhedging = {{ only = {words} }}\n").config.backends

    assert a.retry is not None
    assert a.hedging is not None
    assert a.retry.only == a.hedging.only == {'"all"': "all", '"safe"': "safe", "[]": (), '["look"]': ("look",)}[words]


WRONG = [
    ("retry = 3\n", "backends[0].retry: a number stands where a table is expected; write a table with max_retries, initial_backoff_ms"),
    ("retry = { max_retrys = 3 }\n", "backends[0].retry.max_retrys: unknown key 'max_retrys'; did you mean 'max_retries'?"),
    ("retry = { only = 'look' }\n", 'backends[0].retry.only: this is none of the words that are known; write "safe", "all", or a list'),
    ("retry = { only = true }\n", "backends[0].retry.only: true or false says nothing about calls"),
    ("retry = { only = { a = 1 } }\n", "backends[0].retry.only: a table says nothing about calls"),
    ("retry = { only = ['a', 3] }\n", "backends[0].retry.only[1]: a number stands where a text is expected"),
    ("retry = { max_retries = '3' }\n", "backends[0].retry.max_retries: a text stands where a whole number is expected"),
    ("retry = { max_retries = 1.5 }\n", "backends[0].retry.max_retries: a number stands where a whole number is expected"),
    ("retry = { budget_percent = nan }\n", "backends[0].retry.budget_percent: the number is too large"),
    ("max_retries = 3\n", "backends[0].max_retries: unknown key 'max_retries'; it belongs in [backends.retry]"),
    ("max_concurrent = 3\n", "backends[0].max_concurrent: unknown key 'max_concurrent'; it belongs in [backends.concurrency]"),
    ("requests = 3\n", "backends[0].requests: unknown key 'requests'; it belongs in [backends.rate_limit]"),
    ("circuitbreaker = {}\n", "backends[0].circuitbreaker: unknown key 'circuitbreaker'; did you mean 'circuit_breaker'?"),
    ("rate_limit = {}\n", "backends[0].rate_limit.requests: the key 'requests' is missing; add requests = 100"),
    ("concurrency = {}\n", "backends[0].concurrency.max_concurrent: the key 'max_concurrent' is missing; add max_concurrent = 10"),
    ("concurrency = [1]\n", "backends[0].concurrency: a list stands where a table is expected"),
    ("canary_of = 3\n", "backends[0].canary_of: a number stands where a text is expected"),
    ("weight = '10'\n", "backends[0].weight: a text stands where a whole number is expected"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[text.strip() for text, _ in WRONG])
def test_a_mistake_in_a_table_is_told_once_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(HEAD + BACKEND + text, name="f")

    (problem,) = caught.value.problems
    assert str(problem).startswith(f"f:7: {told}")


def test_the_other_mistakes_of_a_table_are_told_beside_those_that_do_not_fit() -> None:
    text = "rate_limit = { period_seconds = 0, requests = 'x' }\nretry = { max_retries = -1, only = 3 }\nweight = 0\n"

    with pytest.raises(ConfigError) as caught:
        parse(HEAD + BACKEND + text, name="f")

    assert [problem.path for problem in caught.value.problems] == [
        "backends[0].rate_limit.requests",
        "backends[0].rate_limit.period_seconds",
        "backends[0].retry.only",
        "backends[0].retry.max_retries",
        "backends[0].weight",
    ]


many, share, seconds = st.integers(1, 10**6), st.floats(0.001, 1), st.floats(0.001, 10**6)
names = st.lists(st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text and text.isprintable()), unique=True, max_size=3)
only = st.one_of(st.sampled_from(["safe", "all"]), names.map(tuple))
limits = st.builds(RateLimitSettings, many, seconds, st.none() | many, seconds)
whole = st.builds(
    BackendConfig,
    name=st.just("a"),
    transport=st.just("http"),
    url=st.just("http://h"),
    timeout=st.builds(TimeoutSettings, seconds, st.none() | seconds),
    retry=st.none()
    | st.builds(RetrySettings, many, st.floats(0, 5), st.floats(5, 10**4), only, st.none() | st.floats(0.1, 1000), st.floats(0, 9)),
    hedging=st.none() | st.builds(HedgeSettings, st.floats(0, 10**4), st.none() | st.floats(1, 99), many, only),
    circuit_breaker=st.none()
    | st.builds(BreakerSettings, share, many, st.none(), st.none() | seconds, st.none() | seconds, share, seconds, many),
    outlier_detection=st.none()
    | st.builds(OutlierSettings, many, st.none() | share, many, seconds, st.floats(0, 9), seconds.map(lambda s: s + 9), st.floats(0, 100)),
    rate_limit=st.none() | limits,
    concurrency=st.none() | st.builds(ConcurrencySettings, many, many, st.none() | seconds),
    health=st.none() | st.builds(HealthSettings, seconds, seconds, many, many, st.booleans()),
)
canaries = st.builds(
    BackendConfig,
    name=st.just("c"),
    transport=st.just("http"),
    url=st.just("http://h"),
    canary_of=st.just("a"),
    weight=st.integers(1, 100),
    canary_sticky=st.booleans(),
    failover_after=st.lists(st.sampled_from(FAILOVER_AFTER), min_size=1, unique=True).map(tuple),
    failover_stays_seconds=seconds,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(whole, canaries, st.none() | limits)
def test_whatever_is_configured_is_written_back_so_that_it_reads_the_same(
    primary: BackendConfig, canary: BackendConfig, limit: RateLimitSettings | None
) -> None:
    """CFG-7, TST-P3: parse → dump → parse → dump is stable, with every table and key there is."""
    config = Config(ProxyConfig("p", rate_limit=limit), (primary, canary))
    assert problems(config) == []

    written = dump(config)
    read = parse(written, environ={}).config

    assert read == config
    assert dump(read) == written


def test_an_optional_table_of_nothing_but_defaults_is_written_back_too() -> None:
    config = parse(HEAD + BACKEND + "retry = {}\nhedging = {}\noutlier_detection = {}\nhealth = {}\ncircuit_breaker = {}\n").config

    assert parse(dump(config)).config == config
    assert parse(dump(attrs.evolve(config, backends=(attrs.evolve(config.backends[0], retry=None),)))).config.backends[0].retry is None

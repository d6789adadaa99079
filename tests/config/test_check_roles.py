"""Stand-ins, canaries and mirrors: who may name whom, and how much of the calls they get."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate.config.checks.whole import problems, warnings
from sluicegate.config.model import AliasConfig, BackendConfig, Config, ProxyConfig, TimeoutSettings
from sluicegate.config.summary import summary
from sluicegate.policies.settings import RetrySettings

ROLES = {"failover_for": "stand-in", "canary_of": "canary", "mirror_of": "mirror"}


def stdio(name: str, **settings: Any) -> BackendConfig:
    return BackendConfig(name, "stdio", command="x", **({"weight": 10} if "canary_of" in settings else {}) | settings)


def config(*backends: BackendConfig) -> Config:
    return Config(ProxyConfig("p"), backends)


def told(config_: Config) -> list[tuple[str, str]]:
    return [(problem.path, problem.what) for problem in problems(config_)]


@pytest.mark.parametrize("key", ROLES)
def test_a_backend_names_another_one_that_exists(key: str) -> None:
    """CFG-80, CFG-82, CFG-V18, V19, V21, TST-E30, TST-E31, TST-P4, TST-P5."""
    assert told(config(stdio("a", **{key: "a"}))) == [(f"backends[0].{key}", f"backend 'a': {key} cannot reference itself")]
    unknown = problems(config(stdio("prime"), stdio("b", **{key: "prima"})))
    assert [(problem.path, problem.instead) for problem in unknown] == [(f"backends[1].{key}", "did you mean 'prime'?")]
    assert f"{key} references unknown backend 'prima'" in unknown[0].what
    assert told(config(stdio("a"), stdio("b", **{key: "a"}))) == []


@pytest.mark.parametrize("first", ROLES)
@pytest.mark.parametrize("second", ROLES)
def test_nobody_stands_behind_one_who_stands_behind_another(first: str, second: str) -> None:
    """CFG-V26: no chains, and so no circles; a mirror that clients see may have stand-ins of its own."""
    chain = config(stdio("a"), stdio("b", **{first: "a"}), stdio("c", **{second: "b"}))

    if (first, second) == ("mirror_of", "failover_for"):
        assert told(chain) == []
    else:
        assert told(chain) == [(f"backends[2].{second}", f"'b' is a {ROLES[first]} itself")]
        assert problems(chain)[0].instead.endswith("'a'")


@pytest.mark.parametrize(("first", "second"), list(itertools.product(ROLES, ROLES)))
def test_two_that_name_each_other_are_refused(first: str, second: str) -> None:
    assert told(config(stdio("a", **{first: "b"}), stdio("b", **{second: "a"})))


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ROLES, 2)))
def test_a_backend_plays_one_part(first: str, second: str) -> None:
    found = told(config(stdio("a"), stdio("b", **{first: "a", second: "a"})))

    assert found == [(f"backends[1].{second}", f"backend 'b' cannot be a {ROLES[first]} and a {ROLES[second]} at once")]


@given(st.one_of(st.integers(101, 9999), st.integers(-9999, 0)))
@example(101)
@example(0)
def test_a_share_is_between_1_and_100(weight: int) -> None:
    """CFG-83, CFG-V21, TST-E32, TST-P6."""
    found = told(config(stdio("a"), stdio("b", canary_of="a", weight=weight)))

    assert ("backends[1].weight", f"weight must be 1-100, got {weight}") in found


@given(st.integers(101, 9999))
@example(101)
def test_a_mirror_gets_at_most_everything(percent: int) -> None:
    """CFG-V18, TST-P7."""
    found = told(config(stdio("a"), stdio("b", mirror_of="a", mirror_percent=percent)))

    assert found == [("backends[1].mirror_percent", f"mirror_percent must be 0-100, got {percent}")]


def test_a_place_that_is_no_pointer_is_told_with_what_to_write() -> None:
    mirror = stdio("b", mirror_of="a", mirror_compare=True, mirror_ignore=("/_meta", "content"))

    assert told(config(stdio("a"), mirror)) == [("backends[1].mirror_ignore[1]", "'content' is no JSON Pointer")]


def test_canaries_of_one_primary_share_at_most_everything() -> None:
    """LIM-20: several canaries, each with its share; what is left is the primary's."""
    canaries = [stdio(f"c{number}", canary_of="a", weight=40) for number in range(4)]

    assert told(config(stdio("a"), *canaries[:2])) == []
    assert told(config(stdio("a"), *canaries)) == [("backends[3].weight", "the canaries of 'a' have weights of 120 % together")]
    assert told(config(stdio("a"), stdio("b"), *canaries[:2], stdio("d", canary_of="b", weight=40))) == []


def test_a_canary_that_is_not_enabled_takes_nothing() -> None:
    off = stdio("off", canary_of="a", weight=90, enabled=False)

    assert told(config(stdio("a"), stdio("b", canary_of="a", weight=20), off)) == []


IDLE = [
    (stdio("b", weight=10), "weight", "no effect without canary_of"),
    (stdio("b", canary_sticky=True), "canary_sticky", "no effect without canary_of"),
    (stdio("b", mirror_compare=True), "mirror_compare", "no effect without mirror_of"),
    (stdio("b", mirror_of="a", mirror_ignore=("/a",)), "mirror_ignore", "no effect without mirror_compare"),
    (stdio("b", canary_of="a", weight=100), "weight", "takes all calls of 'a'"),
    (stdio("b", canary_of="a", priority=3), "priority", "no effect without failover_for"),
    (stdio("b", canary_of="a", hide_tools=("x",)), "hide_tools", "a canary shows its primary's names"),
    (stdio("b", canary_of="a", expose_prompts=("x",)), "expose_prompts", "a canary shows its primary's names"),
    (stdio("b", canary_of="a", aliases=(AliasConfig("x", "y"),)), "aliases", "a canary shows its primary's names"),
    (stdio("b", canary_of="a", timeout=TimeoutSettings(5)), "timeout.seconds", "the primary's holds"),
    (stdio("b", failover_for="a", timeout=TimeoutSettings(5)), "timeout.seconds", "also at a stand-in"),
    (stdio("b", canary_of="a", retry=RetrySettings(budget_percent=5)), "retry.budget_percent", "draws from its primary's budget"),
    (stdio("b", failover_for="a", retry=RetrySettings(budget_percent=5)), "retry.budget_percent", "a stand-in draws"),
    (stdio("b", canary_of="off"), "canary_of", "'off' is not enabled"),
    (stdio("b", failover_after=("lost",)), "failover_after", "nobody stands in for 'b'"),
    (stdio("b", failover_stays_seconds=5), "failover_stays_seconds", "nobody stands in for 'b'"),
]


@pytest.mark.parametrize(("backend", "key", "phrase"), IDLE)
def test_what_has_no_effect_in_this_part_is_a_warning(backend: BackendConfig, key: str, phrase: str) -> None:
    """LIM-47, CFG-83."""
    whole = config(stdio("a"), backend, stdio("off", enabled=False))

    (found,) = warnings(whole)

    assert found.path == f"backends[1].{key}"
    assert phrase in found.what
    assert problems(whole) == []


def test_the_summary_shows_what_each_canary_gets_and_what_is_left() -> None:
    """DEC-8: the shares that really hold; a primary with two canaries of 10 and 25 % keeps 65 %."""
    text = summary(
        config(
            stdio("a"),
            stdio("b", canary_of="a", weight=10),
            stdio("c", canary_of="a", weight=25, canary_sticky=True),
            stdio("d", canary_of="a", weight=30, enabled=False),
        )
    )

    assert "- a (stdio) [65 % left by canaries]" in text
    assert "- b (stdio) [canary of a, 10 %]" in text
    assert "- c (stdio) [canary of a, 25 % of its callers]" in text
    assert "- d (stdio) [canary of a, 30 %, disabled]" in text


def roles(**named: str) -> list[tuple[str, str]]:
    """Backends by name and whom they stand in for (``x``), or mirror (``mirror_x``); where it is told, and what."""
    backends = [
        stdio(
            name,
            **({"mirror_of": other.removeprefix("mirror_")} if other.startswith("mirror_") else {"failover_for": other} if other else {}),
        )
        for name, other in named.items()
    ]
    return [(problem.path, f"{problem.what}; {problem.instead}") for problem in problems(config(*backends))]


def test_backends_that_stand_in_for_each_other_get_one_message() -> None:
    what = "'a' and 'b' stand in for each other, so that none of them is the primary; take failover_for out of the one that is"

    assert roles(a="b", b="a") == [("backends[0].failover_for", what)]
    assert roles(x="", a="b", b="a", c="a", d="c") == [("backends[1].failover_for", what)]
    assert roles(d="c", c="a", a="b", b="a") == [("backends[2].failover_for", what)]


def test_a_circle_of_more_is_told_once_too() -> None:
    assert roles(a="b", b="c", c="a")[0][1].startswith("'a', 'b' and 'c' stand in for each other")
    assert len(roles(a="b", b="c", c="a", d="e", e="d")) == 2
    ((path, what),) = roles(a="mirror_b", b="mirror_a")
    assert (path, what.partition(",")[0]) == ("backends[0].mirror_of", "'a' and 'b' name each other in mirror_of")


def test_a_chain_that_ends_is_no_circle() -> None:
    assert roles(a="", b="a", c="b") == [("backends[2].failover_for", "'b' is a stand-in itself; name its primary 'a'")]
    assert roles(a="a") == [("backends[0].failover_for", "backend 'a': failover_for cannot reference itself; name another backend")]

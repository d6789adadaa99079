"""What a plan, a rule and a wish may say, and what they are refused for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sluicegate.config.problem import ConfigError
from sluicegate.testing import Garble, Hang, Reset, RpcError, Rule, Script, ToolFails
from sluicegate.testing.injections.kinds import Injection
from sluicegate.testing.injections.plan import read_plan
from sluicegate.testing.injections.words import fault_in


def plan(*tables: str) -> str:
    return "".join(f'[[faults]]\nfault = "hang"\npercent = 60\n{table}\n' for table in tables)


@pytest.mark.parametrize(
    "tables",
    [
        ('tool = "a"', 'tool = "b"'),
        ('caller = "ann"', 'caller = "bob"'),
        ('method = "tools/call"', 'method = "prompts/get"'),
        ("last = 5", "first = 6"),
        ('backend = "x"', 'backend = "y"'),
    ],
)
def test_percentages_of_rules_that_are_about_different_attempts_do_not_add_up(tables: tuple[str, ...]) -> None:
    assert len(read_plan(plan(*tables))[0]) == 2


@pytest.mark.parametrize("tables", [("", ""), ("", 'tool = "a"'), ('tool = "a"', 'tool = "a"\nbackend = "x"'), ("last = 5", "last = 5")])
def test_percentages_of_rules_for_the_same_attempts_add_up_to_a_hundred_at_most(tables: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="add up to 120"):
        read_plan(plan(*tables))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tool_fails 5", ToolFails("5")),
        ("rpc_error 5 message=404", RpcError(5, "404")),
        ("garble 12", Garble(b"12")),
        ("reset why=1e3", Reset("1e3")),
        ("rpc_error 5 data=7", RpcError(5, data=7)),
    ],
)
def test_a_text_in_a_wish_may_look_like_a_number(text: str, fault: Injection) -> None:
    assert fault_in(text) == fault


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Rule(Hang(), every=0), "every counts from 1, and is 0"),
        (lambda: Rule(Hang(), first=0), "first counts from 1, and is 0"),
        (lambda: Rule(Hang(), last=-1), "last counts from 1, and is -1"),
        (lambda: Rule(Hang(), numbers=[0, 1]), "numbers count from 1, and one is 0"),
        (lambda: Rule(Hang(), percent=0), "percent is more than 0 and at most 100, and not 0"),
        (lambda: Rule(Hang(), percent=101), "percent is more than 0 and at most 100, and not 101"),
    ],
)
def test_a_rule_that_could_never_hold_is_refused_where_it_is_written(make: Callable[[], Rule], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_what_is_no_fault_is_refused_where_the_rule_is_written() -> None:
    with pytest.raises(TypeError, match=r"write Hang\(\)"):
        Rule(Hang)  # type: ignore[arg-type]  # what a reader of the docs forgets
    with pytest.raises(TypeError, match="'hang' is no fault"):
        Script(["hang"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"numbers=\[3\]"):
        Rule(Hang(), numbers=3)  # type: ignore[arg-type]

"""A plan in TOML: what it says, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.config.problem import ConfigError
from sluicegate.testing.injections.draws import Exponential, Uniform
from sluicegate.testing.injections.injector import load_faults
from sluicegate.testing.injections.kinds import (
    ChildExit,
    Delay,
    Drip,
    Garble,
    Hang,
    Injection,
    Reset,
    RpcError,
    SessionLost,
    ToolFails,
    TooManyRequests,
    Truncate,
    Unauthorized,
    Unavailable,
)
from sluicegate.testing.injections.words import FAULTS, WrongFault, fault_from, fault_in, name_of
from sluicegate.testing.script import Rule, Script

PLAN = """
seed = 42
[[faults]]
fault = "delay"
seconds = { uniform = [0.1, 0.5] }
percent = 20
backend = "time"
[[faults]]
fault = "rpc_error"
code = -32001
message = "busy"
data = { again = true }
numbers = [3, 7]
tool = "now"
method = "tools/call"
caller = "ann"
[[faults]]
fault = "status"
code = 503
retry_after = 2
every = 5
first = 10
last = 100
"""


def test_a_plan_is_a_script() -> None:
    assert Script.from_toml(PLAN) == Script(
        [
            Rule(Delay(Uniform(0.1, 0.5)), percent=20, backend="time"),
            Rule(RpcError(-32001, "busy", {"again": True}), numbers=[3, 7], tool="now", method="tools/call", caller="ann"),
            Rule(Unavailable(2.0), every=5, first=10, last=100),
        ],
        42,
    )


def test_every_fault_can_be_written_by_its_name_alone() -> None:
    for name in FAULTS:
        [rule] = Script.from_toml(f'[[faults]]\nfault = "{name}"').rules
        assert name_of(rule.fault) == name
        assert fault_in(name) == rule.fault
    assert len(FAULTS) == 25


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("[[faults]]\nfault = 'rest'", "plan.toml:2: faults[0].fault: there is no fault 'rest'; did you mean 'reset'?"),
        (
            "[[faults]]\nfault = 'delay'\nsecond = 1",
            "plan.toml:3: faults[0].second: fault 'delay' has no 'second'; did you mean 'seconds'?",
        ),
        (
            "[[faults]]\nfault = 'reset'\nprecent = 1",
            "plan.toml:3: faults[0].precent: fault 'reset' has no 'precent'; did you mean 'percent'?",
        ),
        ("[[faults]]\nfault = 'hang'\nxyz = 1", "plan.toml:3: faults[0].xyz: fault 'hang' has no 'xyz'; take it out"),
        (
            "[[faults]]\npercent = 5",
            "plan.toml:1: faults[0].fault: says what goes wrong, and is missing; write one of ask_back, child_exit, ",
        ),
        ("[[faults]]\nfault = 5", "plan.toml:2: faults[0].fault: says what goes wrong"),
        ("[[faults]]\nfault = 'delay'\nseconds = -1", "plan.toml:3: faults[0].seconds: must be a number of at least 0, not -1"),
        (
            "[[faults]]\nfault = 'delay'\nseconds = { unifrom = [1, 2] }",
            "faults[0].seconds: must be a number, { uniform = [low, high] } or",
        ),
        ("[[faults]]\nfault = 'delay'\nseconds = { uniform = [2, 1] }", "faults[0].seconds: must be a number, { uniform"),
        ("[[faults]]\nfault = 'delay'\nseconds = { uniform = 'x' }", "faults[0].seconds: must be a number, { uniform"),
        ("[[faults]]\nfault = 'drip'\nsize = 1.5", "faults[0].size: must be an integer, not 1.5"),
        ("[[faults]]\nfault = 'truncate'\nsize = -1", "faults[0].size: must not be negative, but is -1"),
        ("[[faults]]\nfault = 'tool_fails'\ntext = 7", "faults[0].text: must be a text, not 7"),
        ("[[faults]]\nfault = 'status'\ncode = 418", "faults[0].code: status 418 cannot be played; write one of 404, 401, 429, 503"),
        ("[[faults]]\nfault = 'reset'\npercent = 101", "faults[0].percent: must be more than 0 and at most 100"),
        ("[[faults]]\nfault = 'reset'\npercent = true", "faults[0].percent: must be more than 0"),
        ("[[faults]]\nfault = 'reset'\nnumbers = []", "faults[0].numbers: must be a list of integers, counted from 1"),
        ("[[faults]]\nfault = 'reset'\nnumbers = [0]", "faults[0].numbers: must be a list of integers"),
        ("[[faults]]\nfault = 'reset'\nevery = 0", "faults[0].every: must be an integer of at least 1"),
        ("[[faults]]\nfault = 'reset'\nbackend = 1", "faults[0].backend: must be a text"),
        (
            "[[faults]]\nfault = 'reset'\npercent = 60\n[[faults]]\nfault = 'hang'\npercent = 60",
            "the percentages for every backend add up to 120",
        ),
        (
            "[[faults]]\nfault = 'reset'\npercent = 60\n[[faults]]\nfault = 'hang'\npercent = 60\nbackend = 'b'",
            "the percentages for backend 'b' add up to 120; at most 100 is possible",
        ),
        ("[[faults]]\nfault = 'reset'\nfirst = 5\nlast = 4", "plan.toml:4: faults[0].last: comes before first, which is 5"),
        (
            "[[faults]]\nfault = 'quake'",
            "faults[0].fault: there is no fault 'quake'; write one of ask_back, child_exit, deaf_child, delay, ",
        ),
        ("seeds = 1\n[[faults]]\nfault = 'reset'", "plan.toml:1: seeds: unknown key; did you mean 'seed'?"),
        ("seed = 1.5\n[[faults]]\nfault = 'reset'", "plan.toml:1: seed: must be an integer or a text"),
        ("seed = 1", "faults: there is none; write [[faults]]"),
        ("faults = 1", "plan.toml:1: faults: must be tables; write [[faults]]"),
        ("seed = ", "plan.toml: is no TOML: "),
    ],
)
def test_a_wrong_plan_is_refused_with_the_file_the_line_the_key_and_what_to_write(
    plan: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text(plan)
    with pytest.raises(ConfigError) as caught:
        Script.load("plan.toml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("fault = 'reset'\nbackend = 'tiem'", "plan.toml:3: faults[0].backend: there is no backend 'tiem'; did you mean 'time'?"),
        (
            "fault = 'unauthorized'\nbackend = 'time'",
            "plan.toml:2: faults[0].fault: backend 'time' is reached over stdio, where there is no such thing",
        ),
        ("fault = 'child_exit'\nbackend = 'web'", "backend 'web' is reached over http"),
    ],
)
def test_a_rule_that_can_never_hold_is_refused_where_the_backends_are_known(
    plan: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text(f"[[faults]]\n{plan}")
    with pytest.raises(ConfigError) as caught:
        load_faults("plan.toml", None, {"time": "stdio", "web": "http"})
    assert said in str(caught.value)
    assert len(Script.load("plan.toml").rules) == 1


def test_a_fault_for_every_backend_must_be_possible_with_one_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text("[[faults]]\nfault = 'unavailable'")
    with pytest.raises(
        ConfigError, match=r"plan.toml:2: faults\[0\].fault: no backend is reached over http, and elsewhere there is no such"
    ):
        load_faults("plan.toml", None, {"time": "stdio", "more": "stdio"})
    assert len(load_faults("plan.toml", None, {"time": "stdio", "web": "http"}).script.rules) == 1


def test_a_backend_that_does_not_exist_is_told_beside_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text("[[faults]]\nfault = 'reset'\nbackend = 'tiem'\npercent = 0\n[[faults]]\nfault = 'hang'\nbackend = 5")
    with pytest.raises(ConfigError) as caught:
        load_faults("plan.toml", None, {"time": "stdio"})
    assert [problem.path for problem in caught.value.problems] == ["faults[0].percent", "faults[0].backend", "faults[1].backend"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Script.from_toml("sed = 1\n[[faults]]\nfault = 'delay'\nseconds = 'x'\nevery = 0\n[[faults]]\nfault = 'x'")
    assert [problem.path for problem in caught.value.problems] == ["sed", "faults[0].every", "faults[0].seconds", "faults[1].fault"]


def test_a_plan_that_cannot_be_read_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, why in (("missing.toml", "No such file"), ("binary", "it is not UTF-8")):
        with pytest.raises(ConfigError, match=why):
            Script.load(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Reset()),
        ("  hang  ", Hang()),
        ("delay 0.5", Delay(0.5)),
        ("delay seconds=2", Delay(2.0)),
        ("status 404", SessionLost()),
        ("status 401", Unauthorized()),
        ("status 429 retry_after=3", TooManyRequests(3.0)),
        ("status 503", Unavailable()),
        ("unavailable 7", Unavailable(7.0)),
        ("rpc_error -32000 message=busy", RpcError(-32000, "busy")),
        ("tool_fails no", ToolFails("no")),
        ("truncate 12", Truncate(12)),
        ("drip 4 seconds=0.5", Drip(4, 0.5)),
        ("garble xyz", Garble(b"xyz")),
        ("child_exit 3", ChildExit(3)),
    ],
)
def test_a_fault_is_written_in_one_line(text: str, fault: Injection) -> None:
    assert fault_in(text) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no fault ''"),
        ("rest", "did you mean 'reset'?"),
        ("delay soon", "must be a number"),
        ("delay inf", "must be a number"),
        ("delay nan", "must be a number"),
        ("delay 1 2", "'2' is no setting; write key=value"),
        ("delay 1 then=reset", "fault 'delay' has no 'then'"),
        ("hang 5", "fault 'hang' has no ''"),
        ("status", "status None cannot be played"),
        ("status 200", "write one of 404, 401, 429, 503"),
        ("status 404 retry_after=1", "fault 'status' has no 'retry_after'"),
    ],
)
def test_a_line_that_says_no_fault_is_refused(text: str, said: str) -> None:
    with pytest.raises(WrongFault) as caught:
        fault_in(text)
    assert said in str(caught.value)


def test_a_fault_of_settings_takes_drawn_amounts() -> None:
    assert fault_from("delay", {"seconds": {"exponential": 0.2}}) == Delay(Exponential(0.2))


def test_the_seed_is_what_is_given_or_what_the_plan_says_or_drawn(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text("seed = 5\n[[faults]]\nfault = 'reset'")
    assert load_faults(str(plan), None).script.seed == 5
    assert load_faults(str(plan), "42").script.seed == 42
    assert load_faults(str(plan), "blue").script.seed == "blue"
    plan.write_text("[[faults]]\nfault = 'reset'")
    assert load_faults(str(plan), None).script.seed != load_faults(str(plan), None).script.seed

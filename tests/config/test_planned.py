"""Keys whose feature is not built are understood, named, and never silently dropped."""

from __future__ import annotations

import pytest

from sluicegate.config.checks.whole import problems
from sluicegate.config.load import ConfigError, parse
from sluicegate.config.planned import take

HEAD = '[proxy]\nname = "p"\n'
BACKEND = '[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'

PLANS = [
    (HEAD + BACKEND + "[observability.tracing]\nenabled = true\n", "observability.tracing", 7),
]


@pytest.mark.parametrize(("text", "path", "line"), PLANS, ids=[path for _, path, _ in PLANS])
def test_a_plan_is_named_with_its_line_and_refuses_to_run(text: str, path: str, line: int) -> None:
    loaded = parse(text, name="f")

    (plan,) = loaded.planned
    assert ("f", line, path) == (plan.file, plan.line, plan.path)
    assert "planned, not built yet" in plan.what
    assert [path] == [problem.path for problem in problems(loaded.config)]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "hot_reload = false\ntool_exposure = 'direct'\n" + BACKEND + "hide_destructive = false\nparam_overrides = []\n",
        HEAD + BACKEND + "[observability.tracing]\nendpoint = 'x'\n",
        HEAD + BACKEND + "[observability]\naudit = false\ntracing = {}\n[cache]\n",
        HEAD + BACKEND + "[cache]\nbackend = 'memory'\nprefix = 'x:'\nurl = 'x'\n",
        HEAD + BACKEND + "default_args = {}\ninject_args = [{ tool = 't', args = {}, overwrite = true }]\nforward_auth = false\n",
        HEAD + BACKEND + "[[backends.param_overrides]]\ntool = 't'\nhide = []\ndefaults = {}\nrename = {}\n",
        HEAD + "tool_discovery = false\n" + BACKEND + "read_only_only = false\nhide_destructive = false\n",
        "composite_tools = []\n" + HEAD + BACKEND + "[auth]\ntype = 'bearer'\ntokens = ['0123456789abcdef0123']\nscoped_tokens = []\n",
    ],
)
def test_a_key_that_says_off_asks_for_nothing(text: str) -> None:
    assert parse(text).planned == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            HEAD + BACKEND + "[observability.tracing]\nenabled = 'maybe'\n",
            "f:8: observability.tracing.enabled: the value has the wrong type; write true or false",
        ),
    ],
)
def test_a_mistake_in_a_plan_is_an_error_all_the_same(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, name="f")

    assert any(str(problem).startswith(error) for problem in caught.value.problems), caught.value


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        (HEAD + BACKEND + "[security]\nadmin_token = 'x'\n", "security.admin_token"),
    ],
)
def test_a_key_that_says_something_asks_for_it(text: str, plan: str) -> None:
    assert [plan] == [problem.path for problem in parse(text).planned]


@pytest.mark.parametrize(("word", "level"), [("warn", "warning"), ("WARN", "warning"), ("trace", "debug"), ("debug", "debug")])
def test_levels_of_the_log_have_other_names_elsewhere(word: str, level: str) -> None:
    assert level == parse(HEAD + BACKEND + f"[observability]\nlog_level = '{word}'\n").config.observability.log_level


def test_what_is_planned_is_told_with_a_mistake_in_it() -> None:
    """Else it is mended for nothing."""
    with pytest.raises(ConfigError) as caught:
        parse(HEAD + BACKEND + "[observability.tracing]\nenabled = 1\n", name="f")

    assert "write true or false (it is planned, not built yet)" in {problem.instead for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            HEAD + BACKEND + "[auth]\ntype = 'bearer'\nsecret = 'x'\n",
            "f:9: auth.secret: unknown key 'secret'; write one of roles, scoped_tokens, tokens, type",
        ),
        (
            HEAD + BACKEND + "[auth]\ntype = 'bearer'\nscoped_token = []\n",
            "f:9: auth.scoped_token: unknown key 'scoped_token'; did you mean 'scoped_tokens'?",
        ),
        (
            HEAD + BACKEND + "[auth]\ntype = 'none'\n",
            'f:8: auth.type: this is none of the values that are known; write "bearer" or "jwt" or "oauth" or "mtls"',
        ),
        (HEAD + BACKEND + "[observability]\nlevel_of_all = 1\n", "write one of access_log, audit, json_logs, log_level, metrics"),
    ],
)
def test_what_is_planned_is_none_to_choose(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, name="f")

    assert any(error in str(problem) for problem in caught.value.problems), caught.value


def test_variables_in_a_plan_need_not_be_set() -> None:
    assert len(parse(HEAD + BACKEND + "[security]\nadmin_token = '${NOT_YET}'\n", environ={}).planned) == 1


def test_the_tree_that_is_given_stays_as_it_is() -> None:
    tree = {"proxy": {"name": "p"}, "security": {"admin_token": "a"}, "auth": {"type": "oauth"}}

    take(tree)

    assert tree == {"proxy": {"name": "p"}, "security": {"admin_token": "a"}, "auth": {"type": "oauth"}}

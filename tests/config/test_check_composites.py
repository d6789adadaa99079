"""What is wrong with composite tools (CFG-V20)."""

from __future__ import annotations

import pytest

from sluicegate.config.checks.whole import rules
from sluicegate.config.load import ConfigError, parse
from sluicegate.config.model import BackendConfig, Config, ProxyConfig
from sluicegate.settings.composite_tools import CompositeConfig

HEAD = '[proxy]\nname = "p"\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'


def table(name: str = "both", tools: str = '["a_x", "a_y"]', more: str = "") -> str:
    return f'[[composite_tools]]\nname = "{name}"\ndescription = "d"\ntools = {tools}\n{more}\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (table(""), "composite_tools[0].name: name must not be empty"),
        (table("a b"), "composite_tools[0].name: 'a b' is a name that some clients refuse"),
        (table() + table(), "composite_tools[0].name: duplicate composite_tools name 'both'"),
        (table(tools="[]"), "composite_tools[0].tools: must reference at least one tool"),
        (table(tools='["a_x", "a_x"]'), "composite_tools[0].tools: 'a_x' is named twice"),
        (table(tools='["b_x"]'), "composite_tools[0].tools: 'b_x' is no tool of a backend"),
        (table(tools='["a_"]'), "composite_tools[0].tools: 'a_' is no tool of a backend"),
        (table("one", '["two"]') + table("two", '["one"]'), "composite_tools: they call each other without end: "),
        (table(more='strategy = "all"'), "composite_tools[0].strategy: this is none of the values that are known"),
        (table(more="arguments = { a_z = {} }"), "composite_tools[0].arguments.a_z: 'a_z' is none of its tools"),
        (table(more="arguments = { a_x = 3 }"), "composite_tools[0].arguments.a_x: the arguments of a tool are a table"),
        (
            table(more='arguments = { a_y = { b = "{{results.a_x.y}}" } }'),
            "composite_tools[0].arguments.a_y: {{results.a_x.y}} is not there yet when 'a_y' is called",
        ),
    ],
)
def test_a_mistake_is_told_of_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(HEAD + text, name="f")
    assert any(str(found).partition(": ")[2].startswith(problem) for found in caught.value.problems), caught.value


def test_a_file_in_the_terms_of_the_reference_is_taken() -> None:
    """CFG-116."""
    (composite,) = parse(HEAD + table(more='strategy = "parallel"')).config.composite_tools
    assert composite == CompositeConfig("both", "d", ("a_x", "a_y"))


def test_tools_are_named_as_clients_see_them_where_a_namespace_is_not_portable() -> None:
    text = HEAD.replace('name = "a"', 'name = "my.srv"') + table(tools='["my_srv_x_9fd3815c"]')
    (composite,) = parse(text).config.composite_tools
    assert composite.tools == ("my_srv_x_9fd3815c",)


def test_what_stands_before_a_tool_in_a_sequence_may_be_used() -> None:
    more = 'strategy = "sequential"\narguments = { a_y = { b = "{{results.a_x.y}}", c = [{ d = "{{arguments.e}}" }] } }'
    (composite,) = parse(HEAD + table(more=more)).config.composite_tools
    assert composite.arguments == {"a_y": {"b": "{{results.a_x.y}}", "c": [{"d": "{{arguments.e}}"}]}}


def test_a_time_that_is_none_is_an_error() -> None:
    backend = BackendConfig("a", "stdio", "x")
    config = Config(ProxyConfig(name="p"), (backend,), composite_tools=(CompositeConfig("both", "d", ("a_x",), seconds=0),))
    assert [problem.path for problem in rules(config)] == ["composite_tools[0].seconds"]

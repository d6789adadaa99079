"""What is wrong with the settings of the search for tools (CFG-31, CFG-32)."""

from __future__ import annotations

import pytest

from sluicegate.config.checks.whole import warnings
from sluicegate.config.load import ConfigError, parse

SEARCH = 'tool_exposure = "search"\n'


def text(proxy: str, backend: str = "a", more: str = "") -> str:
    return f'[proxy]\nname = "p"\n{proxy}[[backends]]\nname = "{backend}"\ntransport = "stdio"\ncommand = "x"\n{more}'


COMPOSITE = '[[composite_tools]]\nname = "proxy_search_tools"\ndescription = "d"\ntools = ["a_x"]\n'


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (text(SEARCH + 'pinned_tools = ["["]\n'), "proxy.pinned_tools[0]: invalid glob in filter pattern"),
        (text(SEARCH, "proxy_x"), "backends[0].name: names of 'proxy_x_…' begin as those of the tools which find others"),
        (text(SEARCH, more=COMPOSITE), "composite_tools[0].name: names that begin with 'proxy_' are those of the tools which find others"),
        (text('tool_exposure = "hidden"\n'), "proxy.tool_exposure: this is none of the values that are known"),
    ],
)
def test_a_mistake_is_told_of_with_its_place(file: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(file, name="f")
    assert any(str(found).partition(": ")[2].startswith(problem) for found in caught.value.problems), caught.value


def test_the_same_names_are_nobodys_where_nothing_is_searched() -> None:
    assert warnings(parse(text("", "proxy_x", COMPOSITE.replace("a_x", "proxy_x_y"))).config) == []


def test_pinned_tools_without_a_search_are_warned_of() -> None:
    (warning,) = warnings(parse(text('tool_discovery = true\npinned_tools = ["a_*"]\n')).config)
    assert (warning.path, warning.what) == ("proxy.pinned_tools", "pinned_tools has no effect: all tools stand in the list")


def test_a_file_in_the_terms_of_the_reference_is_taken() -> None:
    proxy = parse(text('tool_discovery = true\ntool_exposure = "search"\npinned_tools = ["a_*"]\n')).config.proxy
    assert (proxy.tool_discovery, proxy.tool_exposure, proxy.pinned_tools, proxy.searches_tools) == (True, "search", ("a_*",), True)

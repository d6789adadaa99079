"""Whether the search for tools makes sense (CFG-31, CFG-32)."""

from __future__ import annotations

from collections.abc import Iterator

from ...protocol.names import Names, ambiguous
from ...settings.search import SEARCH_NAMESPACE
from ..model import Config
from ..problem import Problem
from .patterned import pattern_rules

__all__ = ["search_rules", "search_warnings"]


def search_rules(config: Config) -> Iterator[Problem]:
    """What is wrong with it: what begins as the names of its tools do. (The namespace itself is nobody's in any case)."""
    proxy = config.proxy
    for index, pattern in enumerate(proxy.pinned_tools):
        yield from pattern_rules(f"proxy.pinned_tools[{index}]", pattern)
    if not proxy.searches_tools:
        return
    for index, backend in enumerate(config.backends):
        space = backend.effective_namespace
        if proxy.separator and ambiguous((space, SEARCH_NAMESPACE), proxy.separator):
            key = "name" if backend.namespace is None else "namespace"
            what = f"names of '{space}{proxy.separator}…' begin as those of the tools which find others"
            yield Problem(None, None, f"backends[{index}].{key}", what, "give the backend another namespace, or leave tool_discovery out")
    prefix = Names(SEARCH_NAMESPACE, proxy.separator).prefix
    for index, composite in enumerate(config.composite_tools):
        if composite.name.startswith(prefix):
            what = f"names that begin with '{prefix}' are those of the tools which find others"
            yield Problem(None, None, f"composite_tools[{index}].name", what, "choose another name")


def search_warnings(config: Config) -> Iterator[Problem]:
    """What has no effect."""
    if config.proxy.pinned_tools and config.proxy.tool_exposure != "search":
        instead = 'add tool_exposure = "search", or leave it out'
        yield Problem(None, None, "proxy.pinned_tools", "pinned_tools has no effect: all tools stand in the list", instead)

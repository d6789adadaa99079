"""From the settings of the search for tools to its parts. Without it none of them is loaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from ..config.model import Config, ProxyConfig
from ..outside.blocking import RunBlocking
from ..protocol.calls import Call, Handler
from ..protocol.names import Names
from ..routing.directory import Directory
from ..routing.patterns import Pattern, PatternList
from ..routing.search.findable import Exposure
from ..routing.search.own_tools import SearchNames
from ..settings.search import SEARCH_NAMESPACE

if TYPE_CHECKING:
    from ..routing.search.indexing import Indexer

__all__ = ["Searching", "exposure_of", "searching"]


@attrs.frozen(eq=False, repr=False)
class Searching:
    """The search of one gateway."""

    names: SearchNames
    directory: Directory
    indexer: Indexer
    settled: Callable[[], Awaitable[None]]
    acquaint: Callable[[Call], Awaitable[None]]

    def answering(self, inner: Handler) -> Handler:
        """What answers searches."""
        from ..routing.search.search_tools import SearchTools

        return SearchTools(inner, self.names, self.directory, self.indexer, self.settled, self.acquaint)

    def leading_on(self, inner: Handler) -> Handler:
        """What makes a call of a tool that was found out of one that names it."""
        from ..routing.search.search_tools import CalledByName

        return CalledByName(inner, self.names.call, self.directory)


def searching(
    proxy: ProxyConfig,
    directory: Directory,
    run_blocking: RunBlocking,
    settled: Callable[[], Awaitable[None]],
    acquaint: Callable[[Call], Awaitable[None]],
) -> Searching | None:
    """What a configuration wants; None if there is no search."""
    if not proxy.searches_tools:
        return None
    from ..routing.search.indexing import Indexer

    return Searching(_names(proxy), directory, Indexer(directory, run_blocking), settled, acquaint)


def exposure_of(config: Config) -> Exposure | None:
    """What stands in the list of tools; None if all do, and none can be searched for."""
    proxy = config.proxy
    return _exposure(_names(proxy), proxy.pinned_tools) if proxy.searches_tools else None


def _names(proxy: ProxyConfig) -> SearchNames:
    return SearchNames(Names(SEARCH_NAMESPACE, proxy.separator).prefix, has_call=proxy.tool_exposure == "search")


@lru_cache(4)  # each new catalogue asks
def _exposure(names: SearchNames, pinned: tuple[str, ...]) -> Exposure:
    if not names.has_call:
        return Exposure(names.listed())
    fits = PatternList.of(list(map(Pattern.parse, pinned))).fits if pinned else lambda _name: False
    return Exposure(names.listed(), fits)

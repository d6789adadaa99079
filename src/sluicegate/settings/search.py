"""Tools by which other tools are found: what can be set of them."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["SEARCH_NAMESPACE", "SearchSettings"]

SEARCH_NAMESPACE = "proxy"
"""What stands before their names, as a backend's namespace stands before those of its tools."""


@attrs.frozen(kw_only=True, repr=False)
class SearchSettings:
    """Keys of the ``[proxy]`` table."""

    tool_discovery: bool = False
    """Adds tools that find other tools by their words: proxy_search_tools, proxy_similar_tools, proxy_tool_categories, proxy_get_tool."""
    tool_exposure: Literal["direct", "search"] = "direct"
    """What stands in the list of tools: "direct", all; "search", only those that find others, and proxy_call_tool, which calls them."""
    pinned_tools: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["files_read"]})
    """Patterns over names as clients see them: these stand in the list beside those that find others."""

    @property
    def searches_tools(self) -> bool:
        """Whether tools can be searched for."""
        return self.tool_discovery or self.tool_exposure == "search"

"""The tools by which tools are found, as clients see them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...protocol.messages import encode

__all__ = ["LONGEST_ANSWER", "SearchNames"]

LONGEST_ANSWER = 50
"""Tools that one answer has at most."""

_READS = {"readOnlyHint": True, "openWorldHint": False}
_TEXT, _WHOLE, _TEXTS = {"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "string"}}
_FOUND = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "server": _TEXT,
        "name": _TEXT,
        "category": _TEXT,
        "title": _TEXT,
        "description": _TEXT,
        "tags": _TEXTS,
        "parameters": {"type": "array", "items": {"type": "object"}},
        "more_parameters": _WHOLE,
        "score": {"type": "number"},
    },
    "required": ["id", "server", "name", "description", "score"],
}
_FOUND_TOOLS = {"type": "object", "properties": {"tools": {"type": "array", "items": _FOUND}}, "required": ["tools"]}
_CATEGORY = {
    "type": "object",
    "properties": {"name": _TEXT, "kind": {"enum": ["server", "annotation"]}, "tool_count": _WHOLE, "servers": _TEXTS},
    "required": ["name", "kind", "tool_count", "servers"],
}
_CATEGORIES = {
    "type": "object",
    "properties": {"categories": {"type": "array", "items": _CATEGORY}, "total_categories": _WHOLE},
    "required": ["categories", "total_categories"],
}
_WHOLE_TOOL = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "description": _TEXT,
        "input_schema": {"type": "object"},
        "output_schema": {"type": "object"},
        "annotations": {"type": "object"},
    },
    "required": ["name", "description", "input_schema"],
}


def _number(usual: int) -> dict[str, object]:
    return {"type": "integer", "minimum": 1, "maximum": LONGEST_ANSWER, "default": usual, "description": "How many tools to return."}


@attrs.frozen(repr=False)
class SearchNames:
    """What they are called: by a prefix, as the tools of a backend are."""

    prefix: str
    has_call: bool
    """Whether there is one that calls a tool which is in no list."""

    @property
    def search(self) -> str:
        """By words."""
        return f"{self.prefix}search_tools"

    @property
    def similar(self) -> str:
        """By what it has in common with another."""
        return f"{self.prefix}similar_tools"

    @property
    def categories(self) -> str:
        """How many there are of what."""
        return f"{self.prefix}tool_categories"

    @property
    def get(self) -> str:
        """All that is said of one."""
        return f"{self.prefix}get_tool"

    @property
    def call(self) -> str:
        """Calls one."""
        return f"{self.prefix}call_tool"

    def listed(self) -> Mapping[str, bytes]:
        """Each as an entry of the list of tools."""
        tool_id = {"type": "string", "description": "The id or the name of a tool, as a search has given it."}
        query = {"type": "string", "description": "What the tool is to do, in words."}
        then = f"Call it with {self.call}." if self.has_call else "Call it by its name."
        words = f"Find tools by what they do. {then} {self.get} tells all of a tool's parameters."
        entries = [
            _entry(self.search, words, {"query": query, "top_k": _number(10)}, "query", _FOUND_TOOLS),
            _entry(self.similar, "Find tools that are like another.", {"tool_id": tool_id, "top_k": _number(5)}, "tool_id", _FOUND_TOOLS),
            _entry(self.categories, "Tell how many tools there are, by server and by what they do.", {}, "", _CATEGORIES),
            _entry(self.get, "Tell all about a tool, its whole input schema included.", {"tool_id": tool_id}, "tool_id", _WHOLE_TOOL),
        ]
        if self.has_call:
            called = {"name": {"type": "string", "description": "The name of a tool, as a search has given it."}}
            called["arguments"] = {"type": "object", "description": "What the tool is called with, by its own input schema."}
            entries.append(_entry(self.call, f"Call a tool that {self.search} has found.", called, "name", None))
        return dict(entries)


def _entry(
    name: str, words: str, properties: Mapping[str, object], required: str, answer: Mapping[str, object] | None
) -> tuple[str, bytes]:
    schema = {"type": "object", "properties": properties} | ({"required": [required]} if required else {})
    told = {} if answer is None else {"outputSchema": answer, "annotations": _READS}
    return name, encode({"name": name, "description": words, "inputSchema": schema} | told)

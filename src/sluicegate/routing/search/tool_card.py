"""What is told of a tool that was found: enough to choose by, within bounds."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from ...protocol.messages import Raw
from ...protocol.values import read_object

__all__ = ["TAGS", "ToolCard", "card_of"]

TAGS = {"readOnlyHint": "read-only", "destructiveHint": "destructive", "idempotentHint": "idempotent", "openWorldHint": "open-world"}
"""What is said of a tool whose annotation says yes (DISC-2)."""
_LONGEST_DESCRIPTION = 600
_MOST_PARAMETERS = 24
_LONGEST_WORDS = 160
"""Characters of what is said of a parameter."""


@attrs.frozen
class ToolCard:
    """A tool as its entry of the list describes it."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    properties: Mapping[str, object] = attrs.field(factory=dict)
    required: frozenset[str] = frozenset()

    def told(self) -> dict[str, object]:
        """It as an answer shows it."""
        shown: dict[str, object] = {"title": self.title} if self.title else {}
        shown |= {"description": _short(self.description, _LONGEST_DESCRIPTION), "tags": list(self.tags)}
        shown["parameters"] = [self._parameter(name, schema) for name, schema in list(self.properties.items())[:_MOST_PARAMETERS]]
        left = len(self.properties) - _MOST_PARAMETERS
        return shown | {"more_parameters": left} if left > 0 else shown

    def _parameter(self, name: str, schema: object) -> dict[str, object]:
        said = schema if isinstance(schema, dict) else {}
        kind, words = said.get("type"), _text(said.get("description"))
        one: dict[str, object] = {"name": _short(name, _LONGEST_WORDS), "required": name in self.required}
        if isinstance(kind, str) or (isinstance(kind, list) and all(isinstance(each, str) for each in kind)):
            one["type"] = _short(kind if isinstance(kind, str) else " | ".join(kind), _LONGEST_WORDS)
        return one | {"description": _short(words, _LONGEST_WORDS)} if words else one


def card_of(entry: bytes) -> ToolCard:
    """Of an entry of the list of tools. A backend may have written anything; what cannot be read is left out."""
    try:
        tool = read_object(Raw(entry))
    except (TypeError, ValueError, msgspec.DecodeError, RecursionError):
        return ToolCard()
    hints, schema = tool.get("annotations"), tool.get("inputSchema")
    hints, schema = hints if isinstance(hints, dict) else {}, schema if isinstance(schema, dict) else {}
    properties, required = schema.get("properties"), schema.get("required")
    return ToolCard(
        _text(tool.get("title")) or _text(hints.get("title")),
        _text(tool.get("description")),
        tuple(tag for hint, tag in TAGS.items() if hints.get(hint) is True),
        properties if isinstance(properties, dict) else {},
        frozenset(name for name in required if isinstance(name, str)) if isinstance(required, list) else frozenset(),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"

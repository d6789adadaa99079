"""The tools that can be found, as a catalogue has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import msgspec

__all__ = ["NOTHING_FINDABLE", "Exposure", "Findable", "FindableTools"]


class Findable(msgspec.Struct, frozen=True, gc=False):
    """A tool that can be found."""

    name: str
    """As clients name it."""
    server: str
    """The namespace of its backend, or the backend's name if it has none; empty for a tool of the gateway's own."""
    local: str
    """What stands behind the prefix."""
    entry: bytes
    """It as an entry of the list of tools."""

    @property
    def id(self) -> str:
        """What it is called in answers of a search (DISC-3)."""
        return f"{self.server}:{self.local}"


@attrs.frozen(eq=False, repr=False)
class FindableTools:
    """All of one catalogue."""

    tools: dict[str, Findable] = attrs.field(factory=dict)
    """By name, in the order of the list."""
    prefixes: Mapping[str, str] = attrs.field(factory=dict)
    """By server."""

    def put(self, name: str, server: str, entry: bytes) -> None:
        """Add one, while the catalogue is in the making."""
        self.tools[name] = Findable(name, server, name.removeprefix(self.prefixes.get(server, "")), entry)

    def of(self, is_wanted: Callable[[str], bool]) -> FindableTools:
        """Those of them whose names are wanted."""
        return FindableTools({name: tool for name, tool in self.tools.items() if is_wanted(name)}, self.prefixes)

    def find(self, text: str) -> Findable | None:
        """The one with this name or id."""
        tool = self.tools.get(text)
        if tool is None and ":" in text:
            server, _, local = text.partition(":")
            candidates = (self.tools.get(self.prefixes.get(server, "") + local), self.tools.get(local))
            tool = next((one for one in candidates if one is not None and one.id == text), None)
        return tool


NOTHING_FINDABLE = FindableTools()


@attrs.frozen(repr=False)
class Exposure:
    """What of all tools stands in the list, where tools can be searched for."""

    own: Mapping[str, bytes]
    """The tools by which others are found, by name, each as an entry of the list."""
    is_listed: Callable[[str], bool] | None = None
    """Whether one of the others is in the list, by its client-facing name; None if all are."""

"""The answer to a call, on its way back."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from .fault import Fault
from .hints import Hints, read_hints
from .messages import EMPTY, Raw, encode
from .tool_results import ToolResult, read_tool_result
from .values import read_object

__all__ = ["TOOL_ERROR", "Reply"]

TOOL_ERROR = "tool_error"
"""The outcome of a tool that has answered that it failed."""


class _Text(msgspec.Struct):
    text: str = ""


class _Content(msgspec.Struct):
    content: list[_Text] = []


class Reply(msgspec.Struct, frozen=True, eq=False):
    """The one answer of a call: a raw result, or a fault."""

    result: Raw = EMPTY
    fault: Fault | None = None
    _tool_result: ToolResult | None = None
    said: Hints | None = None
    """What the backend said about keeping it, where that was taken off."""

    @property
    def tool_result(self) -> ToolResult:
        """What a tool's result says about itself; looked at once, by whoever asks first."""
        found = self._tool_result
        if found is None:
            found = read_tool_result(self.result)
            msgspec.structs.force_setattr(self, "_tool_result", found)
        return found

    @property
    def hints(self) -> Hints:
        """What a backend says about keeping its result."""
        return self.said or read_hints(self.result)

    def outcome(self, method: str) -> str:
        """In one word: ``ok``, ``tool_error``, or the reason of the fault; ``error`` is a backend's own."""
        if self.fault is not None:
            return self.fault.reason or "error"
        return TOOL_ERROR if method == "tools/call" and self.tool_result.is_error else "ok"

    @classmethod
    def failed(cls, fault: Fault) -> Reply:
        """An answer that says why there is no result."""
        return cls(fault=fault)

    @classmethod
    def of(cls, result: Mapping[str, object]) -> Reply:
        """A result of these members."""
        return cls(Raw(encode(result)))

    @classmethod
    def saying(cls, text: str, *, is_error: bool = False) -> Reply:
        """A tool's result of one text: for handlers and policies of one's own, and for tests."""
        result: dict[str, object] = {"content": [{"type": "text", "text": text}]}
        return cls(Raw(encode(result | {"isError": True} if is_error else result)))

    @property
    def text(self) -> str:
        """The text parts of a tool's result, joined; for people and tests."""
        return "".join(part.text for part in msgspec.json.decode(self.result, type=_Content).content)

    @property
    def value(self) -> dict[str, object]:
        """The decoded result; for people and tests, never on the way of a call."""
        return read_object(self.result)

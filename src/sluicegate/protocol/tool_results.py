"""What a tool's result says about itself, read without making values of what it holds."""

from __future__ import annotations

import re

import msgspec

from .members import MOST_ENTRIES, SMALL, Bound, Raw, TooMany

__all__ = ["ToolResult", "read_tool_result"]


class ToolResult(msgspec.Struct, frozen=True):
    """What matters of it on its way."""

    is_error: bool = False
    """The tool says that it failed. A text that speaks of ``"isError"`` says nothing."""
    may_hold_uris: bool = False
    """One of its blocks is a resource or a link to one, its ``_meta`` may name a view, or nobody can tell."""


NO_META = Raw(b"")


class _Block(msgspec.Struct):
    type: str = ""


class _Result(msgspec.Struct, rename={"meta": "_meta"}):
    isError: bool | None = None  # noqa: N815  as the protocol writes it
    content: list[_Block] = []
    meta: Raw = NO_META


class _CountedBlock(msgspec.Struct):
    type: str = ""

    def __post_init__(self) -> None:
        _bound.take()


class _LargeResult(msgspec.Struct, rename={"meta": "_meta"}):
    isError: bool | None = None  # noqa: N815
    content: list[_CountedBlock] = []
    meta: Raw = NO_META


class _Flag(msgspec.Struct):
    isError: bool | None = None  # noqa: N815


_bound = Bound()
_result = msgspec.json.Decoder(_Result)
_large = msgspec.json.Decoder(_LargeResult)
_flag = msgspec.json.Decoder(_Flag)
_HOLDERS = ("resource", "resource_link")
"""Types of content blocks that hold a URI."""
_VIEW = re.compile(rb"resourceUri|outputTemplate")
"""With what members end that name a view."""
_PLAIN, _PLAIN_ERROR = ToolResult(), ToolResult(is_error=True)


def read_tool_result(result: Raw) -> ToolResult:
    """Never raises: what has another shape than expected may hold URIs, and is an error only if it plainly says so."""
    try:
        if memoryview(result).nbytes <= SMALL:
            found: _Result | _LargeResult = _result.decode(result)
        else:
            _bound.left = MOST_ENTRIES
            found = _large.decode(result)
    except TooMany:
        return ToolResult(_says_error(result))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ToolResult(_says_error(result), may_hold_uris=True)
    for block in found.content:
        if block.type in _HOLDERS:
            return ToolResult(bool(found.isError), may_hold_uris=True)
    if found.meta is not NO_META and _VIEW.search(found.meta) is not None:
        return ToolResult(bool(found.isError), may_hold_uris=True)
    return _PLAIN_ERROR if found.isError else _PLAIN


def _says_error(result: Raw) -> bool:
    try:
        return bool(_flag.decode(result).isError)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False

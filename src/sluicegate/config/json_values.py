"""Tables of a file that become JSON: what a tool is given."""

from __future__ import annotations

from typing import Any

from .misfits import Wrong

__all__ = ["json_table"]

_LARGEST = 2**53
"""Beyond it not every integer is one of JavaScript's."""


def json_table(value: Any) -> dict[str, object]:
    """The values as they stand: nobody knows which kind a tool wants, so a text that was put in stays one."""
    if not isinstance(value, dict):
        raise Wrong("no table stands where a table of arguments is expected", "write a table, such as { limit = 10 }")
    return {str(name): _json(inner) for name, inner in value.items()}


def _json(value: Any) -> object:
    if isinstance(value, dict):
        return json_table(value)
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    if isinstance(value, str):
        return str(value)
    if value is not None and not isinstance(value, bool | int | float):
        raise Wrong("a date, a time or binary data stands where a value of JSON is expected", "write it as a text in quotes")
    if isinstance(value, int | float) and not abs(value) <= _LARGEST:  # not-a-number is not smaller either
        raise Wrong("the number is too large for many programs", "write it as a text in quotes")
    return value

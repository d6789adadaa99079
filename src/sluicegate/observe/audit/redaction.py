"""What is left out of arguments before they are written down: places that JSON Paths (RFC 9535) name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import jsonpath

__all__ = ["redacting"]

HIDDEN = "***"


def redacting(paths: Iterable[str]) -> Callable[[bytes], bytes]:
    """What takes these places out of a JSON document; what is below a place goes with it. All of it goes where it cannot be read.

    Raises:
        jsonpath.JSONPathError: one of them is no path.
    """
    queries = [jsonpath.compile(path) for path in paths]

    def redact(document: bytes) -> bytes:
        try:
            holder: dict[str, Any] = {"all": json.loads(document)}
        except (ValueError, RecursionError):
            return b'"%b"' % HIDDEN.encode()
        for query in queries:
            for parts in [match.parts for match in query.finditer(holder["all"])]:
                _hide(holder, ("all", *parts))
        return json.dumps(holder["all"], ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")

    return redact


def _hide(place: Any, steps: tuple[str | int, ...]) -> None:
    for step in steps[:-1]:
        place = place[step]
        if not isinstance(place, dict | list):  # it is hidden already, with all that was below
            return
    place[steps[-1]] = HIDDEN

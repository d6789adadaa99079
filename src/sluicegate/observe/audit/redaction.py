"""What is left out of arguments before they are written down: places that JSON Paths (RFC 9535) name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import jsonpath

__all__ = ["redacting"]

HIDDEN = "***"
MOST_SEARCHED = 1_000
"""Objects and lists in which places are looked for that take more than names: some 3 us each, and the event loop waits."""
_NAMES = re.compile(r"\$(?:\.\.?[A-Za-z_][A-Za-z0-9_]*)+")
_STEP = re.compile(r"(\.\.?)(\w+)", re.ASCII)
_Hide = Callable[[dict[str, Any]], None]


def redacting(paths: Iterable[str]) -> Callable[[bytes], bytes]:
    """What takes these places out of a JSON document; what is below a place goes with it.

    All of it goes where it cannot be read or looked through: whoever wrote it must neither show what is to be hidden nor be left out himself.

    Raises:
        jsonpath.JSONPathError: one of them is no path.
    """
    hide = [_hiding(path) for path in paths]

    def redact(document: bytes) -> bytes:
        try:
            holder: dict[str, Any] = {"all": json.loads(document, parse_float=_number)}
            for one in hide:
                one(holder)
            return json.dumps(holder["all"], ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="backslashreplace")
        except Exception:  # noqa: BLE001  as above, whatever it was
            return b'"%b"' % HIDDEN.encode()

    return redact


def _hiding(path: str) -> _Hide:
    query = jsonpath.compile(path)
    if _NAMES.fullmatch(path):
        return partial(_hide_names, [(dots == "..", name) for dots, name in _STEP.findall(path)])
    return partial(_hide_found, query)


def _number(text: str) -> float | str:
    """One that is out of all bounds is shown as it was written, since JSON has nothing else for it."""
    number = float(text)
    return number if math.isfinite(number) else text


def _hide_names(steps: list[tuple[bool, str]], holder: dict[str, Any]) -> None:
    """What nearly all paths are, in one walk for each step however deep it goes."""
    places = [holder["all"]]
    for is_deep, name in steps[:-1]:
        places = [place[name] for place in _within(places, is_deep=is_deep) if name in place]
    is_deep, name = steps[-1]
    for place in list(_within(places, is_deep=is_deep)):
        if name in place:
            place[name] = HIDDEN


def _within(places: list[Any], *, is_deep: bool) -> Iterator[dict[str, Any]]:
    """The objects among these, or as well all that are below."""
    seen: set[int] = set()
    while places:
        place = places.pop()
        if not isinstance(place, dict | list) or id(place) in seen:
            continue
        seen.add(id(place))
        if isinstance(place, dict):
            yield place
        if is_deep:
            places.extend(place.values() if isinstance(place, dict) else place)


def _hide_found(query: jsonpath.JSONPath | jsonpath.CompoundJSONPath, holder: dict[str, Any]) -> None:
    if _extent(holder["all"]) > MOST_SEARCHED:
        raise ValueError("it would take too long to look through it")
    for parts in [match.parts for match in query.finditer(holder["all"])]:
        _hide(holder, ("all", *parts))


def _extent(document: Any) -> int:
    found, places = 0, [document]
    while places:
        place = places.pop()
        if isinstance(place, dict | list):
            found += 1
            places.extend(place.values() if isinstance(place, dict) else place)
    return found


def _hide(place: Any, steps: tuple[str | int, ...]) -> None:
    for step in steps[:-1]:
        place = place[step]
        if not isinstance(place, dict | list):  # it is hidden already, with all that was below
            return
    place[steps[-1]] = HIDDEN

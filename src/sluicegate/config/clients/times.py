"""Time limits in a client's file, as those of the backend."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..model import BackendConfig
from .formats import Time
from .imported import Imported
from .said import Given

__all__ = ["times_of"]

_USUAL_START = BackendConfig(name="", transport="stdio").connect_timeout_seconds
_SURELY_MS = 1000
"""Where nobody knows the unit, as much as that is milliseconds: a quarter of an hour is rarer than a second."""


def times_of(times: Iterable[tuple[Time, Given]], imported: Imported) -> dict[str, Any]:
    """``connect_timeout_seconds`` and ``timeout``, as far as the file has them.

    A limit to everything moves that of the start only to later: a server may need its time before the first call, whatever a call may take.
    """
    start: float | None = None
    calls: float | None = None
    for time, given in times:
        seconds = _seconds(time, given, imported)
        if seconds is None:
            continue
        if time.limits == "start":
            start = seconds
        elif time.limits == "calls":
            calls = seconds
        else:
            start, calls = max(seconds, _USUAL_START) if start is None else start, seconds if calls is None else calls
    return ({} if start is None else {"connect_timeout_seconds": start}) | ({} if calls is None else {"timeout": {"seconds": calls}})


def _seconds(time: Time, given: Given, imported: Imported) -> float | None:
    value = given.value
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        imported.warn(given.path, "this is no time, and is left out", "write a positive number")
        return None
    unit = time.unit
    if unit is None:
        unit, word = (0.001, "milliseconds") if value >= _SURELY_MS else (1, "seconds")
        what = f"clients count this in different units, and whose file it is cannot be seen; {value} is taken as {word}"
        imported.warn(given.path, what, "give the file the name that its client gives it")
    return round(value * unit, 3)

"""Injections by name, as a plan and the header ``X-Sluicegate-Fault`` spell them, made of plain settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import attrs

from ...config.nearest import instead_of_unknown, nearest
from . import kinds as faults
from .draws import Exponential, Uniform
from .kinds import Injection, SessionLost, TooManyRequests, Unauthorized, Unavailable

__all__ = ["FAULTS", "WrongFault", "fault_from", "fault_in", "name_of"]


class WrongFault(Exception):
    """An injection cannot be made of what is written; ``wrong`` has every key that is, with what is wrong and what to write instead."""

    def __init__(self, *wrong: tuple[str, str, str]) -> None:
        super().__init__("; ".join(f"{what}; {instead}" if instead else what for _, what, instead in wrong))
        self.wrong = wrong


def _spelled(kind: type) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


FAULTS: Mapping[str, type] = {_spelled(kind): kind for kind in map(vars(faults).__getitem__, faults.__all__) if hasattr(kind, "over")}
"""Every injection by its name: ``drop_answer``, ``child_exit``, …"""
STATUSES: Mapping[int, type] = {kind.status: kind for kind in (SessionLost, Unauthorized, TooManyRequests, Unavailable)}
"""What ``status`` means, with a number: another word for four of them."""


def name_of(fault: Injection) -> str:
    """How it is spelled in a plan."""
    return _spelled(type(fault))


def fault_from(name: str, settings: Mapping[str, object]) -> Injection:
    """An injection of its name and its settings; raises `WrongFault`."""
    kind = FAULTS.get(name)
    if name == "status":
        settings = dict(settings)
        kind = _by_status(settings.pop("code", None))
    if kind is None:
        near = nearest(name, [*FAULTS, "status"])
        instead = f"did you mean '{near}'?" if near is not None else f"write one of {', '.join(FAULTS)}"
        raise WrongFault(("fault", f"there is no fault '{name}'", instead))
    fields = {field.name: str(field.type) for field in attrs.fields(kind) if field.name != "then"}
    wrong = list(_unknown(settings, fields, name))
    taken: dict[str, object] = {}
    for key, value in settings.items():
        if key in fields:
            try:
                taken[key] = _READERS[fields[key]](value)
            except ValueError as error:
                wrong.append((key, str(error), ""))
    if wrong:
        raise WrongFault(*wrong)
    made: Injection = kind(**taken)
    return made


def _by_status(code: object) -> type:
    kind = STATUSES.get(code) if isinstance(code, int) else None
    if kind is None:
        raise WrongFault(("code", f"status {code} cannot be played", f"write one of {', '.join(map(str, STATUSES))}"))
    return kind


def _unknown(settings: Mapping[str, object], known: Mapping[str, str], name: str) -> Iterator[tuple[str, str, str]]:
    for key in settings:
        if key not in known:
            yield key, f"fault '{name}' has no '{key}'", instead_of_unknown(key, known) if known else "take it out"


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    raise ValueError(f"must be a number of at least 0, not {value!r}")


def _amount(value: object) -> object:
    if not isinstance(value, Mapping):
        return _seconds(value)
    match dict(value):
        case {"uniform": [low, high], **rest} if not rest and _seconds(low) <= _seconds(high):
            return Uniform(_seconds(low), _seconds(high))
        case {"exponential": mean, **rest} if not rest:
            return Exponential(_seconds(mean))
    raise ValueError("must be a number, { uniform = [low, high] } or { exponential = mean }")


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be an integer, not {value!r}")


def _size(value: object) -> int:
    if (size := _integer(value)) < 0:
        raise ValueError(f"must not be negative, but is {size}")
    return size


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"must be a text, not {value!r}")


_READERS: Mapping[str, Callable[[object], object]] = {
    "Amount": _amount,
    "float": _seconds,
    "float | None": _seconds,
    "int": _integer,
    "int | None": _size,
    "str": _text,
    "bytes": lambda value: _text(value).encode(),
    "object": lambda value: value,
}
"""By the type of a field."""


def fault_in(text: str) -> Injection:
    """An injection in one line: its name, then settings as ``key=value``; the first key may be left out (``delay 0.5``). Raises `WrongFault`."""
    name, *words = text.split()[:20] or [""]
    kind = FAULTS.get(name)
    first = "code" if name == "status" or kind is None else next((field.name for field in attrs.fields(kind)), "")
    texts = {field.name for field in attrs.fields(kind) if field.type in ("str", "bytes")} if kind is not None else set()
    settings: dict[str, object] = {}
    for place, word in enumerate(words):
        key, separator, value = word.partition("=")
        if not separator and place > 0:
            raise WrongFault(("", f"'{word}' is no setting", "write key=value"))
        key, value = (key, value) if separator else (first, word)
        settings[key] = value if key in texts else _value(value)
    return fault_from(name, settings)


def _value(word: str) -> object:
    for read in (int, float):
        try:
            return read(word)
        except ValueError:
            continue
    return word

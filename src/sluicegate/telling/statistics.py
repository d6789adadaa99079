"""What a part of the gateway counts and measures, at one moment: said once, beside the field, and read alike by whoever shows it.

A part has a method ``statistics()``, which gives a frozen value; each of its fields is read off the attribute of that name. A new field is at
once in the page of metrics, if it says how it is called there, in what ``sluicegate show`` prints, and in the library.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol, TypeVar

import attrs
import msgspec

__all__ = ["Counting", "Kind", "Shown", "counter", "gauge", "plain", "shown", "snapshot", "state"]

_KEY = "sluicegate.metric"
_ABSENT = object()
Kind = Literal["state", "gauge", "counter"]
Value = attrs.AttrsInstance
S = TypeVar("S", bound=Value)


class Counting(Protocol):
    """A part that counts."""

    def statistics(self) -> Value:
        """What it has counted until now."""
        ...


class Shown(msgspec.Struct, frozen=True):
    """How a field is shown among the metrics."""

    name: str
    """Without ``mcp_proxy_`` in front, and for a counter without ``_total`` behind."""
    help: str
    kind: Kind
    labels: tuple[str, ...] = ()
    """For a field that is an enumeration or a mapping: what tells its members apart; of several, the keys are tuples."""


def gauge(name: str, help: str) -> Mapping[str, Shown]:
    """The metadata of a field that may fall again; one that is None is not shown."""
    return {_KEY: Shown(name, help, "gauge")}


def counter(name: str, help: str, *labels: str) -> Mapping[str, Shown]:
    """The metadata of a field that only grows: a number, or a mapping from values of that label, or of these."""
    return {_KEY: Shown(name, help, "counter", labels)}


def state(name: str, help: str, label: str = "state") -> Mapping[str, Shown]:
    """The metadata of a field that is an enumeration: 1 for the member that it is, 0 for the others."""
    return {_KEY: Shown(name, help, "state", (label,))}


def shown(kind: type[Value]) -> Iterator[tuple[str, Shown]]:
    """The fields of such a value that are among the metrics."""
    for field in attrs.fields(kind):
        if _KEY in field.metadata:
            yield field.name, field.metadata[_KEY]


def snapshot(kind: type[S], *parts: object) -> S:
    """Every field, read off the attribute of that name of the first of these parts that has one; of mappings a copy."""
    return kind(**{field.name: _read(field.name, parts) for field in attrs.fields(kind)})


def _read(name: str, parts: tuple[object, ...]) -> object:
    for part in parts:
        value = getattr(part, name, _ABSENT)
        if value is not _ABSENT:
            return dict(value) if isinstance(value, dict) else value
    raise AttributeError(f"no part of {parts!r} counts {name}")


def plain(statistics: Value) -> dict[str, object]:
    """The same for programs: numbers, texts and what is made of these."""
    return attrs.asdict(statistics, value_serializer=lambda _kind, _field, value: value.value if isinstance(value, enum.Enum) else value)

"""What ``/metrics`` shows of the traffic policies: only of those that are configured, read off them at the moment of asking (OBS-2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..observe.exposition import MetricFamily, families
from ..observe.statistics import Kind, Value
from .handles import Policies

__all__ = ["of_policies"]

_ORDER: tuple[Kind, ...] = ("state", "gauge", "counter")


def of_policies(policies: Mapping[str, Policies]) -> Iterator[MetricFamily]:
    """A family for each number that any backend has."""
    parts: dict[str, list[tuple[str, Value]]] = {name: [] for one in policies.values() for name in one.names()}
    for backend, one in policies.items():
        for name, value in one.statistics().items():
            parts[name].append((backend, value))
    found = [family for rows in parts.values() if rows for family in families(type(rows[0][1]), rows)]
    for order in _ORDER:
        yield from (family for kind, family in found if kind == order)

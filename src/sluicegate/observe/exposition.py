"""What is counted and measured, as the text that Prometheus reads; put together when it is asked for, and not before."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import attrs
import msgspec
import trio

from ..telling.statistics import Value, shown
from .metrics import BOUNDS, Counts, Durations, status_of

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import CollectorRegistry

__all__ = ["KIND", "Exposition", "MetricFamily", "families"]

KIND = b"text/plain; version=0.0.4; charset=utf-8"
"""The media type of `Exposition.render`."""


class MetricFamily(msgspec.Struct, frozen=True):
    """One metric and its values."""

    name: str
    """Without ``mcp_proxy_`` in front, and for a counter without ``_total`` behind."""
    help: str
    labels: tuple[str, ...] = ()
    samples: Iterable[tuple[tuple[str, ...], float]] = ()
    """The values of the labels, and the number."""
    kind: Literal["gauge", "counter"] = "gauge"


def families(kind: type[Value], rows: Sequence[tuple[str, Value]], label: str = "backend") -> Iterator[MetricFamily]:
    """A family for each field of these values that is shown, in their order; a row for each value of the label, which may be empty."""
    of_row = (label,) if label else ()
    for name, one in shown(kind):
        samples = [((*((row,) if label else ()), *more), number) for row, value in rows for more, number in _numbers(getattr(value, name))]
        yield MetricFamily(one.name, one.help, (*of_row, *one.labels), samples, "counter" if one.kind == "counter" else "gauge")


def _numbers(value: object) -> Iterator[tuple[tuple[str, ...], float]]:
    """The numbers in the value of a field, each with the label that tells it apart, if there is one."""
    if isinstance(value, enum.Enum):
        yield from (((str(member.value),), float(member is value)) for member in type(value))
    elif isinstance(value, Mapping):
        yield from ((names if isinstance(names, tuple) else (str(names),), float(number)) for names, number in value.items())
    elif isinstance(value, int | float):
        yield (), float(value)


@attrs.define(eq=False, repr=False)
class Exposition:
    """Everything that one gateway shows, in a registry of its own, so that several gateways can live in one process (MET-2)."""

    counts: Counts
    readings: Callable[[], Iterable[MetricFamily]] = tuple
    """What is measured at the moment of asking."""
    _registry: CollectorRegistry | None = attrs.field(default=None, init=False)

    @property
    def registry(self) -> CollectorRegistry:
        """Made when it is first asked for: importing the library takes 25 ms and 2 MiB."""
        if self._registry is None:
            from prometheus_client.process_collector import ProcessCollector
            from prometheus_client.registry import CollectorRegistry

            self._registry = CollectorRegistry()
            self._registry.register(self)
            ProcessCollector(registry=self._registry)
        return self._registry

    async def render(self) -> bytes:
        """The text. Calls go on in between, because with many backends it takes as long as a hundred of them."""
        from prometheus_client.exposition import generate_latest

        parts = []
        for metric in self.registry.collect():
            parts.append(generate_latest(_Alone(metric)))
            await trio.lowlevel.checkpoint()
        return b"".join(parts)

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for (implements prometheus_client's ``Collector``)."""
        yield from self._of_calls()
        for family in self.readings():
            yield _metric(family)

    def _of_calls(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

        totals = CounterMetricFamily(
            "mcp_proxy_requests", "Requests that have ended, by what became of them.", labels=("method", "status", "backend", "outcome")
        )
        together: dict[tuple[str, str], Durations] = {}
        for (method, backend, outcome), durations in list(self.counts.calls.items()):
            totals.add_metric((method, status_of(outcome), backend, outcome), durations.count)
            together.setdefault((method, backend), Durations()).add(durations)
        yield totals
        times = HistogramMetricFamily(
            "mcp_proxy_request_duration_seconds", "How long requests took, from the edge and back.", labels=("method", "backend")
        )
        for labels, durations in together.items():
            times.add_metric(labels, _cumulative(durations), durations.seconds)
        yield times


@attrs.frozen(eq=False, repr=False)
class _Alone:
    """One metric where a registry is expected."""

    metric: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


def _metric(family: MetricFamily) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(f"mcp_proxy_{family.name}", family.help, labels=family.labels)
    for labels, value in family.samples:
        metric.add_metric(labels, value)
    return metric


def _cumulative(durations: Durations) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each holds those before it, too."""
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, number in zip((*map(str, BOUNDS), "+Inf"), durations.buckets, strict=True):
        total += number
        buckets.append((bound, total))
    return buckets

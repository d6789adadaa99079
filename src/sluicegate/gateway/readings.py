"""What ``/metrics`` shows of a gateway beside what has been counted: read off its parts at the moment of asking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..backends.backend import Backend
from ..backends.link import State
from ..frontends.session_statistics import SessionStatistics
from ..frontends.session_table import SessionTable
from ..http1.server.connection_limit import ConnectionLimit
from ..observe.access import Sink
from ..observe.exposition import MetricFamily, families
from ..observe.statistics import Value
from ..policies.mirror import MirrorStatistics, Shadow
from .fleet import Fleet
from .policy_readings import of_policies

__all__ = ["readings"]


def readings(fleet: Fleet, sessions: SessionTable, connection_limit: ConnectionLimit, lines: Sink | None) -> Iterator[MetricFamily]:
    """All of it; ``lines`` is None where there is no access log."""
    yield from _of_backends(list(fleet.backends.values()))
    yield from _of_mirrors(fleet.shadows)
    yield from of_policies(fleet.policies)
    yield from _told(SessionStatistics, [("", sessions.statistics())], label="")
    yield MetricFamily("connections", "Open connections of clients.", samples=[((), connection_limit.inside)])
    yield MetricFamily("connections_refused", "Connections that found no room.", samples=[((), connection_limit.refused)], kind="counter")
    if lines is not None:
        yield MetricFamily(
            "access_log_lines_dropped", "Lines of the access log that were lost.", samples=[((), lines.dropped)], kind="counter"
        )


def _of_backends(backends: list[Backend]) -> Iterator[MetricFamily]:
    yield MetricFamily(
        "backend_up", "Whether a request could be sent to it now.", ("backend",), [((one.name,), one.is_up) for one in backends]
    )
    yield MetricFamily(
        "backend_state",
        "1 for the state that it is in, 0 for the others.",
        ("backend", "state"),
        [((one.name, state.value), state is one.state) for one in backends for state in State],
    )
    yield MetricFamily(
        "backend_restarts", "Times it was started again.", ("backend",), [((one.name,), one.restarts) for one in backends], "counter"
    )
    yield MetricFamily(
        "backend_healthy",
        "Whether it answers when it is asked how it is.",
        ("backend",),
        [((one.name,), one.health.is_healthy) for one in backends if one.health is not None],
    )
    yield MetricFamily(
        "backend_requests_in_flight", "Attempts that it is at.", ("backend",), [((one.name,), one.in_flight) for one in backends]
    )


def _of_mirrors(shadows: Iterable[Shadow]) -> Iterator[MetricFamily]:
    rows = [(one.name, one.statistics()) for one in shadows]
    if rows:
        yield from _told(MirrorStatistics, rows)


def _told(kind: type[Value], rows: Sequence[tuple[str, Value]], label: str = "backend") -> Iterator[MetricFamily]:
    return (family for _kind, family in families(kind, rows, label))

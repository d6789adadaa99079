"""The parts of a gateway that count, in one walk: for the page of metrics, the command line and the library alike.

What each of them counts is said by its own ``statistics()`` (``telling/statistics.py``), and nothing about it is known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs
import trio

from ..frontends.modern.parking import Parking
from ..frontends.session_table import SessionTable
from ..frontends.ticket_office import TicketOffice
from ..http1.server.connection_limit import ConnectionLimit
from ..observe.access import Sink
from ..observe.exposition import MetricFamily, families
from ..observe.metrics import Counts
from ..protocol.messages import encode
from ..telling.statistics import Counting, Value, plain
from .fleet import Fleet
from .handles import Policies

__all__ = ["Part", "Readings", "families_of", "parts_of_policies", "statistics_of"]

ALONE = ""
"""In the place of a backend's name, for what is none's."""
Part = tuple[str, str, Counting]
"""What it is called, whose it is, and itself."""


@attrs.frozen(eq=False, repr=False)
class Readings:
    """Those of one gateway."""

    fleet: Fleet
    sessions: SessionTable
    connection_limit: ConnectionLimit
    parking: Parking
    lines: Sink | None = None
    """None where there is no access log."""
    counts: Counts | None = None
    """None where requests are not counted."""
    tickets: TicketOffice | None = None
    """None where the ids of sessions are none."""
    reloads: Counting | None = None
    audit: Counting | None = None
    """None where there is none."""

    def __iter__(self) -> Iterator[Part]:
        alone: Mapping[str, Counting | None] = {
            "requests": self.counts,
            "sessions": self.sessions,
            "session_tickets": self.tickets,
            "parking": self.parking,
            "connections": self.connection_limit,
            "access_log": self.lines,
            "reloads": self.reloads,
            "audit": self.audit,
        }
        yield from ((name, ALONE, part) for name, part in alone.items() if part is not None)
        yield from (("backend", name, backend) for name, backend in self.fleet.backends.items())
        of_clients = ((name, backend.clients) for name, backend in self.fleet.backends.items())
        yield from (("client_sessions", name, links) for name, links in of_clients if links is not None)
        yield from (("mirror", shadow.name, shadow) for shadow in self.fleet.shadows)
        yield from parts_of_policies(self.fleet.policies)

    async def mirrors(self) -> bytes:
        """Of each mirror what became of its copies, and which of its answers were others, as a JSON object: places, and never what is there."""
        parts: list[bytes] = []
        for shadow in self.fleet.shadows:
            parts.append(encode(shadow.name) + b":" + encode(plain(shadow.statistics())))
            await trio.lowlevel.checkpoint()
        return b"{" + b",".join(parts) + b"}"


def parts_of_policies(policies: Mapping[str, Policies]) -> Iterator[Part]:
    """Those that are configured (OBS-2)."""
    yield from ((name, backend, part) for backend, one in policies.items() for name, part in one.parts().items())


def statistics_of(parts: Iterable[Part]) -> dict[str, dict[str, Value]]:
    """What each of them has counted until now: by what it is, and whose it is, which is empty for what is none's."""
    found: dict[str, dict[str, Value]] = {}
    for name, whose, part in parts:
        found.setdefault(name, {})[whose] = part.statistics()
    return found


def families_of(parts: Iterable[Part]) -> Iterator[MetricFamily]:
    """The same as metrics: each kind of part is asked when its turn comes, since of a thousand backends all together would take long."""
    found: dict[str, dict[str, Counting]] = {}
    for name, whose, part in parts:
        found.setdefault(name, {})[whose] = part
    for of_kind in found.values():
        rows = [(whose, part.statistics()) for whose, part in of_kind.items()]
        yield from families(type(rows[0][1]), rows, "" if ALONE in of_kind else "backend")

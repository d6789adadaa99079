"""``sluicegate show crossing``: what becomes of each part of the protocol between each kind of client and each backend."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..config.backends import BackendConfig
from ..config.model import Config
from ..protocol.crossings import crossings
from ..protocol.eras import MODERN, NEWEST
from .tables import print_table

__all__ = ["cells", "print_cells"]


def cells(config: Config) -> list[dict[str, Any]]:
    """One for each backend, revision that it may speak, revision of a client, and part of the protocol. Nothing is started."""
    return [
        {"backend": backend.name, "revision": revision, "client": client, "part": part, "way": crossing.way.value, "why": crossing.why}
        for backend in config.backends
        if backend.enabled
        for revision in _revisions(backend)
        for client in (NEWEST, MODERN[-1])
        for part, crossing in crossings(
            client, revision, per_client=backend.sessions == "per_client", parks=config.security.max_parked_calls > 0
        ).items()
    ]


def _revisions(backend: BackendConfig) -> Iterator[str]:
    """Those that it may turn out to speak; of several with a handshake the newest stands for all."""
    yield from (NEWEST, MODERN[-1]) if backend.revision is None else (backend.revision,)


def print_cells(found: list[dict[str, Any]]) -> None:
    """A table for each backend and client."""
    for number, ((backend, revision, client), rows) in enumerate(groupby(found, itemgetter("backend", "revision", "client"))):
        print(f"{chr(10) * (number > 0)}{backend}, spoken to in {revision}, with a client of {client}")
        print_table(("WHAT", "BECOMES", "WHY"), [(row["part"], row["way"], row["why"]) for row in rows])

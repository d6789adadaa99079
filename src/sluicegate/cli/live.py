"""A look at backends that are really started: for ``check --connect`` and ``show backends``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import trio

from ..backends.backend import Backend
from ..backends.link import State
from ..config.model import Config
from ..gateway.opening import open_gateway
from ..telling.statistics import plain
from .conversation import log_quietly, unaudited
from .tables import print_table

__all__ = ["look_at_backends", "print_backends"]


def look_at_backends(config: Config) -> list[dict[str, Any]]:
    """Start every backend, give each its time to come up, and describe what came of it."""
    log_quietly()
    config = unaudited(config)
    patient = attrs.evolve(config, backends=tuple(attrs.evolve(backend, required=False) for backend in config.backends))

    async def main() -> list[dict[str, Any]]:
        async with open_gateway(patient) as gateway:  # also where a required one fails, to see the others
            for backend in gateway.backends.values():
                await backend.wait_for(lambda backend: backend.state is not State.STARTING)
            statistics = gateway.statistics()
            mistakes = [remark for remark in sorted(gateway.catalogue.remarks, key=attrs.astuple) if remark.is_mistake]
            return [
                describe(backend)
                | counted(name, statistics)
                | {"mistakes": [attrs.asdict(mistake) for mistake in mistakes if mistake.backend == name]}
                for name, backend in gateway.backends.items()
            ]

    return trio.run(main)


def describe(backend: Backend) -> dict[str, Any]:
    """A backend for people and programs."""
    offer = backend.offer
    return {
        "name": backend.name,
        "transport": backend.transport,
        "state": backend.state.value,
        "protocol": offer.hello.version if offer else "",
        "offers": {kind.member: len(items) for kind, items in offer.lists.items() if items} if offer else {},
        "error": backend.error,
        "flaws": [attrs.asdict(flaw) for flaws in offer.flaws.values() for flaw in flaws] if offer else [],
    }


def counted(backend: str, statistics: Mapping[str, Mapping[str, attrs.AttrsInstance]]) -> dict[str, Any]:
    """What it and its policies have counted, by part."""
    return {"statistics": {name: plain(rows[backend]) for name, rows in statistics.items() if backend in rows}}


def print_backends(backends: list[dict[str, Any]]) -> None:
    """One row for each, and below it what is wrong with what they list."""
    print_table(("BACKEND", "TRANSPORT", "STATE", "PROTOCOL", "OFFERS"), [_row(entry) for entry in backends])
    flaws = [(entry["name"], flaw["kind"], flaw["name"], flaw["what"]) for entry in backends for flaw in entry["flaws"]]
    if flaws:
        print("\n  Not as clients can read it:")
        print_table(("BACKEND", "KIND", "NAME", "WHAT IS WRONG"), flaws)
    mistakes = [(entry["name"], mistake["kind"], mistake["name"], mistake["what"]) for entry in backends for mistake in entry["mistakes"]]
    if mistakes:
        print("\n  Not as the configuration wants it:")
        print_table(("BACKEND", "KIND", "NAME", "WHAT IS WRONG"), mistakes)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    offers = ", ".join(f"{count} {member}" for member, count in entry["offers"].items())
    return entry["name"], entry["transport"], entry["state"], entry["protocol"], offers or entry["error"]

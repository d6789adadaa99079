"""What a configuration would be put together to, without starting anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import trio

from ..backends.backend import Backend
from ..config.model import Config
from ..gateway.connectors import connector_for
from ..gateway.member import Member
from ..gateway.pipeline import assemble, describe, edge, guarded, stand_ins
from ..gateway.policy_handles import Policies, PolicyContext, limit_layer
from ..observe.access import Lines
from ..observe.metrics import Counts
from ..outside import Outside
from ..policies.hedge import HedgeTimer
from ..routing.catalogue import Directory
from ..routing.table import Router
from ..sources import Sources

__all__ = ["pipelines", "told"]


def pipelines(config: Config) -> dict[str, Any]:
    """The policies that a call passes, outermost first: at the edge, and then for every backend that it may be routed to."""

    async def nowhere(_lines: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def main() -> dict[str, Any]:
        configs = [backend for backend in config.backends if backend.enabled]
        members: dict[str, Member] = {}
        lines = Lines(nowhere) if config.observability.access_log.enabled else None
        limit = limit_layer(config.proxy.rate_limit)
        counts = Counts() if config.observability.metrics.enabled else None
        async with trio.open_nursery() as background:
            for own in configs:
                backend = Backend(own.name, connector_for(own, config, Outside(), {}))
                context = PolicyContext(backend, Sources().chance, HedgeTimer(), background)
                policies = Policies.found_in(guarded(own, backend, context), own, config.security.max_argument_size)
                members[own.name] = Member(own, None, backend, policies)
            handlers = assemble(members, {}, background)
            return {
                "edge": describe(edge(Router(Directory()), lines=lines, counts=counts, wall=trio.current_time, limit=limit)),
                "backends": {
                    backend.name: {
                        "policies": describe(handlers[backend.name]),
                        "stand_ins": list(stand_ins(backend, configs)),
                        "mirrors": [other.name for other in configs if other.mirror_of == backend.name],
                    }
                    for backend in configs
                },
            }

    return trio.run(main)


def told(plan: dict[str, Any]) -> Iterator[str]:
    """The same in lines for a person."""
    yield f"every call: {' -> '.join(plan['edge'])}"
    for name, backend in plan["backends"].items():
        yield f"{name}: {' -> '.join(backend['policies'])}"
        if backend["stand_ins"]:
            yield f"    fails over to {', '.join(backend['stand_ins'])}"
        if backend["mirrors"]:
            yield f"    mirrored to {', '.join(backend['mirrors'])}"

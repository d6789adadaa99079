"""What a configuration would be put together to, without starting anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import trio

from ..backends.backend import Backend
from ..backends.link import Link
from ..config.model import Config
from ..gateway.connectors import connector_for
from ..gateway.pipeline import Edge, blueprint, describe
from ..gateway.policy_making import PolicyContext
from ..observe.access import LogBuffer
from ..outside import Outside
from ..policies.hedge import HedgeTimer
from ..routing.directory import Directory
from ..routing.table import Router
from ..sources import Sources

__all__ = ["pipelines", "told"]


def pipelines(config: Config) -> dict[str, Any]:
    """The policies that a call passes, outermost first: at the edge, and then for every backend that it may be routed to."""

    async def nowhere(_lines: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def main() -> dict[str, Any]:
        configs = [backend for backend in config.backends if backend.enabled]
        backends = {own.name: Backend(Link(own.name, connector_for(own, config, Outside(), {}))) for own in configs}
        async with trio.open_nursery() as background:
            context = PolicyContext(Sources().chance, HedgeTimer(), background, config.security.max_argument_size)
            plan = blueprint(configs, backends, context)
            return {
                "edge": describe(Edge.of(config, LogBuffer(nowhere), trio.current_time).around(Router(Directory()))),
                "backends": {
                    name: {
                        "policies": describe(pipeline.handler),
                        "stand_ins": list(pipeline.stand_ins),
                        "mirrors": [other.name for other in configs if other.mirror_of == name],
                    }
                    for name, pipeline in plan.items()
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

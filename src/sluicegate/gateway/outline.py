"""What a configuration would be put together to, without starting anything."""

from __future__ import annotations

from typing import Any

import trio

from ..backends.backend import Backend
from ..backends.link import Link
from ..config.model import Config
from ..observe.access import LogBuffer
from ..outside import Outside
from ..outside.blocking import run_blocking
from ..protocol.calls import Call
from ..routing.directory import Directory
from ..routing.table import Router
from ..sources import Sources
from .connectors import connector_for
from .described import describe
from .edge import Edge
from .pipeline import blueprint
from .policy_making import PolicyContext
from .rule_making import rules_of
from .searching import searching

__all__ = ["outline"]


async def _known(_call: Call) -> None:
    """Nobody calls."""


async def outline(config: Config) -> dict[str, Any]:
    """The policies that a call passes, outermost first: at the edge, and then for every backend that it may be routed to."""

    async def nowhere(_lines: bytes) -> None:
        await trio.lowlevel.checkpoint()

    configs = [backend for backend in config.backends if backend.enabled]
    backends = {own.name: Backend(Link(own.name, connector_for(own, config, Outside(), {}))) for own in configs}
    async with trio.open_nursery() as background:
        context = PolicyContext(
            Sources().chance, background, background, config.security.max_argument_size, config.performance.coalesce_requests
        )
        pipelines = blueprint(configs, backends, context)
        directory = Directory(rules=rules_of(config))
        search = searching(config.proxy, directory, run_blocking, trio.lowlevel.checkpoint, _known)
        return {
            "edge": describe(Edge.of(config, directory, LogBuffer(nowhere), trio.current_time, search).around(Router(directory))),
            "backends": {
                name: {
                    "policies": describe(pipeline.handler),
                    "stand_ins": list(pipeline.stand_ins),
                    "mirrors": [other.name for other in configs if other.mirror_of == name],
                }
                for name, pipeline in pipelines.items()
            },
        }

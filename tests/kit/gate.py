"""A gateway in front of one scripted backend that is reached in any way that there is, and what goes wrong between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from sluicegate.config.model import BackendConfig, Config, ListenConfig, ProxyConfig
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.protocol.calls import Reply
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.injections.injector import Injections
from sluicegate.testing.injections.kinds import Transport
from sluicegate.testing.network import MemoryOutside, open_outside
from sluicegate.testing.script import Rule, Script
from sluicegate.testing.scripted_events import serve_sse
from sluicegate.testing.scripted_program import program_of
from sluicegate.testing.scripted_socket import serve_websocket

__all__ = ["Gate", "open_gate"]

NEAR, FAR = 8080, 8081
"""Ports on the network in memory."""


@attrs.define(eq=False)
class Gate:
    """What there is to look at; the backend is called ``b``, and its tool ``echo``."""

    gateway: Gateway
    scripted: ScriptedBackend
    faults: Injections
    world: MemoryOutside

    async def call(self, number: int = 0) -> Reply:
        """Call the tool with this argument."""
        return await self.gateway.call_tool("b_echo", {"n": number})

    async def outcome(self, number: int = 0) -> tuple[str, float]:
        """What became of a call, its text or the reason of its fault, and how many seconds it took."""
        began = trio.current_time()
        reply = await self.call(number)
        what = reply.text if reply.fault is None else reply.fault.reason or str(reply.fault.code)
        return what, round(trio.current_time() - began, 6)


@asynccontextmanager
async def open_gate(
    transport: Transport, *rules: Rule, backend: ScriptedBackend | None = None, seed: int | str = 0, **settings: Any
) -> AsyncGenerator[Gate, None]:
    """Open it in a world in memory; over HTTP, another gateway is the site.

    Args:
        transport: how the backend is reached.
        rules: what goes wrong.
        backend: what is behind it; by default it echoes.
        seed: what all chance follows from, that of the rules and that of the gateway.
        settings: keys of the backend's table in the configuration.
    """
    scripted, faults = backend or ScriptedBackend(name="b"), Injections(Script(rules, seed))
    async with open_outside() as world, trio.open_nursery() as nursery:
        servers = {}
        if transport is Transport.FRAMES:
            servers["b"] = scripted.connector
            config = BackendConfig("b", "inprocess", **settings)
        elif transport is Transport.CHILD:
            world.processes.add("b", program_of(scripted))
            config = BackendConfig("b", "stdio", command="b", **settings)
        elif transport is Transport.SOCKET:
            (listener,) = await world.network.listen("127.0.0.1", FAR)
            await nursery.start(serve_websocket, scripted, listener)
            config = BackendConfig("b", "websocket", url=f"ws://127.0.0.1:{FAR}/mcp", **settings)
        elif transport is Transport.EVENTS:
            (listener,) = await world.network.listen("127.0.0.1", FAR)
            await nursery.start(serve_sse, scripted, listener)
            config = BackendConfig("b", "sse", url=f"http://127.0.0.1:{FAR}/sse", **settings)
        else:
            await nursery.start(_serve, scripted, world, seed)
            config = BackendConfig("b", "http", url=f"http://127.0.0.1:{FAR}/mcp", **settings)
        whole = Config(_proxy("near", NEAR), (config,))
        outside, sources = world.outside, Sources.virtual(seed)
        async with open_gateway(whole, strict=True, servers=servers, outside=outside, sources=sources, faults=faults) as gateway:
            yield Gate(gateway, scripted, faults, world)
        nursery.cancel_scope.cancel()


def _proxy(name: str, port: int) -> ProxyConfig:
    return ProxyConfig(name, listen=ListenConfig(host="127.0.0.1", port=port))


async def _serve(scripted: ScriptedBackend, world: MemoryOutside, seed: int | str, task_status: trio.TaskStatus[list[str]]) -> None:
    """Be the site: a gateway whose tools have no prefix."""
    sources = Sources.virtual(f"{seed}:far")
    config = Config(_proxy("far", FAR), (BackendConfig("b", "inprocess", namespace=""),))
    async with open_gateway(config, strict=True, servers={"b": scripted.connector}, outside=world.outside, sources=sources) as gateway:
        await gateway.serve(task_status=task_status)

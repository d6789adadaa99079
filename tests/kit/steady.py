"""Steady traffic on a whole gateway, as a scenario to be played: what a long run costs, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
from tests.kit.doors import RawDoor
from tests.kit.stdio_client import READY, hello

from sluicegate.config.model import BackendConfig, Config, ProxyConfig, TimeoutSettings
from sluicegate.gateway.opening import open_gateway
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.playing import Play
from sluicegate.testing.script import Answer, Delay, RpcError
from sluicegate.testing.scripted_program import program_of

__all__ = ["steady"]

CALL = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%b_echo","arguments":{"n":%d}}}'


async def steady(play: Play, *, seconds: int = 3600, policies: Mapping[str, Any] | None = None) -> tuple[int, int]:
    """One call a second through HTTP, to a backend in memory and to one on pipes in turn; how many were answered, and how many well.

    One call in twenty fails, and one in seven is slow.
    """
    steps = [
        RpcError() if number % 20 == 0 else Delay(0.3, Answer("late")) if number % 7 == 0 else Answer("well") for number in range(seconds)
    ]
    frames, lines = ScriptedBackend(*steps, name="frames"), ScriptedBackend(*steps, name="lines")
    play.world.processes.add("lines", program_of(lines))
    settings = dict(policies or {}, timeout=TimeoutSettings(10.0))
    backends = (BackendConfig("frames", "inprocess", **settings), BackendConfig("lines", "stdio", command="lines", **settings))
    config = Config(ProxyConfig("steady", shutdown_timeout_seconds=1.0), backends)
    async with trio.open_nursery() as nursery:
        async with open_gateway(config, servers={"frames": frames.connector}, sources=play.sources, outside=play.world.outside) as gateway:
            await nursery.start(gateway.serve)
            await gateway.settled()
            answers = await _call_every_second(play, seconds)
        nursery.cancel_scope.cancel()
    return len(answers), sum(b'"result"' in answer for answer in answers)


async def _call_every_second(play: Play, seconds: int) -> list[bytes]:
    door, answers = RawDoor(play.world.network), list[bytes]()
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    async with door.request("POST", headers, hello(play.chance("hello"))) as response:
        await response.read_all()
        headers["Mcp-Session-Id"] = response.headers["mcp-session-id"]
    async with door.request("POST", headers, READY) as response:
        await response.read_all()
    for number in range(seconds):
        async with door.request("POST", headers, CALL % (number, (b"frames", b"lines")[number % 2], number)) as response:
            answers.append(await response.read_all())
        play.note(response.status, answers[-1])
        await trio.sleep_until(play.transcript.begun_at + number + 1)
    await door.aclose()
    return answers

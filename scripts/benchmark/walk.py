"""The way of a call through the gateway: how many of its files a call touches, and how many of its functions it enters or goes on in.

What is counted is what ``sys.setprofile`` tells: every call of a Python function of ours, and every time that a coroutine of ours goes on.
Small calls in a row, over a socket to a child, from a client that is no code of ours; the least of them counts, since other work only adds.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import attrs
import trio

import sluicegate
from sluicegate import Builder

from .application import HELLO
from .goals import Goal
from .targets import command_of_stub

__all__ = ["Walk", "show_walk", "walk", "walk_goals"]

OURS = str(Path(sluicegate.__file__).parent) + "/"
WARM = 50
"""Calls before, so that everything is loaded, and heads are known."""
CALLS = 20
MOST_FILES, MOST_CALLS = 30, 170


@attrs.frozen
class Walk:
    """One call's way."""

    steps: list[tuple[int, str]]
    """In order: how deep below other functions of ours, and ``file:function``."""

    @property
    def calls(self) -> int:
        """All of them together."""
        return len(self.steps)

    @property
    def files(self) -> dict[str, int]:
        """How often, by file."""
        return dict(Counter(place.partition(":")[0] for _, place in self.steps))


def walk() -> Walk:
    """Walk with some calls; the shortest way."""
    return trio.run(_walk)


async def _walk() -> Walk:
    builder = Builder("walk").backend("stub", command_of_stub("stdio"))
    async with trio.open_nursery() as nursery, builder.open(strict=True) as gateway:
        (url,) = await nursery.start(_serve, gateway)
        host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            client = _Client(stream, f"{host}:{port}")
            await client.open()
            for _ in range(WARM):
                await client.call()
            found = [await _counted(client) for _ in range(CALLS)]
        nursery.cancel_scope.cancel()
    return min(found, key=lambda one: one.calls)


async def _serve(gateway: sluicegate.Gateway, task_status: trio.TaskStatus[Any]) -> None:
    await gateway.serve(task_status=task_status)


async def _counted(client: _Client) -> Walk:
    entered: list[tuple[int, CodeType]] = []
    depth = 0

    def look(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal depth
        if not frame.f_code.co_filename.startswith(OURS):
            return
        if event == "call":
            entered.append((depth, frame.f_code))
            depth += 1
        elif event == "return":
            depth -= 1

    sys.setprofile(look)
    try:
        await client.call()
    finally:
        sys.setprofile(None)
    return Walk([(depth, f"{code.co_filename.removeprefix(OURS)}:{code.co_qualname}") for depth, code in entered])


@attrs.define(eq=False)
class _Client:
    """A client in the fewest words."""

    stream: trio.SocketStream
    host: str
    session: str = ""

    async def open(self) -> None:
        head, _ = await self._post("initialize", HELLO, ("id", 1))
        self.session = next(line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith("mcp-session-id: "))
        await self._post("notifications/initialized", {})

    async def call(self) -> None:
        _, body = await self._post("tools/call", {"name": "stub_echo", "arguments": {}}, ("id", 2))
        assert b"answered by the stub" in body, body

    async def _post(self, method: str, params: object, *members: tuple[str, int]) -> tuple[str, bytes]:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **dict(members)}).encode()
        session = f"Mcp-Session-Id: {self.session}\r\nMcp-Protocol-Version: 2025-11-25\r\n" if self.session else ""
        head = f"POST /mcp HTTP/1.1\r\nHost: {self.host}\r\n{session}Content-Type: application/json\r\n"
        accept = f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        await self.stream.send_all((head + accept).encode() + body)
        return await self._response()

    async def _response(self) -> tuple[str, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await self.stream.receive_some()
        raw, _, body = data.partition(b"\r\n\r\n")
        head = raw.decode()
        length = next((int(line.partition(": ")[2]) for line in head.splitlines() if line.lower().startswith("content-length: ")), 0)
        while len(body) < length:
            body += await self.stream.receive_some()
        return head, body


def show_walk(found: Walk) -> str:
    """Each step in its order, then by file, the longest stay first."""
    files = sorted(found.files.items(), key=lambda one: -one[1])
    steps = [f"{'  ' * depth}{place}" for depth, place in found.steps]
    lines = [f"{number:5}  {name}" for name, number in files]
    return "\n".join([*steps, "", f"{found.calls} calls in {len(files)} files", *lines])


def walk_goals(found: Walk) -> list[Goal]:
    """What is promised."""
    return [
        Goal("files that a call touches, from HTTP to stdio", MOST_FILES, len(found.files)),
        Goal("calls of Python functions for it", MOST_CALLS, found.calls),
    ]

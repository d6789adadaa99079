"""Asks a backend for answers of 50 MiB and prints by how many MiB that made us grow at the most, and what the faults said.

Run as a program: ``python memory.py METHOD COMMAND ARGS...``.
"""

from __future__ import annotations

import json
import resource
import sys

import trio
from tests.kit.heard import Heard

from sluicegate.backends.stdio import StdioConnector
from sluicegate.protocol.calls import Call

UNIT = 1024 * 1024 if sys.platform == "darwin" else 1024


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT


async def main(*told: str) -> None:
    method, command, *args = told
    async with StdioConnector("huge", command, tuple(args), max_message_size=4 * 1024 * 1024)(Heard()) as session:
        await session.request(Call("hello", "hello", {}))
        before, other = peak(), []

        async def hang() -> None:
            other.append(await session.request(Call("hang", "hang", {})))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang)  # so that there are two calls whose answer it might be
            await trio.lowlevel.checkpoint()
            huge = await session.request(Call(method, method, {}))
            nursery.cancel_scope.cancel()
        after = await session.request(Call("hello", "hello", {}))
    said = huge.fault.message if huge.fault is not None else ""
    print(json.dumps({"grew": peak() - before, "said": said, "other": len(other), "after": after.fault is None}))  # noqa: T201


trio.run(main, *sys.argv[1:])

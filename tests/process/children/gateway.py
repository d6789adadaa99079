"""Holds one stdio backend open until it is killed; prints the group of the backend once that has answered.

Run as a program: ``python gateway.py COMMAND ARGS...``.
"""

from __future__ import annotations

import sys

import trio
from tests.kit.heard import Heard

from sluicegate.backends.stdio import StdioConnector
from sluicegate.protocol.calls import Call


async def main(*command: str) -> None:
    async with StdioConnector("held", command[0], command[1:])(Heard()) as session:
        reply = await session.request(Call("hello", "hello", {}))
        assert reply.fault is None, reply.fault.message
        print(getattr(session, "pid", None), flush=True)  # noqa: T201  for the test that started us
        await trio.sleep_forever()


trio.run(main, *sys.argv[1:])

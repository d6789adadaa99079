"""What a connection leaves behind when it has ended: nothing that has to be looked for."""

from __future__ import annotations

import gc

import pytest
import trio
import trio.testing
from tests.kit.front import GET, open_front

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.request_parser import RequestParser


def parsers() -> int:
    return sum(isinstance(one, RequestParser) for one in gc.get_objects())


@pytest.mark.parametrize("said", [b"", GET, GET[:20], b"nonsense\r\n\r\n"], ids=["nothing", "a request", "half a request", "nonsense"])
async def test_a_connection_that_has_ended_leaves_no_parser_to_the_garbage_collector(autojump_clock: object, said: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async with open_front(app) as front:
        gc.collect()
        before = parsers()
        gc.disable()
        try:
            for _ in range(10):
                client = await front.dial()
                if said:
                    await client.say(said)
                    await trio.testing.wait_all_tasks_blocked()
                await client.close()
                await trio.sleep(60)
            assert parsers() - before <= 1
        finally:
            gc.enable()

"""The requests that our own parser is tested with, sent to Hypercorn's: the same ones reach the application, but for what h11 is known to take."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.frontends.hypercorn import serve
from sluicegate.frontends.request import Receive, Scope, Send
from sluicegate.testing.wire import MemoryNetwork

VECTORS: list[Any] = runpy.run_path(str(Path(__file__).parents[1] / "http1" / "request_vectors.py"))["VECTORS"]
SMALL = [vector for vector in VECTORS if len(vector.data) < 100_000]

TAKEN_BY_H11 = frozenset(
    {
        "the same length twice",
        "a list of lengths",
        "space after a chunk size",
        "bare CR in a chunk extension",
        "a length among the trailers",
        "a coding among the trailers",
        "bare LF after the request line",
        "bare LF after headers",
        "bare LF at the end of a head",
        "LF in a value",
        "DEL in a value",
        "folded value",
        "folded coding",
        "unknown method",
        "head of a byte more",
    }
)
"""What h11 understands, in one way only, and we do not want."""
NOT_TAKEN_BY_H11 = frozenset({"two empty lines first", "an empty line between", "1.0 that stays"})


async def heard_and_answered(data: bytes) -> tuple[list[tuple[str, bytes]], list[int]]:
    """Methods and bodies that the application hears, and the answers."""
    heard: list[tuple[str, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            if event["type"] != "http.request":
                return
            body, more = body + event["body"], event["more_body"]
        heard.append((scope["method"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    network, answer = MemoryNetwork(resets=False), b""
    async with trio.open_nursery() as connections, trio.open_nursery() as accept:
        listeners = await network.listen("127.0.0.1", 0)
        await accept.start(lambda task_status: serve(app, listeners, connections=connections, task_status=task_status))
        client = await network.open_stream("127.0.0.1", 40000)
        accept.start_soon(client.send_all, data)
        while part := await client.receive_some():
            answer += part
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert not [task for task in connections.child_tasks if "carry" in task.name]
        accept.cancel_scope.cancel()
    return heard, [int(status) for status in re.findall(rb"HTTP/1\.1 ([2-5]\d\d)", answer)]


@pytest.mark.parametrize("vector", SMALL, ids=lambda vector: vector.name)
async def test_the_same_requests_reach_the_application(vector: Any, autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    heard, answers = await heard_and_answered(vector.data)

    wanted = [(method, body) for method, _, body in vector.requests]
    if vector.name in TAKEN_BY_H11:
        assert len(heard) == len(wanted) + 1
    elif vector.name in NOT_TAKEN_BY_H11:
        assert heard == wanted[: len(heard)]
    else:
        assert heard == wanted
    assert answers[: len(heard)] == [200] * len(heard)
    assert all(status >= 400 for status in answers[len(heard) :])
    assert "failed" not in caplog.text
    assert "bug" not in caplog.text

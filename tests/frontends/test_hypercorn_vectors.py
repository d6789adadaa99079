"""The requests that our own parser is tested with, sent to Hypercorn's: the same ones reach the application, but for what h11 is known not to take."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.hypercorn.server import serve
from sluicegate.testing.memory_wire import MemoryNetwork

VECTORS: list[Any] = runpy.run_path(str(Path(__file__).parents[1] / "http1" / "request_vectors.py"))["VECTORS"]
SMALL = [vector for vector in VECTORS if len(vector.data) < 100_000]

NOT_TAKEN_BY_H11 = frozenset({"two empty lines first", "four empty lines first", "an empty line between", "1.0 that stays"})
"""What is no harm, but h11 does not understand it. There is nothing that it takes and our own server refuses."""


async def heard_and_answered(*pieces: bytes, refused: list[tuple[int, str]] | None = None) -> tuple[list[tuple[str, bytes]], bytes]:
    """Methods and bodies that the application hears, and what is answered to bytes that come in these pieces."""
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

    async def send_all() -> None:
        for piece in pieces:
            await client.send_all(piece)
            if len(pieces) > 1:
                await trio.testing.wait_all_tasks_blocked()

    network, answer = MemoryNetwork(resets=False), b""
    settings = ServerSettings(on_refused=lambda *what: None if refused is None else refused.append(what))
    async with trio.open_nursery() as connections, trio.open_nursery() as accept:
        listeners = await network.listen("127.0.0.1", 0)
        await accept.start(lambda task_status: serve(app, listeners, connections=connections, settings=settings, task_status=task_status))
        client = await network.open_stream("127.0.0.1", 40000)
        accept.start_soon(send_all)
        while part := await client.receive_some():
            answer += part
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert not [task for task in connections.child_tasks if "carry" in task.name]
        accept.cancel_scope.cancel()
    return heard, answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([2-5]\d\d)", answer)]


@pytest.mark.parametrize("vector", SMALL, ids=lambda vector: vector.name)
async def test_the_same_requests_reach_the_application(vector: Any, autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    heard, answer = await heard_and_answered(vector.data)

    judge(vector, heard, statuses(answer))
    assert "failed" not in caplog.text
    assert "bug" not in caplog.text


@pytest.mark.parametrize("vector", [vector for vector in SMALL if len(vector.data) < 300], ids=lambda vector: vector.name)
async def test_the_same_requests_reach_the_application_byte_by_byte(vector: Any, autojump_clock: object) -> None:
    heard, answer = await heard_and_answered(*(vector.data[place : place + 1] for place in range(len(vector.data))))

    judge(vector, heard, statuses(answer))


def judge(vector: Any, heard: list[tuple[str, bytes]], answers: list[int]) -> None:
    wanted = [(method, body) for method, _, body in vector.requests]
    assert heard == (wanted[: len(heard)] if vector.name in NOT_TAKEN_BY_H11 else wanted)
    assert answers[: len(heard)] == [200] * len(heard)
    assert all(status >= 400 for status in answers[len(heard) :])


async def test_a_refusal_says_why_and_is_counted(autojump_clock: object) -> None:
    refused: list[tuple[int, str]] = []
    good = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    heard, answer = await heard_and_answered(good + good.replace(b"\r\n", b"\n"), refused=refused)

    assert heard == [("GET", b"")]
    assert statuses(answer) == [200, 400]
    ((status, reason),) = refused
    assert (status, bool(reason)) == (400, True)
    assert answer.endswith(b"\r\n\r\n" + reason.encode() + b"\n")
    assert b"connection: close" in answer


async def test_a_thousand_requests_at_once_are_answered_in_turn(autojump_clock: object) -> None:
    heard, answer = await heard_and_answered(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000 + b"GET / HTTP/1.1\n\n")

    assert len(heard) == 1000
    assert statuses(answer) == [200] * 1000 + [400]

"""Every request that the parser is tested with, sent to a living server: the same ones reach the application, and the same refusals the client."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.front import HandClient, open_front

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.testing.memory_wire import MemoryNetwork

VECTORS: list[Any] = runpy.run_path(str(Path(__file__).with_name("request_vectors.py")))["VECTORS"]
SMALL = [vector for vector in VECTORS if len(vector.data) < 2000]

Heard = tuple[str, bytes, bytes]


async def serve_and_hear(vector: Any, pieces: list[bytes]) -> None:
    """Send a vector in pieces, and compare what the application hears and the client is answered."""
    heard: list[Heard] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        data, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            data, more = data + message["body"], message["more_body"]
        query = scope["query_string"]
        heard.append((scope["method"], scope["raw_path"] + (b"?" + query if query else b""), data))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async with open_front(app, network=MemoryNetwork(resets=len(vector.data) < 500_000)) as front, trio.open_nursery() as nursery:
        client = await front.dial()
        nursery.start_soon(send_all, client, pieces)
        expected = [200] * len(vector.requests) + ([vector.status] if vector.status else [])
        assert [await final_status(client, request) for request, _ in zip([*vector.requests, None], expected, strict=False)] == expected
        await trio.testing.wait_all_tasks_blocked()
        if vector.status:
            assert await client.rest() == b""
        await client.close()
    wanted = [(method, target, body) for method, target, body in vector.requests]
    assert [(method, body) for method, _, body in heard] == [(method, body) for method, _, body in wanted]
    for (_, target, _), (_, sent, _) in zip(heard, wanted, strict=True):
        assert target == sent or sent.lower().startswith(b"http://")


async def send_all(client: HandClient, pieces: list[bytes]) -> None:
    try:
        for piece in pieces:
            await client.stream.send_all(piece)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def final_status(client: HandClient, request: Heard | None) -> int:
    status = 100
    while status == 100:
        status = (await client.answer("GET" if request is None else request[0])).status
    return status


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
async def test_a_vector_that_comes_at_once(autojump_clock: object, vector: Any) -> None:
    await serve_and_hear(vector, [vector.data])


@pytest.mark.parametrize("vector", SMALL, ids=lambda vector: vector.name)
async def test_a_vector_that_comes_byte_by_byte(autojump_clock: object, vector: Any) -> None:
    await serve_and_hear(vector, [vector.data[at : at + 1] for at in range(len(vector.data))])

"""Answers that are compressed although nobody asked for it: undone within the limit, or refused by name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.session import BackendSession
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.sse import format_event

LIMIT = 100_000
HERE = Call("tools/call", "echo", {"name": Raw(b'"echo"')})


@asynccontextmanager
async def session_with(endpoint: ScriptedEndpoint) -> AsyncGenerator[BackendSession]:
    async with open_site(endpoint) as site:
        connector = HttpConnector("web", "http://backend.test/mcp", {}, site.open_stream, max_message_size=LIMIT)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1")
            yield session


async def answered(body: bytes, coding: str, *, status: int = 200, kind: str = "application/json") -> Reply:
    """What becomes of a call that gets this body; it has the id 2."""

    async def send(answer: Answer) -> None:
        assert answer.message["id"] == 2
        await answer.send(status, body, content_encoding=coding, content_type=kind)

    async with session_with(ScriptedEndpoint(on={"tools/call": send})) as session:
        return await session.request(HERE.copy())


def response(size: int = 1) -> bytes:
    return b'{"jsonrpc":"2.0","id":2,"result":{"text":"%b"}}' % (b"x" * size)


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("size", [1, LIMIT - 100])
async def test_gzip_and_deflate_are_undone(coding: str, pack: object, size: int, autojump_clock: trio.testing.MockClock) -> None:
    assert callable(pack)
    reply = await answered(pack(response(size)), coding)
    assert msgspec.json.decode(reply.result) == {"text": "x" * size}


async def test_a_compressed_stream_of_events_is_undone_as_it_comes(autojump_clock: trio.testing.MockClock) -> None:
    deflate = zlib.compressobj(wbits=31)

    async def send(answer: Answer) -> None:
        await answer.stream(content_encoding="gzip")
        for data in (b'{"jsonrpc":"2.0","method":"notifications/message","params":{}}', response()):
            packed = deflate.compress(format_event(data)) + deflate.flush(zlib.Z_SYNC_FLUSH)
            await answer._send({"type": "http.response.body", "body": packed, "more_body": True})
            await trio.sleep(1)
        await answer.wait_gone()

    call = HERE.copy(back=Heard())
    async with session_with(ScriptedEndpoint(on={"tools/call": send})) as session:
        reply = await session.request(call)
    assert msgspec.json.decode(reply.result) == {"text": "x"}
    assert isinstance(call.back, Heard)
    assert len(call.back.notes) == 1


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_a_bomb_is_cut_at_the_limit(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    bomb = gzip.compress(b"data: " + response(20_000_000) + b"\n\n" if kind != "application/json" else response(20_000_000))
    assert len(bomb) < LIMIT
    reply = await answered(bomb, "gzip", kind=kind)
    assert reply.fault is not None
    assert (reply.fault.reason, f"larger than {LIMIT} bytes" in reply.fault.message) == ("bad_answer", True)


async def test_a_body_that_goes_in_for_ever_and_comes_out_as_nothing_is_cut_at_the_limit(autojump_clock: trio.testing.MockClock) -> None:
    reply = await answered(gzip.compress(b"") * 10_000, "gzip")
    assert reply.fault is not None
    assert f"larger than {LIMIT} bytes" in reply.fault.message


@pytest.mark.parametrize(("coding", "shown"), [("br", "with br"), ("zstd", "with zstd"), ("gzip, br", "manifold"), ("s3cret", "unknown")])
async def test_other_codings_are_refused_by_name_and_unknown_words_are_not_repeated(
    coding: str, shown: str, autojump_clock: trio.testing.MockClock
) -> None:
    reply = await answered(b"\x1b\x00", coding)
    assert reply.fault is not None
    assert (reply.fault.reason, shown in reply.fault.message, "s3cret" in reply.fault.message) == ("bad_answer", True, False)


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("body", "why"),
    [(response(), "damaged"), (zlib.compress(response(), wbits=31)[:-3], "ended before it was complete")],
    ids=["no gzip", "cut"],
)
async def test_a_damaged_body_is_a_clear_fault(body: bytes, why: str, kind: str, autojump_clock: trio.testing.MockClock) -> None:
    reply = await answered(body, "gzip", kind=kind)
    assert reply.fault is not None
    assert (reply.fault.reason, why in reply.fault.message) == ("bad_answer", True)


async def test_the_page_of_a_refusal_is_undone_for_the_operator(autojump_clock: trio.testing.MockClock) -> None:
    reply = await answered(gzip.compress(b"no room for you"), "gzip", status=500, kind="text/html")
    assert reply.fault is not None
    assert reply.fault.told.endswith("HTTP 500: no room for you")

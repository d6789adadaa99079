"""A backend that talks without being asked: others get their turn, and a flood costs it its session, with the reason."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.attached import AttachedConnector
from sluicegate.backends.backend import Backend
from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.link import Link
from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.backends.stdio import StdioConnector
from sluicegate.channel.reading import FEW_LINES, PIECE, in_pieces
from sluicegate.outside import ProcessSpec
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.sse import format_event
from sluicegate.testing.processes import ProcessTable

# The numbers that are promised. Taken from the source they would move with it.
MOST_GARBAGE = 10_000
MOST_REQUESTS = 1000
WINDOW_SECONDS = 10.0

PING = b'{"jsonrpc":"2.0","id":"p","method":"ping"}'
ASK = b'{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}'
NOTE = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"debug","data":"x"}}'
ANSWER = b'{"jsonrpc":"2.0","id":9,"result":{}}'

TOO_MANY = {
    "pings": (PING, MOST_REQUESTS, "requests that nobody asked for"),
    "questions": (ASK, MOST_REQUESTS, "requests that nobody asked for"),
    "garbage": (b"hello", MOST_GARBAGE, "messages that could not be used"),
    "answers to nothing": (ANSWER, MOST_GARBAGE, "messages that could not be used"),
}


@pytest.mark.parametrize("what", TOO_MANY)
async def test_a_channel_takes_as_many_as_are_allowed_and_not_one_more(what: str, autojump_clock: trio.testing.MockClock) -> None:
    line, most, reason = TOO_MANY[what]
    session = ChannelSession("b", Heard())
    replies: list[Reply] = []

    async def ask() -> None:
        replies.append(await session.request(Call("x", "x", {})))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await session.next_frame()
        for _ in range(most):
            session.receive(line)
        await trio.testing.wait_all_tasks_blocked()
        assert session.in_flight == 1
        session.receive(line)
    assert f"it sent {most + 1} {reason} within 0.0 s" in str(await session.wait_closed())
    assert [reply.fault.reason for reply in replies if reply.fault] == ["connection_lost"]


async def test_as_many_again_are_allowed_later(autojump_clock: trio.testing.MockClock) -> None:
    session = ChannelSession("b", Heard())
    for _ in range(5):
        for _ in range(MOST_REQUESTS):
            session.receive(PING)
        await trio.sleep(WINDOW_SECONDS)
    session.tell("notifications/x", {})
    assert not session._closed.is_set()


async def test_a_closed_channel_looks_at_nothing_any_more(autojump_clock: trio.testing.MockClock) -> None:
    session, heard = ChannelSession("b", inbox := Heard()), Heard()
    session.close("it is over")
    for line in (PING, b"garbage", b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'):
        session.receive(line)
    assert (session.garbage, inbox.methods, heard.notes) == (0, [], [])


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 10 * PIECE + 7])
@pytest.mark.parametrize("filling", [b"x", b"\n", b"\r", b"\r\n", PING + b"\n"])
def test_pieces_are_the_chunk_again_and_small_where_it_has_many_lines(filling: bytes, size: int) -> None:
    chunk = (filling * size)[:size]
    pieces = in_pieces(chunk)
    assert b"".join(pieces) == chunk
    assert max(map(len, pieces)) <= PIECE or chunk.count(b"\n") + chunk.count(b"\r") <= FEW_LINES


@asynccontextmanager
async def over_http(endpoint: ScriptedEndpoint, inbox: Inbox) -> AsyncGenerator[BackendSession]:
    """A session with the endpoint, after its handshake."""
    async with open_site(endpoint) as site, HttpConnector("b", "http://backend.test/mcp", {}, site.open_stream)(inbox) as session:
        await shake_hands(session, name="test", version="1")
        yield session


async def turns_beside(nursery: trio.Nursery, receiving: list[int]) -> list[int]:
    """How much had been received at each turn of a task that always wants one."""
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(receiving[0])
            await trio.lowlevel.checkpoint()

    nursery.start_soon(other)
    return turns


class _Counting(Heard):
    """Counts notifications."""

    def __init__(self) -> None:
        super().__init__()
        self.count = [0]

    def notification(self, method: str, params: dict[str, Raw]) -> None:
        del method, params
        self.count[0] += 1


CHANGED = b'{"jsonrpc":"2.0","method":"notifications/x"}'
FLOOD = 2000


async def heard_turn_by_turn(session: BackendSession, inbox: _Counting) -> None:
    """Have the backend send its flood, and look how much of it is taken before others get their turn."""
    async with trio.open_nursery() as nursery:
        turns = await turns_beside(nursery, inbox.count)
        await session.request(Call("tools/call", "flood", {"name": Raw(b'"flood"')}))
        nursery.cancel_scope.cancel()
    assert inbox.count[0] == FLOOD
    most = PIECE // len(CHANGED) + 1
    assert max(after - before for before, after in pairwise(turns)) <= 2 * most  # of two turns ours may be the first and then the last


async def test_a_flood_on_a_pipe_is_read_a_little_at_a_time(nursery: trio.Nursery) -> None:
    async def program(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
        await stdin.receive_some()
        await stdout.send_all((CHANGED + b"\n") * FLOOD + b'{"jsonrpc":"2.0","id":1,"result":{}}\n')
        await stdin.receive_some()
        return 0

    table, inbox = ProcessTable(nursery), _Counting()
    table.add("server", program)
    async with StdioConnector("b", "server", open_process=table.open_process)(inbox) as session:
        await heard_turn_by_turn(session, inbox)


async def test_a_flood_on_a_stream_of_events_is_read_a_little_at_a_time(nursery: trio.Nursery) -> None:
    async def flood(answer: Answer) -> None:
        await answer.stream()
        await answer._send({"type": "http.response.body", "body": format_event(CHANGED) * FLOOD, "more_body": True})
        await answer.event(answer.response(result={}))
        await answer.end()

    inbox = _Counting()
    async with over_http(ScriptedEndpoint(on={"tools/call": flood}), inbox) as session:
        await heard_turn_by_turn(session, inbox)


@pytest.mark.parametrize("what", TOO_MANY)
async def test_a_flood_on_the_standing_stream_ends_the_session(what: str, autojump_clock: trio.testing.MockClock) -> None:
    line, most, reason = TOO_MANY[what]

    async def listen(answer: Answer) -> None:
        await answer.stream()
        await answer._send({"type": "http.response.body", "body": format_event(line) * (most + 10), "more_body": True})
        await answer.wait_gone()

    async with over_http(ScriptedEndpoint(on={"GET": listen}), Heard()) as session:
        assert f"it sent {most + 1} {reason} within 0.0 s" in str(await session.wait_closed())


async def test_what_came_is_counted_on_through_all_sessions_of_a_backend(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async def program(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
        await stderr.send_all(b"oh dear\n\n" * 300)
        await stdout.send_all(PING + b"\n" + ASK + b"\n" + b"hello\n" + ANSWER + b"\n" + NOTE + b"\n")
        await stdin.receive_some()
        return 0

    table = ProcessTable(nursery)
    table.add("server", program)
    backend = Backend(Link("b", StdioConnector("b", "server", open_process=table.open_process)))
    for _ in range(2):
        async with backend.link.connector(backend.link):
            await trio.sleep(1)
    told = backend.statistics()
    assert (told.requests, told.garbage, told.stderr_lines) == (4, 4, 600)
    assert told.stderr_left_out == 600 - 2 * 200

    async def ask(answer: Answer) -> None:
        await answer.stream()
        await answer._send({"type": "http.response.body", "body": format_event(PING) + format_event(b"hello"), "more_body": True})
        await answer.wait_gone()

    over = Backend(Link("b", backend.link.connector))
    async with over_http(ScriptedEndpoint(on={"GET": ask}), over.link):
        await trio.sleep(1)
    assert (over.statistics().requests, over.statistics().garbage) == (1, 1)


async def test_what_waits_for_a_backend_that_does_not_read_is_told(autojump_clock: trio.testing.MockClock) -> None:
    backend = Backend(Link("b", AttachedConnector(None)))
    assert (backend.statistics().unread, backend.statistics().unread_bytes) == (None, None)
    backend.link.session = session = ChannelSession("b", backend.link)
    session.tell("notifications/one", {})
    session.tell("notifications/another", {})
    size = len(await session.next_frame() or b"")
    told = backend.statistics()
    assert (told.unread, told.unread_bytes) == (1, 2 * size + len("another") - len("one"))

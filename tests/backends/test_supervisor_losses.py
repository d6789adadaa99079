"""Backends that get lost at an awkward moment, or never stop talking about their lists."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise

import attrs
import trio
import trio.testing

from sluicegate.backends.backend import Backend
from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.link import Link, State
from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.settings import RestartSettings
from sluicegate.protocol.messages import Request, decode, encode, encode_error, encode_notification, encode_result
from sluicegate.protocol.offers import TOOLS

# The numbers that are promised. Taken from the source they would move with it.
MOST_BYTES = 64 * 1024 * 1024

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}


@attrs.define
class Peer:
    """A backend with one tool that may do odd things with its list."""

    closes: bool = False
    """Loses the connection when it is asked for its list."""
    fails: bool = False
    """Answers with an error when it is asked for its list."""
    chatters: bool = False
    """Says that its list has changed whenever it is asked for it."""
    swells: bool = False
    """Sends page after page."""
    pages: tuple[tuple[str, str | None], ...] = ()
    """Names of tools with the cursor that follows each; one page after the other."""
    asked: int = 0
    transport: str = "odd"

    @asynccontextmanager
    async def __call__(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        session = ChannelSession("b", inbox)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.converse, session)
            yield session
            session.close("left")

    async def converse(self, session: ChannelSession) -> None:
        while (frame := await session.next_frame()) is not None:
            message = decode(frame)
            if isinstance(message, Request):
                session.receive(self.answer(message, session))

    def answer(self, request: Request, session: ChannelSession) -> bytes:
        if request.method == "initialize":
            return encode_result(request.id, encode(HELLO))
        self.asked += 1
        if self.closes:
            session.close("it ran out of memory")
        if self.chatters:
            session.receive(encode_notification(TOOLS.changed, {}))
        if self.fails:
            return encode_error(request.id, b'{"code":-32603,"message":"no list today"}')
        if self.pages:
            name, cursor = self.pages[min(self.asked, len(self.pages)) - 1]
            return encode_result(
                request.id, encode({"tools": [{"name": name, "inputSchema": {}}]} | ({} if cursor is None else {"nextCursor": cursor}))
            )
        page: dict[str, object] = {"tools": [{"name": "t", "inputSchema": {}, "x": "y" * (1_000_000 if self.swells else 1)}]}
        return encode_result(request.id, encode(page | ({"nextCursor": str(self.asked)} if self.swells else {})))


@asynccontextmanager
async def supervised(peer: Peer) -> AsyncGenerator[Backend, None]:
    backend = Backend(Link("b", peer))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(backend.link, RestartSettings(1.0, 8.0, 3, 60.0), 5, random.Random(1)).run)
        yield backend
        nursery.cancel_scope.cancel()


async def test_a_backend_lost_while_its_lists_are_read_was_never_ready(autojump_clock: trio.testing.MockClock) -> None:
    async with supervised(Peer(closes=True)) as backend:
        await backend.wait_for(lambda backend: backend.state is not State.STARTING)
        assert backend.state is State.RESTARTING
        assert "it ran out of memory" in backend.error
        assert backend.offer is None


async def test_a_restart_that_fails_while_lists_are_read_keeps_the_offer_from_before(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer()
    async with supervised(peer) as backend:
        await backend.wait_for(lambda backend: backend.is_up)
        peer.closes = True
        session = backend.link.session
        assert isinstance(session, ChannelSession)
        session.close("it crashed")
        await trio.sleep(20)
        assert backend.restarts >= 2
        assert backend.offer is not None
        assert backend.offer.has(TOOLS, "t")


async def test_a_list_that_the_backend_refuses_counts_as_empty(autojump_clock: trio.testing.MockClock) -> None:
    async with supervised(Peer(fails=True)) as backend:
        await backend.wait_for(lambda backend: backend.is_up)
        assert backend.offer is not None
        assert backend.offer.lists[TOOLS] == ()


async def test_a_backend_whose_list_changes_by_being_read_is_not_read_without_end(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(chatters=True)
    async with supervised(peer) as backend:
        await backend.wait_for(lambda backend: backend.is_up)
        with trio.move_on_after(10):
            while peer.asked < 1000:
                await trio.lowlevel.checkpoint() if peer.asked > 100 else await trio.sleep(0.001)
        assert 2 <= peer.asked <= 30


async def test_a_list_without_an_end_is_cut_at_a_bound(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(swells=True)
    async with supervised(peer) as backend:
        await backend.wait_for(lambda backend: backend.is_up)
        assert peer.asked <= MOST_BYTES // 1_000_000 + 1


async def test_an_empty_cursor_is_a_cursor_like_any_other(autojump_clock: trio.testing.MockClock) -> None:
    assert await listed(Peer(pages=(("one", ""), ("two", "x"), ("three", None)))) == ["one", "two", "three"]


async def test_an_empty_cursor_that_leads_back_to_the_beginning_was_the_end(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(pages=(("one", "x"), ("two", ""), ("one", "x"), ("two", "")))
    assert await listed(peer) == ["one", "two"]
    assert peer.asked == 3


async def listed(peer: Peer) -> list[str]:
    async with supervised(peer) as backend:
        await backend.wait_for(lambda backend: backend.is_up)
        assert backend.offer is not None
        return [item.key for item in backend.offer.lists[TOOLS]]


async def test_a_backend_that_flaps_is_tried_at_the_longest_pause_until_it_stays_up(autojump_clock: trio.testing.MockClock) -> None:
    lives: list[float] = []
    async with supervised(Peer()) as backend:
        for seconds in (*[0.1] * 20, 61, 0.1):
            await backend.wait_for(lambda backend: backend.is_up)
            lives.append(trio.current_time())
            await trio.sleep(seconds)
            assert isinstance(backend.link.session, ChannelSession)
            backend.link.session.close("it crashed")
            await backend.wait_for(lambda backend: not backend.is_up)
            await backend.wait_for(lambda backend: backend.state is not State.READY)
            assert (backend.state is State.CRASH_LOOPING) == (3 <= len(lives) <= 20)
    pauses = [later - earlier for earlier, later in pairwise(lives[2:21])]
    assert all(4 <= pause <= 8.2 for pause in pauses)

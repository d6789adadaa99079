"""New connections and large bodies take turns, so that many of them hold up a small request by one or two at most. On the mock clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
import trio
import trio.testing
from tests.kit.front import GET, Front, HandClient, open_front
from tests.kit.rounds import Rounds

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.accepting import REST
from sluicegate.http1.sockets import MOST_READ
from sluicegate.testing.memory_wire import MemoryNetwork

CROWD = 8
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


class Site:
    """Notes the round of the loop in which each piece of each request comes to the application."""

    def __init__(self) -> None:
        self.rounds = Rounds()
        self.begun: list[int] = []
        self.pieces: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        self.begun.append(self.rounds.now)
        more = True
        while more:
            more = (await receive())["more_body"]
            self.pieces.append(self.rounds.now)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def front(site: Site, autojump_clock: trio.testing.MockClock) -> AsyncGenerator[Front, None]:
    async with open_front(site, network=MemoryNetwork(buffer=4 * MOST_READ)) as front:
        trio.lowlevel.add_instrument(site.rounds)
        yield front
        trio.lowlevel.remove_instrument(site.rounds)


async def dial(front: Front, number: int) -> list[HandClient]:
    """Clients whose connections have been taken."""
    clients = [await front.dial() for _ in range(number)]
    await trio.testing.wait_all_tasks_blocked()
    return clients


async def say_at_once(clients: list[HandClient], what: bytes) -> None:
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(client.say, what)
    for client in clients:
        assert (await client.answer()).status == 200


async def test_what_new_connections_say_first_is_read_in_turns(front: Front, site: Site) -> None:
    """Whether they were taken together, or have waited since."""
    await say_at_once(await dial(front, CROWD), GET)
    apart = [later - earlier for earlier, later in pairwise(site.begun)]
    assert len(apart) == CROWD - 1
    assert min(apart) > REST


async def test_who_was_heard_before_waits_for_none_of_them(front: Front, site: Site) -> None:
    old = await dial(front, 2)
    await say_at_once(old, GET)
    new = await dial(front, CROWD)
    site.begun.clear()
    async with trio.open_nursery() as nursery:
        for client in (*new, *old):
            nursery.start_soon(client.say, GET)
        for client in (*new, *old):
            nursery.start_soon(client.answer)
    assert len(site.begun) == CROWD + len(old)
    assert site.begun[len(old)] - site.begun[0] <= 1, "a new one and both old ones come first"


async def test_connections_are_taken_in_turns(front: Front, site: Site) -> None:
    taken: list[int] = []

    class Taking(trio.abc.Instrument):
        def task_spawned(self, task: trio.lowlevel.Task) -> None:
            if task.name.endswith("_carry"):
                taken.append(site.rounds.now)

    trio.lowlevel.add_instrument(taking := Taking())
    async with trio.open_nursery() as nursery:
        for _ in range(CROWD):
            nursery.start_soon(front.dial)
    await trio.testing.wait_all_tasks_blocked()
    trio.lowlevel.remove_instrument(taking)
    apart = [later - earlier for earlier, later in pairwise(taken)]
    assert len(apart) == CROWD - 1
    assert min(apart) > REST


async def test_who_speaks_as_soon_as_it_is_taken_has_one_turn_for_both(front: Front, site: Site) -> None:
    async with trio.open_nursery() as nursery:
        clients = [await front.dial() for _ in range(CROWD)]
        for client in clients:
            nursery.start_soon(client.say, GET)
    for client in clients:
        assert (await client.answer()).status == 200
    apart = [later - earlier for earlier, later in pairwise(site.begun)]
    assert len(apart) == CROWD - 1
    assert REST < min(apart[1:]) <= max(apart) < 2 * REST, "the first was taken before it spoke"


async def test_one_piece_of_a_large_body_is_read_in_a_round(front: Front, site: Site) -> None:
    """With eight bodies of four mebibytes each round read a piece of all of them, and a small call waited five times as long."""
    clients = await dial(front, CROWD)
    await say_at_once(clients, GET)
    site.pieces.clear()
    await say_at_once(clients, PUT % (8 * MOST_READ) + bytes(8 * MOST_READ))
    together = [site.pieces.count(now) for now in set(site.pieces)]
    assert sum(together) >= 8 * CROWD
    assert sum(number > 2 for number in together) <= 2, "but for the first pieces, which nobody knows to be large"

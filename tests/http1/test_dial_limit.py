"""Who may connect when many want to at once: a host that does not answer must not tie up what others need. In memory, on the mock clock."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.farside import FarSide, Talk

from sluicegate.http1.client.dial_limit import DialLimit
from sluicegate.http1.client.failures import Broken, Unreachable
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.http1.client.settings import ClientSettings

CALLERS = 200


@attrs.define(eq=False)
class SlowHost:
    """Connecting takes a while, or never ends."""

    seconds: float
    far: FarSide = attrs.field(factory=FarSide)
    now: int = 0
    most: int = 0
    """Attempts at once."""

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await trio.sleep(self.seconds)
        finally:
            self.now -= 1
        return await self.far.open_stream(host, port)

    async def serve(self) -> None:
        """Answer each request after a second."""

        async def carry(talk: Talk) -> None:
            with trio.CancelScope() as scope:
                while not scope.cancelled_caught:
                    try:
                        await talk.hear()
                    except AssertionError:
                        return
                    await trio.sleep(1)
                    await talk.answer()

        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(carry, await self.far.accept())


@asynccontextmanager
async def client_of(host: SlowHost, settings: ClientSettings | None = None) -> AsyncGenerator[HttpClient]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.serve)
        async with open_client(parse_address("http://far.test").origin, open_stream=host.open_stream, settings=settings) as client:
            yield client
        assert host.far.open == 0
        nursery.cancel_scope.cancel()


async def get(client: HttpClient, ends: list[str]) -> None:
    try:
        response = await client.request(b"GET", b"/")
        ends.append((await response.read(100)).decode())
    except (Broken, Unreachable) as error:
        ends.append(str(error))


async def test_few_at_once_wait_for_a_host_that_does_not_answer(autojump_clock: trio.testing.MockClock) -> None:
    """Each attempt may hold one of 40 threads that look up names for everybody, and longer than we wait for it."""
    host, ends = SlowHost(float("inf")), list[str]()
    async with client_of(host) as client:
        async with trio.open_nursery() as callers:
            for _ in range(CALLERS):
                callers.start_soon(get, client, ends)
        assert ends == ["no connection within 30 s"] * CALLERS
        assert (host.most, trio.current_time(), client.busy) == (4, 30.0, 0)


async def test_many_at_once_connect_where_that_works(autojump_clock: trio.testing.MockClock) -> None:
    host, ends = SlowHost(0.1), list[str]()
    async with client_of(host) as client, trio.open_nursery() as callers:
        for _ in range(CALLERS):
            callers.start_soon(get, client, ends)
        await trio.sleep(0.65)
        assert len(host.far.ends) == CALLERS  # 4, 8, 16, 32, 64, and the rest
    assert ends == ["ok"] * CALLERS
    assert trio.current_time() < 2


async def test_who_waits_for_a_turn_takes_a_connection_that_comes_back(autojump_clock: trio.testing.MockClock) -> None:
    host, ends = SlowHost(0), list[str]()
    async with client_of(host) as client, trio.open_nursery() as callers:
        callers.start_soon(get, client, ends)
        await trio.sleep(0.5)
        host.seconds = float("inf")
        for _ in range(12):
            callers.start_soon(get, client, ends)
        await trio.sleep(6)
        assert ends == ["ok"] * 6
        host.seconds = 0
        await trio.sleep(24)
    assert ends.count("ok") + ends.count("no connection within 30 s") == 13


async def test_a_failure_lets_the_next_ones_try(autojump_clock: trio.testing.MockClock) -> None:
    host, ends = SlowHost(1), list[str]()
    host.far.down = True
    async with client_of(host) as client:
        async with trio.open_nursery() as callers:
            for _ in range(10):
                callers.start_soon(get, client, ends)
        assert ends == ["Connection refused"] * 10
        assert (host.most, trio.current_time()) == (4, 3.0)
        host.far.down = False
        await get(client, ends)
        assert ends[-1] == "ok"


@pytest.mark.parametrize("connects", [True, False])
async def test_whoever_gives_up_takes_nobodys_turn(connects: bool, autojump_clock: trio.testing.MockClock) -> None:
    host, ends = SlowHost(5 if connects else float("inf")), list[str]()
    async with client_of(host, ClientSettings(connect_seconds=1000)) as client:
        for start in (1, 2, 3):  # those that connect, those that wait, all
            async with trio.open_nursery() as callers:
                with trio.move_on_after(start):
                    async with trio.open_nursery() as fickle:
                        for _ in range(10):
                            fickle.start_soon(get, client, ends)
                host.seconds = 0
                for _ in range(10):
                    callers.start_soon(get, client, ends)
            host.seconds = 5 if connects else float("inf")
            assert ends == ["ok"] * 10
            ends.clear()
            await trio.sleep(5)


async def test_a_cut_and_the_end_reach_who_waits_for_a_turn(autojump_clock: trio.testing.MockClock) -> None:
    host, ends = SlowHost(float("inf")), list[str]()

    async def one(purpose: str) -> None:
        with pytest.raises(Unreachable) as caught:
            await client.request(b"GET", b"/", purpose=purpose)
        ends.append(str(caught.value))

    async with trio.open_nursery() as callers, client_of(host) as client:
        for purpose in ("a", "b") * 5:
            callers.start_soon(one, purpose)
        await trio.sleep(1)
        client.cut("a", "enough")
        await trio.testing.wait_all_tasks_blocked()
        assert ends == ["enough"] * 5
    assert ends == ["enough"] * 5 + ["the client is closed"] * 5


async def test_who_has_waited_longest_has_the_next_turn(nursery: trio.Nursery) -> None:
    turns, order = DialLimit(), list[int]()

    async def wait(number: int) -> None:
        assert await turns.wait()
        order.append(number)

    while turns.take():
        pass
    for number in range(3):
        nursery.start_soon(wait, number)
        await trio.testing.wait_all_tasks_blocked()
    for _ in range(3):
        turns.call_next(has_turn=True)
        await trio.testing.wait_all_tasks_blocked()
    assert order == [0, 1, 2]


@pytest.mark.parametrize("has_turn", [True, False])
async def test_who_gives_up_just_when_it_was_called_passes_that_on(has_turn: bool, nursery: trio.Nursery) -> None:
    turns, heard = DialLimit(), list[tuple[str, bool]]()
    first = trio.CancelScope()

    async def wait(name: str, scope: trio.CancelScope) -> None:
        with scope:
            heard.append((name, await turns.wait()))

    while turns.take():
        pass
    for name, scope in (("first", first), ("second", trio.CancelScope())):
        nursery.start_soon(wait, name, scope)
        await trio.testing.wait_all_tasks_blocked()
    first.cancel()  # it has not heard of that yet
    if has_turn:
        turns.give_back(worked=False)
    else:
        turns.call_next()
    await trio.testing.wait_all_tasks_blocked()
    assert heard == [("second", has_turn)]
    assert (turns.are_awaited, turns.take()) == (False, False)
    turns.give_back(worked=False)
    assert turns.take()


async def test_an_attempt_that_works_lets_one_more_run_and_failures_leave_a_few() -> None:
    turns = DialLimit()

    def free() -> int:
        taken = 0
        while turns.take():
            taken += 1
        return taken

    few = free()
    assert few == 4
    turns.give_back(worked=True)
    assert free() == 2
    for _ in range(few):
        turns.give_back(worked=True)
    most = 2 * few + 1
    assert free() == most - 1
    turns.give_back(worked=False)
    assert free() == 0
    for _ in range(most - 5):
        turns.give_back(worked=False)
    assert free() == 0
    turns.give_back(worked=False)
    assert free() == 1
    for _ in range(4):
        turns.give_back(worked=False)
    assert free() == 4
    await trio.lowlevel.checkpoint()


def test_a_failure_halves_what_may_run_at_once() -> None:
    turns = DialLimit()
    while turns.take():
        pass
    for _ in range(16):
        turns.give_back(worked=True)
        assert (turns.take(), turns.take(), turns.take()) == (True, True, False)
    turns.give_back(worked=False)
    for _ in range(4):  # 19 of 20 run, and ten may; each that works lets one more, and is one less
        turns.give_back(worked=True)
        assert not turns.take()
    turns.give_back(worked=True)
    assert (turns.take(), turns.take()) == (True, False)

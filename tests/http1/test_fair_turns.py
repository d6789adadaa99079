"""Large work takes turns, and small work passes between. On the mock clock."""

from collections.abc import AsyncGenerator
from functools import partial

import pytest
import trio
import trio.testing
from tests.kit.farside import FarSide
from tests.kit.rounds import Rounds

from sluicegate.http1.client.failures import Broken
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.http1.fair_turns import FairTurns
from sluicegate.http1.sockets import MOST_READ


@pytest.fixture
async def turns() -> AsyncGenerator[FairTurns]:
    async with trio.open_nursery() as nursery:
        turns = FairTurns()
        nursery.start_soon(turns.run)
        await trio.testing.wait_all_tasks_blocked()
        yield turns
        nursery.cancel_scope.cancel()


async def test_who_is_alone_passes_at_once(turns: FairTurns, autojump_clock: trio.testing.MockClock) -> None:
    for _ in range(3):
        assert turns.enter()
        await trio.testing.wait_all_tasks_blocked()


async def test_one_passes_in_a_round_and_they_keep_their_order(turns: FairTurns, autojump_clock: trio.testing.MockClock) -> None:
    passed: list[tuple[int, int]] = []
    rounds = Rounds()

    async def pass_twice(number: int) -> None:
        for _ in range(2):
            await turns.wait()
            passed.append((number, rounds.now))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(pass_twice, number)
            await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(rounds)
        assert turns.enter()
        assert not turns.enter()
    trio.lowlevel.remove_instrument(rounds)
    assert [number for number, _ in passed] == [0, 1, 2, 3, 4] * 2
    times = [time for _, time in passed]
    assert times == list(range(times[0], times[0] + 10))


@pytest.mark.parametrize("rest", [1, 3])
async def test_where_there_is_a_rest_nobody_passes_for_so_many_rounds(rest: int, autojump_clock: trio.testing.MockClock) -> None:
    turns, passed, rounds = FairTurns(rest), list[int](), Rounds()

    async def pass_once() -> None:
        if not turns.enter():
            await turns.wait()
        passed.append(rounds.now)

    trio.lowlevel.add_instrument(rounds)
    async with trio.open_nursery() as owner:
        owner.start_soon(turns.run)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(pass_once)
        await trio.testing.wait_all_tasks_blocked()
        assert turns.enter(), "after a rest it is open to everybody"
        owner.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(rounds)
    first, *others = passed
    assert others[0] >= first + 1 + rest
    assert others == list(range(others[0], others[0] + 3 * (1 + rest), 1 + rest))


async def test_whose_turn_it_is_passes_again_until_somebody_else_does(autojump_clock: trio.testing.MockClock) -> None:
    turns = FairTurns(2)
    async with trio.open_nursery() as owner:
        owner.start_soon(turns.run)
        await trio.testing.wait_all_tasks_blocked()
        assert turns.enter()
        mine = turns.turn
        assert turns.enter(mine)
        assert not turns.enter()
        await turns.wait()
        assert turns.turn != mine
        assert not turns.enter(mine)
        assert turns.enter(turns.turn)
        await trio.testing.wait_all_tasks_blocked()
        assert turns.enter(turns.turn)
        assert not turns.enter(), "after the rest it was a turn like others"
        owner.cancel_scope.cancel()


async def test_who_gives_up_holds_up_nobody(turns: FairTurns, autojump_clock: trio.testing.MockClock) -> None:
    passed: list[int] = []
    scopes = [trio.CancelScope() for _ in range(4)]

    async def pass_once(number: int) -> None:
        with scopes[number]:
            await turns.wait()
            passed.append(number)
            if number == 0:
                scopes[1].cancel()  # it may have been called by now
                scopes[2].cancel()

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(pass_once, number)
            await trio.testing.wait_all_tasks_blocked()
        assert turns.enter()
    assert passed[0] == 0
    assert passed[-1] == 3
    await trio.testing.wait_all_tasks_blocked()
    assert turns.enter()


async def test_nobody_waits_for_a_lane_that_has_ended(autojump_clock: trio.testing.MockClock) -> None:
    turns, passed = FairTurns(), list[int]()

    async def pass_once(number: int) -> None:
        await turns.wait()
        passed.append(number)

    async with trio.open_nursery() as nursery, trio.open_nursery() as owner:
        owner.start_soon(turns.run)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            nursery.start_soon(pass_once, number)
        await trio.testing.wait_all_tasks_blocked()
        assert turns.enter()
        owner.cancel_scope.cancel()
    assert sorted(passed) == [0, 1, 2]
    assert turns.enter()
    assert turns.enter()


async def test_closing_the_client_breaks_large_answers_too(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(buffer=1 << 20)
    broken: list[str] = []

    async def carry() -> None:
        talk = await far.accept()
        await talk.hear()
        await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 4 * MOST_READ)

    async def fetch(client: HttpClient) -> None:
        response = await client.request(b"GET", b"/")
        with pytest.raises(Broken) as error:
            await response.read(10_000_000)
        broken.append(str(error.value))

    origin = parse_address("http://far.test").origin
    async with trio.open_nursery() as nursery, open_client(origin, open_stream=far.open_stream) as client:
        for _ in range(4):
            nursery.start_soon(carry)
            nursery.start_soon(fetch, client)
        await trio.testing.wait_all_tasks_blocked()
    assert broken == ["the client is closed"] * 4


async def test_large_answers_come_whole_and_small_ones_do_not_wait_for_them(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(buffer=1 << 20)
    large = bytes(range(256)) * (MOST_READ // 32)
    came: list[str] = []
    rounds = Rounds()

    async def carry(body: bytes) -> None:
        talk = await far.accept()
        await talk.hear()
        await talk.answer(body)

    async with open_client(parse_address("http://far.test").origin, open_stream=far.open_stream) as client:

        async def fetch(name: str, body: bytes) -> None:
            response = await client.request(b"GET", b"/")
            assert await response.read(len(body)) == body
            came.append(name)

        async with trio.open_nursery() as nursery:
            for name, body in [("large", large)] * 5 + [("small", b"small")]:
                nursery.start_soon(carry, body)
                nursery.start_soon(partial(fetch, name, body))
                await trio.lowlevel.checkpoint()
            trio.lowlevel.add_instrument(rounds)
        trio.lowlevel.remove_instrument(rounds)
    assert came == ["small", *["large"] * 5]
    assert rounds.now >= 5 * (len(large) // MOST_READ - 2)


async def test_who_has_given_up_takes_no_round(turns: FairTurns, autojump_clock: trio.testing.MockClock) -> None:
    passed: list[int] = []
    rounds = Rounds()

    async def pass_once() -> None:
        await turns.wait()
        passed.append(rounds.now)

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as impatient:
            for _ in range(20):
                impatient.start_soon(turns.wait)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(pass_once)
            await trio.testing.wait_all_tasks_blocked()
            impatient.cancel_scope.cancel()
        trio.lowlevel.add_instrument(rounds)
        assert turns.enter()
    trio.lowlevel.remove_instrument(rounds)
    assert passed[0] <= 3

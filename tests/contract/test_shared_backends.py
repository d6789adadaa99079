"""What holds for two clients that call one backend at the same time, whatever carries them: each has its own, and nothing of the other's."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing
from tests.flows.asked_clients import FRONTS, AskedClient, Json, two_clients

from sluicegate.testing.script import Delay, Echo, Note, Step
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
both_fronts = pytest.mark.parametrize("fronts", tuple(itertools.combinations_with_replacement(FRONTS, 2)), ids="-".join)
backs = pytest.mark.parametrize("back", Transport)
TOKEN = "the same"


def telling(first: float) -> Step:
    """Tells of its progress three times, a second apart."""
    return Note(first, Delay(1, Note(first + 1, Delay(1, Note(first + 2, Delay(1, Echo()))))))


async def until_answered(here: AskedClient) -> list[Json]:
    """All that is heard, the answer last."""
    heard = [await here.hear()]
    while "method" in heard[-1]:
        heard.append(await here.hear())
    return heard


async def is_silent(here: AskedClient) -> bool:
    """Whether nothing else comes."""
    with trio.move_on_after(100):
        await here.hear()
        return False
    return True


@both_fronts
@backs
async def test_progress_reaches_the_client_whose_call_it_is_also_where_the_other_uses_the_same_token_and_id(
    fronts: tuple[str, str], back: Transport, autojump_clock: Clock
) -> None:
    async with two_clients(fronts, back, telling(10), telling(20)) as clients:
        for number, here in enumerate(clients):
            await here.call(7, arguments={"who": number}, _meta={"progressToken": TOKEN})
            await trio.sleep(0.5)
        for first, here in zip((10, 20), clients, strict=True):
            *notes, answer = await until_answered(here)
            assert [(note["params"]["progressToken"], note["params"]["progress"]) for note in notes] == [
                (TOKEN, first),
                (TOKEN, first + 1),
                (TOKEN, first + 2),
            ]
            assert answer["id"] == 7
            assert f'{{"who":{first // 10 - 1}}}' in answer["result"]["content"][0]["text"]
        assert [await is_silent(here) for here in clients] == [True, True]


@both_fronts
@backs
async def test_who_asked_for_no_progress_hears_of_none_beside_one_who_did(
    fronts: tuple[str, str], back: Transport, autojump_clock: Clock
) -> None:
    async with two_clients(fronts, back, telling(10), telling(20)) as (one, other):
        await one.call(7)
        await other.call(7, _meta={"progressToken": TOKEN})
        assert len(await until_answered(one)) == 1
        assert len(await until_answered(other)) == 4


@both_fronts
@backs
async def test_a_client_that_gives_up_takes_back_its_own_call_alone(
    fronts: tuple[str, str], back: Transport, autojump_clock: Clock
) -> None:
    async with two_clients(fronts, back, telling(10), telling(20)) as (one, other):
        for here in (one, other):
            await here.call(7, _meta={"progressToken": TOKEN})
            await trio.sleep(0.25)
        await one.client.say(method="notifications/cancelled", params={"requestId": 7})
        *notes, answer = await until_answered(other)
        assert [note["params"]["progress"] for note in notes] == [20, 21, 22]
        assert "result" in answer
        assert one.backend.cancelled == [1]


@both_fronts
@backs
async def test_of_two_calls_with_the_same_id_each_client_gets_the_answer_to_its_own(
    fronts: tuple[str, str], back: Transport, autojump_clock: Clock
) -> None:
    async with two_clients(fronts, back, Delay(5), Delay(1)) as clients:
        for number, here in enumerate(clients):
            await here.call(7, arguments={"who": number})
            await trio.sleep(0.5)
        assert [await here.text() for here in clients] == [f'echo {{"who":{number}}} #{number + 1}' for number in range(2)]
        assert [await is_silent(here) for here in clients] == [True, True]

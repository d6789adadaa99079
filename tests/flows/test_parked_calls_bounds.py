"""How many calls may be parked, whose they are, and what stays of them: nothing, whenever and however they end."""

from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import EVERYTHING, Json
from tests.flows.lone_clients import PARKED_SECONDS, LoneHouse, is_asked, lone_house, text_of
from tests.kit.personal import PersonalBackend

from sluicegate.frontends.app import App
from sluicegate.testing import Trial, cancel_at_every_checkpoint
from sluicegate.testing.script import Answer, Ask, Delay
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock
FULL = "no_place_to_wait"


def parked(here: LoneHouse) -> int:
    count = here.gateway.statistics()["parking"][""].parked  # type: ignore[attr-defined]
    assert isinstance(count, int)
    return count


async def test_beyond_the_bound_client_and_backend_hear_why(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, *(Ask() for _ in range(4)), most=2) as here:
        first, second = here.client(1), here.client(2)
        asked = await first.call()
        assert is_asked(await second.call())
        refused = await here.client(3).call()
        assert refused["error"]["data"]["reason"] == FULL
        assert "there are 2 calls already that wait for answers" in refused["error"]["message"]
        await trio.sleep(1)
        answer = here.backend.answers[-1]
        assert FULL.encode() in bytes(answer.error or b""), "the backend has its answer, too"
        assert parked(here) == 2
        assert text_of(await first.come_back(asked)) == '{"action":"accept"}'
        assert is_asked(await here.client(3).call()), "a place is free again"


async def test_one_owner_has_as_many_as_are_left_for_others(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, *(Ask() for _ in range(6)), most=4) as here:
        many = here.client(1)
        assert [is_asked(await many.call()) for _ in range(3)] == [True, True, False]
        assert is_asked(await here.client(2).call())
        assert parked(here) == 3


async def test_a_call_that_was_parked_once_keeps_its_place(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask(then=Delay(5, Ask())), Ask(), most=1) as here:
        one, other = here.client(1), here.client(2)
        asked, again = await one.call(), Json()

        async def come_back() -> None:
            again.update(await one.come_back(asked))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come_back)
            await trio.sleep(1)
            assert (await other.call())["error"]["data"]["reason"] == FULL
        assert text_of(await one.come_back(again)) == '{"action":"accept"}'


async def test_without_the_setting_nobody_is_told_that_he_may_ask(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with lone_house(Transport.FRAMES, backend=backend, most=0) as here:
        await here.client().call()
        assert [can for can, _ in backend.people] == [{}]


async def test_a_backend_hears_what_this_client_can_do_and_asks_nothing_else(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask("roots/list", {}), Ask("roots/list", {})) as here:
        assert "no capability" in text_of(await here.client(can={"elicitation": {}}).call())
        assert is_asked(await here.client(can={"roots": {}}).call())


async def test_a_client_that_cannot_be_asked_needs_no_session(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b")
    async with lone_house(Transport.FRAMES, backend=backend) as here:
        await here.client(can={}).call()
        assert len(backend.people) == 1


async def test_lists_are_those_of_the_session_that_would_serve(autojump_clock: Clock) -> None:
    backend = PersonalBackend(name="b", more={"elicitation": ["ask"]})
    async with lone_house(Transport.FRAMES, backend=backend) as here:
        for can, expected in ((EVERYTHING, ["b_ask", "b_echo"]), ({}, ["b_echo"])):
            for _ in range(2):
                listed = await here.client(can=dict(can)).ask("tools/list")
                assert sorted(tool["name"] for tool in listed["result"]["tools"]) == expected
        await trio.sleep(5)
        assert here.is_empty()


async def test_a_large_request_takes_its_room_until_the_call_has_ended(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask()) as here:
        client, app = here.client(), here.gateway.asgi_app
        assert isinstance(app, App)
        table = app.sessions
        large: Json = {"name": "b_echo", "arguments": {"x": "y" * 100_000}}
        asked = await client.ask("tools/call", **large)
        assert table._open_bytes > 100_000
        answers = {name: {"action": "accept"} for name in asked["result"]["inputRequests"]}
        back: Json = {"inputResponses": answers, "requestState": asked["result"]["requestState"]}
        assert text_of(await client.ask("tools/call", **large, **back)) == '{"action":"accept"}'
        await trio.sleep(1)
        assert table._open_bytes == 0


async def test_a_drain_ends_them(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, Ask()) as here:
        asked = await here.client().call()
        here.gateway.stop_accepting()
        await trio.sleep(1)
        assert here.is_empty()
        assert is_asked(asked)
        assert here.backend.answers[-1].error is not None


@pytest.mark.parametrize("back", Transport)
async def test_each_of_fifty_gets_his_own_question(back: Transport, autojump_clock: Clock) -> None:
    async with lone_house(back, *(Ask() for _ in range(50)), most=200, max_sessions=200) as here:
        texts: list[str] = []

        async def one(number: int) -> None:
            client = here.client(number % 5)
            asked = await client.call()
            await trio.sleep(number % 7)
            (name,) = asked["result"]["inputRequests"]
            texts.append(text_of(await client.come_back(asked, inputResponses={name: {"action": "accept", "content": {"n": number}}})))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(one, number)
        assert sorted(msgspec.json.decode(text)["content"]["n"] for text in texts) == list(range(50))
        await trio.sleep(20)
        assert here.is_empty()


async def test_it_may_be_cut_after_any_step_of_its_first_request(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, *(Ask() for _ in range(1000)), most=1000) as here:

        async def once() -> Json:
            return await here.client().call()

        async def check(trial: Trial[Json]) -> None:
            del trial
            await trio.sleep(PARKED_SECONDS + 10)
            assert here.is_empty()

        assert await cancel_at_every_checkpoint(once, check) > 1


async def test_it_may_be_cut_after_any_step_of_its_return(autojump_clock: Clock) -> None:
    async with lone_house(Transport.FRAMES, *(Ask(then=Delay(1, Answer("x"))) for _ in range(1000)), most=1000) as here:
        client, asked = here.client(), Json()

        async def once() -> str:
            return text_of(await client.come_back(asked))

        async def check(trial: Trial[str]) -> None:
            await trio.sleep(PARKED_SECONDS + 10)
            assert here.is_empty()
            assert trial.cut or trial.results == ("x",)
            asked.update(await client.call())

        asked.update(await client.call())
        assert await cancel_at_every_checkpoint(once, check) > 1

"""Which of very many open things end when, and what that costs (P-140)."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.frontends.standing import FEW, SHORTEST_SECONDS, Standing
from sluicegate.protocol.principal import NOBODY, Principal

Clock = trio.testing.MockClock
KNOWN = Principal("ann", shown=b"digest")


def ending(at: float) -> Principal:
    return Principal("ann", expires_at=at)


@attrs.define(eq=False)
class Stream:
    """Notes when it was ended."""

    ended: list[float] = attrs.field(factory=list)

    def hang_up(self) -> None:
        self.ended.append(trio.current_time())


@pytest.fixture
async def standing() -> AsyncGenerator[Standing, None]:
    made = Standing(trio.current_time)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        yield made
        nursery.cancel_scope.cancel()


async def test_each_ends_once_at_its_own_time_in_whatever_order_they_began(standing: Standing, autojump_clock: Clock) -> None:
    streams = {moment: Stream() for moment in random.Random(1).sample(range(40, 400), 50)}
    for moment, stream in streams.items():
        standing.begin(stream, ending(moment))
    await trio.sleep(500)
    assert {moment: stream.ended for moment, stream in streams.items()} == {moment: [moment] for moment in streams}
    assert len(standing) == 0


async def test_one_that_comes_later_and_ends_earlier_does_not_wait_for_the_first(standing: Standing, autojump_clock: Clock) -> None:
    late, early = Stream(), Stream()
    standing.begin(late, ending(1000))
    await trio.sleep(10)
    standing.begin(early, ending(50))
    await trio.sleep(1000)
    assert (early.ended, late.ended) == ([50], [1000])


async def test_what_is_over_is_not_ended_and_nothing_is_kept_of_it(standing: Standing, autojump_clock: Clock) -> None:
    over = Stream()
    standing.begin(over, ending(100))
    standing.end(over)
    standing.end(over)
    assert len(standing) == 0
    await trio.sleep(200)
    assert over.ended == []


async def test_nobodys_streams_are_not_even_counted(standing: Standing, autojump_clock: Clock) -> None:
    standing.begin(Stream(), NOBODY)
    standing.begin(Stream(), Principal("ann", "https://id.example"))
    assert len(standing) == 0


@pytest.mark.parametrize("left", [29, 0, -5])
async def test_a_token_whose_end_is_near_or_over_is_good_for_a_while(standing: Standing, left: float, autojump_clock: Clock) -> None:
    stream = Stream()
    standing.begin(stream, ending(trio.current_time() + left))
    await trio.sleep(100)
    assert stream.ended == [SHORTEST_SECONDS]


async def test_a_token_that_was_taken_away_while_its_request_was_read_opens_nothing_for_long(
    standing: Standing, autojump_clock: Clock
) -> None:
    before, after, other = Stream(), Stream(), Stream()
    standing.begin(before, KNOWN)
    await trio.sleep(10)
    standing.reconsider(lambda principal: principal.subject == "bob")
    standing.begin(after, KNOWN)
    standing.begin(other, Principal("bob", shown=b"his"))
    await trio.sleep(1)
    assert [len(stream.ended) for stream in (before, after, other)] == [1, 1, 0]


async def test_very_many_end_a_few_at_a_time(standing: Standing, autojump_clock: Clock) -> None:
    """Each wakes a task, and others are to be served in between."""
    streams = [Stream() for _ in range(1000)]
    for stream in streams:
        standing.begin(stream, KNOWN)
    await trio.sleep(1)
    standing.reconsider(lambda _principal: False)
    await trio.sleep(1)
    moments = [stream.ended[0] for stream in streams]
    assert max(moments.count(moment) for moment in set(moments)) == FEW


async def test_an_answer_that_ends_with_the_token_is_kept_for_who_comes_back(
    gate: Any, talk: Any, tools: Any, autojump_clock: Clock
) -> None:
    """The connection is done with before it has sent anything of it, and its client has not gone."""

    async def ends_meanwhile(_call: object) -> object:
        await trio.sleep(5)
        (session,) = gate.app.sessions._sessions.values()
        for downlink in session.streams:
            downlink.hang_up()
        return talk.result("done")

    tools["ends"] = ends_meanwhile
    session = await gate.open()
    async with gate.stream("POST", session, talk.calling("ends"), accept="text/event-stream, application/json;q=0") as stream:
        await anext(stream.chunks)
    async with gate.stream("GET", session, last_event_id="1-0") as cut:
        assert await cut.rest() == []
    async with gate.stream("GET", session, last_event_id="1-0") as again:
        assert b'"text":"done"' in (await again.next()).data

"""Which connections go when room is needed, and how many at a time at the end."""

from __future__ import annotations

import attrs
import trio
import trio.testing

from sluicegate.http1.server.guests import Guests


@attrs.define(eq=False)
class Somebody:
    is_idle: bool = True
    ended: bool = False

    def end_if_idle(self) -> bool:
        self.ended = self.is_idle
        return self.ended


def crowd(count: int) -> tuple[Guests, list[Somebody]]:
    guests, everybody = Guests(), [Somebody() for _ in range(count)]
    for one in everybody:
        guests.add(one)
    return guests, everybody


async def test_idle_ones_end_some_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    """Others get their turns in between."""
    guests, everybody = crowd(192)
    seen = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guests.end_idle_ones)
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()
            seen.append(sum(one.ended for one in everybody))
            await trio.sleep(0.005)
    assert seen == [64, 128, 192]


async def test_who_has_gone_meanwhile_is_left_alone(autojump_clock: trio.testing.MockClock) -> None:
    guests, everybody = crowd(128)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guests.end_idle_ones)
        await trio.testing.wait_all_tasks_blocked()
        guests.remove(everybody[-1])
    assert [one.ended for one in everybody[-2:]] == [True, False]


def test_the_one_that_was_not_looked_at_for_longest_makes_room() -> None:
    guests, everybody = crowd(3)
    everybody[0].is_idle = False
    assert guests.end_an_idle_one()
    assert [one.ended for one in everybody] == [False, True, False]


def test_nobody_makes_room_where_all_are_busy() -> None:
    guests, everybody = crowd(2)
    for one in everybody:
        one.is_idle = False
    assert not guests.end_an_idle_one()

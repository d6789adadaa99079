"""One alarm for many: who is due is expired on time, and nobody who has ended is held."""

from __future__ import annotations

import random
from collections import Counter

import attrs
import pytest
import trio
import trio.testing

from sluicegate.http1.timekeeper import NEVER, Timekeeper


@attrs.define(eq=False)
class Alarm:
    """Notes when it expires."""

    expires_at: float = NEVER
    looked_at: float = NEVER
    expired: list[float] = attrs.field(factory=list)

    async def expire(self) -> None:
        self.expired.append(trio.current_time())
        await trio.lowlevel.checkpoint()


async def test_what_is_due_expires_on_time(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper, alarms = Timekeeper(), [Alarm() for _ in range(4)]
    nursery.start_soon(keeper.run)
    for alarm, at in zip(alarms, [5, 1, 3, 1], strict=True):
        keeper.watch(alarm, at)
    await trio.sleep(10)
    assert [alarm.expired for alarm in alarms] == [[5], [1], [3], [1]]
    keeper.watch(alarms[0], 12)
    await trio.sleep(10)
    assert alarms[0].expired == [5, 12]
    assert [alarm.expires_at for alarm in alarms] == [NEVER] * 4
    nursery.cancel_scope.cancel()


async def test_a_deadline_can_be_moved_both_ways(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper, later, earlier, never = Timekeeper(), Alarm(), Alarm(), Alarm()
    nursery.start_soon(keeper.run)
    for alarm in (later, earlier, never):
        keeper.watch(alarm, 5)
    await trio.sleep(2)
    later.expires_at = 8
    keeper.watch(earlier, 3)
    never.expires_at = NEVER
    await trio.sleep(20)
    assert [later.expired, earlier.expired, never.expired] == [[8], [3], []]
    nursery.cancel_scope.cancel()


async def test_what_is_past_expires_at_once(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper, alarm = Timekeeper(), Alarm()
    nursery.start_soon(keeper.run)
    await trio.sleep(2)
    keeper.watch(alarm, -NEVER)
    await trio.sleep(1)
    assert alarm.expired == [2]
    nursery.cancel_scope.cancel()


async def test_every_deadline_holds_whatever_was_planned_before(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper, chance = Timekeeper(), random.Random("1:timekeeper")
    nursery.start_soon(keeper.run)
    alarms, expected = [Alarm() for _ in range(50)], dict[int, list[float]]()
    for step in range(400):
        number = chance.randrange(50)
        alarm, now = alarms[number], trio.current_time()
        due = now + chance.choice([0.5, 3.5, 10.5, 40.5])
        if alarm.expires_at < now + 100:
            alarm.expired.clear()
        keeper.watch(alarm, due)
        alarm.expired.clear()
        expected[number] = [due]
        if step % 5 == 0:
            await trio.sleep(1)
    await trio.sleep(100)
    late = {number: alarms[number].expired for number, due in expected.items() if alarms[number].expired != due}
    assert late == {}
    assert keeper.planned == 0
    nursery.cancel_scope.cancel()


async def test_nothing_is_kept_of_what_has_ended(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper = Timekeeper()
    nursery.start_soon(keeper.run)
    for _ in range(10_000):
        alarm = Alarm()
        keeper.watch(alarm, trio.current_time() + 75)
        keeper.watch(alarm, trio.current_time() + 10)
        keeper.forget(alarm)
        assert alarm.expires_at == NEVER
    assert keeper.planned <= 2 * 64
    await trio.sleep(100)
    assert keeper.planned == 0
    nursery.cancel_scope.cancel()


async def test_a_deadline_that_moves_to_and_fro_does_not_pile_up(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper, alarm = Timekeeper(), Alarm()
    nursery.start_soon(keeper.run)
    for _ in range(1000):
        keeper.watch(alarm, trio.current_time() + 75)
        await trio.sleep(5)
        keeper.watch(alarm, trio.current_time() + 10)
        await trio.sleep(5)
    assert alarm.expired == []
    assert keeper.planned <= 2 * 64
    nursery.cancel_scope.cancel()


async def test_of_many_that_are_due_some_expire_in_one_go_and_the_others_after_a_pause(
    autojump_clock: object, nursery: trio.Nursery
) -> None:
    keeper, alarms = Timekeeper(), [Alarm() for _ in range(17)]
    nursery.start_soon(keeper.run)
    for alarm in alarms:
        keeper.watch(alarm, 5)
    await trio.sleep(10)
    goes = Counter(alarm.expired[0] for alarm in alarms)
    assert list(goes.values()) == [8, 8, 1]
    assert list(goes) == pytest.approx([5, 5.005, 5.01])
    nursery.cancel_scope.cancel()


async def test_a_few_looks_that_nobody_needs_are_kept_and_one_more_clears_them_away() -> None:
    keeper, alarm = Timekeeper(), Alarm()
    await trio.lowlevel.checkpoint()
    for moved in range(65):
        keeper.watch(alarm, 1000 - moved)
        assert keeper.planned == moved + 1
    keeper.watch(alarm, 1)
    assert keeper.planned <= 2


async def test_looks_that_nobody_needs_are_cleared_away_when_they_are_more_than_half() -> None:
    keeper, alarms = Timekeeper(), [Alarm() for _ in range(200)]
    await trio.lowlevel.checkpoint()
    for alarm in alarms:
        keeper.watch(alarm, 5)
    planned = []
    for alarm in alarms:
        keeper.forget(alarm)
        planned.append(keeper.planned)
    assert planned == [200] * 100 + [99] * 65 + [34] * 35, "and never those of which there are 64 or fewer"


async def test_those_who_are_left_when_looks_are_cleared_away_expire_in_time(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper, chance = Timekeeper(), random.Random("2:timekeeper")
    nursery.start_soon(keeper.run)
    alarms = [Alarm() for _ in range(300)]
    dues = [float(due) for due in chance.sample(range(1, 1000), 300)]
    for alarm, due in zip(alarms, dues, strict=True):
        keeper.watch(alarm, due)
    gone = set(chance.sample(range(300), 160))
    for number in gone:
        keeper.forget(alarms[number])
    assert keeper.planned < 300
    await trio.sleep(1000)
    assert [alarm.expired for alarm in alarms] == [[] if number in gone else [due] for number, due in enumerate(dues)]
    nursery.cancel_scope.cancel()


async def test_who_was_never_watched_leaves_no_look_behind_and_whose_time_stays_the_same_has_one() -> None:
    keeper, alarms = Timekeeper(), [Alarm() for _ in range(200)]
    await trio.lowlevel.checkpoint()
    for alarm in alarms * 3:
        keeper.watch(alarm, 5)
    for alarm in alarms[:90]:
        keeper.forget(alarm)
    for _ in range(90):
        keeper.forget(Alarm())
    assert keeper.planned == 200


async def test_looks_that_have_passed_do_not_count_as_those_that_nobody_needs(autojump_clock: object, nursery: trio.Nursery) -> None:
    keeper = Timekeeper()
    nursery.start_soon(keeper.run)
    for _ in range(2):
        alarms = [Alarm() for _ in range(80)]
        for alarm in alarms:
            keeper.watch(alarm, trio.current_time() + 5)
        for alarm in alarms[:60]:
            keeper.forget(alarm)
        assert keeper.planned == 80
        await trio.sleep(10)
        assert keeper.planned == 0
    alarms = [Alarm() for _ in range(100)]
    for alarm in alarms:
        keeper.watch(alarm, trio.current_time() + 5)
    for alarm in alarms[:65]:
        keeper.forget(alarm)
    assert keeper.planned == 35
    nursery.cancel_scope.cancel()

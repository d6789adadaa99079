"""The keys of session tickets turn, what has ended is bounded, and where nothing can be kept that is said, and sessions last as long as the process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import trio
import trio.testing
from tests.kit.offices import DAY, WEEK, WallClock, office

from sluicegate.frontends.endpoint import Opening
from sluicegate.frontends.ticket_office import TicketOffice
from sluicegate.outside.key_folder import KeyFolder
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.protocol.sealing_key import SealingKey
from sluicegate.sources import Sources
from sluicegate.testing import run_inline

T = TypeVar("T")

# The numbers that are promised. Taken from the source they would move with it.
MOST_ENDED, MOST_OF_ALL, MOST_READ = 16_384, 32_768, 65_536
MANY_ENDED = 4096
MOST_KEYS = 32


def files(folder: Path, kind: str) -> list[Path]:
    return list(folder.glob(f"*.{kind}"))


async def opened(folder: Path | None = None, **how: Any) -> TicketOffice:
    made = office(folder, **how)
    await made.open()
    return made


def issued(by: TicketOffice) -> str:
    return by.issue(Opening("2025-11-25", {}), NOBODY)


async def holds(text: str, at: TicketOffice) -> bool:
    return await at.look_at(text, NOBODY) is not None


async def test_keys_turn_and_older_ones_open_until_their_tickets_have_expired(tmp_path: Path, autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        first = await opened(tmp_path)
        nursery.start_soon(first.keep_open)
        oldest = issued(first)
        await trio.sleep(WEEK / 4 + 120)
        assert first.keys == 2
        assert await holds(oldest, first)
        assert issued(first)[-8:] != oldest[-8:]
        await trio.sleep(5 * DAY)
        assert await holds(oldest, await opened(tmp_path))
        await trio.sleep(30 * DAY)
        assert not await holds(oldest, first)
        assert first.keys <= 9
        assert len(files(tmp_path, "key")) == first.keys
        nursery.cancel_scope.cancel()


async def test_processes_with_one_folder_take_in_each_others_sessions(tmp_path: Path, autojump_clock: object) -> None:
    one, other = await opened(tmp_path), await opened(tmp_path)
    assert len(files(tmp_path, "key")) == 1
    text = issued(one)
    assert await holds(text, other)
    await one.end(text)
    assert not await holds(text, other)  # also if it was asked a moment ago


async def test_a_key_that_another_process_made_meanwhile_is_found(tmp_path: Path, autojump_clock: object) -> None:
    wall = WallClock()
    one, other = await opened(tmp_path, wall=wall), await opened(tmp_path, wall=wall)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.keep_open)
        await trio.sleep(WEEK / 4 + 120)
        nursery.cancel_scope.cancel()
    assert await holds(issued(one), other)


async def test_processes_that_begin_together_know_each_others_keys(tmp_path: Path, autojump_clock: object) -> None:
    offices = [office(tmp_path) for _ in range(5)]
    async with trio.open_nursery() as nursery:
        for one in offices:
            nursery.start_soon(one.open)
    await trio.sleep(2)
    for one in offices:
        for other in offices:
            assert await holds(issued(one), other)


@attrs.define(eq=False)
class Counted:
    """A folder, and how often it was read (implements `KeyStore`)."""

    folder: KeyFolder
    loads: int = 0
    looks: int = 0
    place: str = "somewhere"

    async def load(self) -> list[SealingKey]:
        self.loads += 1
        return await self.folder.load()

    async def add(self, key: SealingKey) -> None:
        await self.folder.add(key)

    async def drop(self, key: SealingKey) -> None:
        await self.folder.drop(key)

    async def ends(self, after: Any) -> dict[SealingKey, bytes]:
        self.looks += 1
        await trio.sleep(0.1)
        return await self.folder.ends(after)

    async def end(self, key: SealingKey, record: bytes) -> None:
        await self.folder.end(key, record)


def counted(path: Path) -> tuple[TicketOffice, Counted]:
    store = Counted(KeyFolder(path, run_inline))
    return TicketOffice(Sources(WallClock(), secret=os.urandom), WEEK, store), store


async def test_ids_that_nobody_gave_cost_a_look_at_the_folder_a_second(tmp_path: Path, autojump_clock: object) -> None:
    made, store = counted(tmp_path)
    await made.open()
    before = store.loads
    for number in range(1000):
        assert not await holds("A" * 100 + f"{number:08x}", made)
        await trio.sleep(0.01)
    assert store.loads - before <= 11
    assert dict(made.refused) == {"unknown_key": 1000}


async def test_very_many_who_come_back_together_are_answered_by_few_looks(tmp_path: Path, autojump_clock: object) -> None:
    made, store = counted(tmp_path)
    await made.open()
    texts = [issued(made) for _ in range(1000)]
    found: list[bool] = []

    async def ask(text: str) -> None:
        found.append(await holds(text, made))

    async with trio.open_nursery() as nursery:
        for text in texts:
            nursery.start_soon(ask, text)
    assert found == [True] * 1000
    assert store.looks <= 2


@attrs.define(eq=False)
class Disk:
    """One that may hang (implements `RunBlocking`)."""

    hangs: bool = False

    async def __call__(self, function: Callable[[], T], /, *, abandon: bool = False) -> T:
        if self.hangs:
            await trio.sleep_forever()
        return await run_inline(function, abandon=abandon)


async def test_who_waits_is_answered_by_a_look_that_fails_too(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A folder on a disk that hangs: each look lasts five seconds, and whoever comes meanwhile needs one more at most."""
    disk = Disk()
    made = TicketOffice(Sources(WallClock(), secret=os.urandom), WEEK, KeyFolder(tmp_path, disk))
    await made.open()
    text, disk.hangs, began = issued(made), True, trio.current_time()
    waited: list[float] = []

    async def ask(number: int) -> None:
        await trio.sleep(number / 10)
        with pytest.raises(OSError, match="has not answered"):
            await made.look_at(text, NOBODY)
        waited.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(ask, number)
    assert waited == [5.0, *[10.0] * 19]
    disk.hangs = False
    assert await holds(text, made)


async def test_who_waits_for_keys_that_cannot_be_read_waits_once(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    disk, wall = Disk(), WallClock()
    made = TicketOffice(Sources(wall, secret=os.urandom), WEEK, KeyFolder(tmp_path, disk))
    await made.open()
    wall.ahead, disk.hangs = WEEK, True  # another key is due, and cannot be kept
    await trio.sleep(2)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(holds, "A" * 100 + f"{number:08x}", made)
    assert trio.current_time() - began == 10


async def test_a_key_that_was_needed_before_is_kept_when_the_office_opens(tmp_path: Path, autojump_clock: object) -> None:
    made = office(tmp_path)
    early = issued(made)
    await made.open()
    assert issued(made)[-8:] == early[-8:]
    assert [file.stem for file in files(tmp_path, "key")] == [early[-8:]]
    other = await opened(tmp_path)
    assert await holds(early, other)
    await made.end(early)
    assert not await holds(early, other)


async def test_a_key_that_could_not_be_kept_is_kept_once_that_is_possible(tmp_path: Path, autojump_clock: object) -> None:
    (tmp_path / "keys").write_text("")
    made = await opened(tmp_path / "keys")
    text = issued(made)
    (tmp_path / "keys").unlink()
    await trio.sleep(10)
    assert not await holds("A" * 100, made)  # nobody's key: it is looked for
    assert await holds(text, await opened(tmp_path / "keys"))


@attrs.define(eq=False)
class Slow(Counted):
    """A key takes a while to be kept."""

    async def add(self, key: SealingKey) -> None:
        await trio.sleep(1)
        await self.folder.add(key)


async def test_while_another_key_is_made_the_one_that_somebody_took_away_still_seals(tmp_path: Path, autojump_clock: object) -> None:
    made = TicketOffice(Sources(WallClock(), secret=os.urandom), WEEK, Slow(KeyFolder(tmp_path, run_inline)))
    await made.open()
    live = issued(made)
    for file in files(tmp_path, "key"):
        file.unlink()
    await trio.sleep(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(holds, "A" * 100, made)  # nobody's key: it is looked for
        await trio.sleep(0.5)
        between = issued(made)
        assert await holds(live, made)
    after = issued(made)
    assert between[-8:] == live[-8:] != after[-8:]
    assert [after[-8:]] == [file.stem for file in files(tmp_path, "key")]
    assert not await holds(live, made)  # who takes a key away means that


@pytest.mark.parametrize("kept", [True, False])
async def test_where_too_many_have_ended_none_of_their_key_goes_on(tmp_path: Path, autojump_clock: object, kept: bool) -> None:
    made = await opened(tmp_path if kept else None)
    live = issued(made)
    for _ in range(MOST_ENDED):
        await made.end(issued(made))
    assert not await holds(live, made)
    assert dict(made.refused) == {"ended": 1}
    if kept:
        (file,) = files(tmp_path, "ended")
        assert file.stat().st_size == MOST_ENDED * 16
        await made.end(live)
        assert file.stat().st_size == MOST_ENDED * 16
        assert not await holds(live, await opened(tmp_path))


async def test_who_has_ended_too_many_of_his_own_costs_nobody_else_a_session(tmp_path: Path, autojump_clock: object) -> None:
    made, hostile, victim = await opened(tmp_path), Principal("hostile"), Principal("victim")
    live, his, gone = (made.issue(Opening("2025-11-25", {}), somebody) for somebody in (victim, hostile, victim))
    for _ in range(MOST_ENDED):
        await made.end(made.issue(Opening("2025-11-25", {}), hostile))
    await made.end(gone)
    for at in (made, await opened(tmp_path)):
        assert await at.look_at(live, victim) is not None
        assert await at.look_at(gone, victim) is None
        assert await at.look_at(his, hostile) is None


async def test_what_has_ended_of_all_together_is_bounded_too(tmp_path: Path, autojump_clock: object) -> None:
    made = await opened(tmp_path)
    live = issued(made)
    (file,) = files(tmp_path, "key")
    file.with_suffix(".ended").write_bytes(os.urandom((MOST_OF_ALL - 1) * 16))
    assert await holds(live, made)
    await made.end(issued(made))
    assert not await holds(live, made)


async def test_what_several_have_told_of_the_same_counts_once(tmp_path: Path, autojump_clock: object) -> None:
    made = await opened(tmp_path)
    live = issued(made)
    (file,) = files(tmp_path, "key")
    file.with_suffix(".ended").write_bytes(os.urandom(16) * (MOST_READ - 1))
    assert await holds(live, made)
    with file.with_suffix(".ended").open("ab") as ended:
        ended.write(os.urandom(16))
    assert not await holds(live, made)


async def test_long_before_that_there_is_another_key(tmp_path: Path, autojump_clock: object) -> None:
    made = await opened(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.keep_open)
        live = issued(made)
        await trio.sleep(10)
        for _ in range(MANY_ENDED):
            await made.end(issued(made))
        assert issued(made)[-8:] != live[-8:]
        assert await holds(live, made)
        nursery.cancel_scope.cancel()


async def test_however_many_end_there_are_few_keys(tmp_path: Path, autojump_clock: object) -> None:
    for number in range(MOST_KEYS + 10):
        await KeyFolder(tmp_path, run_inline).add(SealingKey.new(1_767_225_600 - number, os.urandom))
    async with trio.open_nursery() as nursery:
        made = await opened(tmp_path)
        nursery.start_soon(made.keep_open)
        assert made.keys == MOST_KEYS
        assert len(files(tmp_path, "key")) == MOST_KEYS
        nursery.cancel_scope.cancel()


async def test_half_a_record_makes_every_later_one_doubtful(tmp_path: Path, autojump_clock: object) -> None:
    made = await opened(tmp_path)
    live, gone = issued(made), issued(made)
    (file,) = files(tmp_path, "key")
    file.with_suffix(".ended").write_bytes(b"x" * 7)
    await made.end(gone)
    again = await opened(tmp_path)
    assert not await holds(gone, again)
    assert not await holds(live, again)


async def test_where_nothing_can_be_kept_that_is_said_once(
    tmp_path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    made = await opened(tmp_path / "file")
    text = issued(made)
    assert await holds(text, made)
    await made.end(text)
    assert not await holds(text, made)
    told = [record.getMessage() for record in caplog.records]
    assert [line for line in told if "proxy.listen.session_keys" in line and str(tmp_path / "file") in line] == told
    assert 1 <= len(told) <= 2
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.keep_open)
        await trio.sleep(WEEK / 4 + 120)
        assert issued(made)[-8:] != text[-8:]
        nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class ReadOnly(Counted):
    """What was put there by somebody else, who alone may change it."""

    broken: bool = False

    async def add(self, key: SealingKey) -> None:
        raise PermissionError(13, "Permission denied")

    async def end(self, key: SealingKey, record: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    async def ends(self, after: Any) -> dict[SealingKey, bytes]:
        if self.broken:
            raise PermissionError(13, "Permission denied")
        return {}


async def test_a_key_that_was_provided_is_used_however_old_it_is(tmp_path: Path, autojump_clock: object) -> None:
    await KeyFolder(tmp_path, run_inline).add(SealingKey.new(5, os.urandom))
    offices = [TicketOffice(Sources(WallClock()), WEEK, ReadOnly(KeyFolder(tmp_path, run_inline))) for _ in range(2)]
    for one in offices:
        await one.open()
    text = issued(offices[0])
    assert await holds(text, offices[1])
    await offices[0].end(text)  # which nobody else can be told
    assert not await holds(text, offices[0])


async def test_where_it_cannot_be_told_what_has_ended_nobody_is_taken_in(tmp_path: Path, autojump_clock: object) -> None:
    await KeyFolder(tmp_path, run_inline).add(SealingKey.new(5, os.urandom))
    store = ReadOnly(KeyFolder(tmp_path, run_inline))
    made = TicketOffice(Sources(WallClock()), WEEK, store)
    await made.open()
    text = issued(made)
    store.broken = True
    with pytest.raises(PermissionError):
        await made.look_at(text, NOBODY)
    store.broken = False
    assert await holds(text, made)


async def test_everything_follows_from_a_seed(autojump_clock: object) -> None:
    offices = [TicketOffice(Sources.virtual(7), WEEK) for _ in range(2)]
    for one in offices:
        await one.open()
    assert issued(offices[0]) == issued(offices[1])

"""Values in a SQLite file: what is in it, who can read it, what is thrown away, and what becomes of a file that fails."""

from __future__ import annotations

import logging
import sqlite3
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from sluicegate.outside.values.sqlite_values import MOST_WAITING, SqliteValues
from sluicegate.sources import Sources
from sluicegate.testing import run_inline

Clock = trio.testing.MockClock
wall = Sources.virtual(1).wall


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SqliteValues, None]:
    values = SqliteValues(path, wall, run_inline)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(values.run)
        await trio.testing.wait_all_tasks_blocked()
        yield values
        nursery.cancel_scope.cancel()


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_was_kept_is_there_after_a_restart_until_its_time_is_over(tmp_path: Path, autojump_clock: Clock) -> None:
    """CACHE-6: expired rows are thrown away."""
    path = tmp_path / "kept"
    async with opened(path) as values:
        assert await values.write(b"s", b"k", b"1", 10)
        assert await values.write(b"other", b"k", b"2", 100)
    async with opened(path) as values:
        assert await values.read(b"s", (b"k", b"none")) == [b"1", None]
        await trio.sleep(10)
        assert await values.read(b"s", (b"k",)) == [None]
        assert await values.read(b"other", (b"k",)) == [b"2"]
        await trio.sleep(6)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM kept WHERE space != x''").fetchone() == (1,)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_only_its_owner_can_read_it(tmp_path: Path, autojump_clock: Clock) -> None:
    async with opened(tmp_path / "kept") as values:
        await values.write(b"s", b"k", b"1", 10)
        files = modes(tmp_path)
    assert files == {"kept": 0o600, "kept-wal": 0o600, "kept-shm": 0o600}


async def test_one_that_is_there_stays_and_one_that_has_changed_is_not_swapped(tmp_path: Path, autojump_clock: Clock) -> None:
    async with opened(tmp_path / "kept") as values:
        assert await values.add(b"s", b"", b"1", 10) == b"1"
        assert await values.add(b"s", b"", b"2", 10) == b"1"
        assert await values.swap(b"s", b"", b"2", b"3", 10) is False
        assert await values.swap(b"s", b"", b"1", b"3", 10) is True
        assert await values.read(b"s", (b"",)) == [b"3"]
        assert await values.delete(b"s", b"") is True
        assert await values.read(b"s", (b"",)) == [None]
        await values.write(b"s", b"", b"4", 1)
        await trio.sleep(1)
        assert await values.add(b"s", b"", b"5", 10) == b"5"


async def test_a_space_is_kept_within_its_bounds_and_what_was_written_first_goes(tmp_path: Path, autojump_clock: Clock) -> None:
    async with opened(tmp_path / "kept") as values:
        assert values.size(b"s", 1000, 10**6) == (0, 0)
        for number in range(1500):
            assert await values.write(b"s", b"%d" % number, b"x" * 10, 1000)
        await trio.sleep(6)
        count, room = values.size(b"s", 1000, 10**6)
        assert (500 < count <= 1000, room) == (True, 10 * count)
        assert await values.read(b"s", (b"0", b"1499")) == [None, b"x" * 10]
        values.size(b"s", 1000, 1000)
        await trio.sleep(6)
        assert values.size(b"s", 1000, 1000)[1] <= 1000


async def test_a_file_of_another_version_is_begun_anew(tmp_path: Path, autojump_clock: Clock) -> None:
    path = tmp_path / "kept"
    async with opened(path) as values:
        await values.write(b"s", b"k", b"1", 10)
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE kept RENAME COLUMN value TO content")
        database.execute("PRAGMA user_version = 99")
    async with opened(path) as values:
        assert await values.read(b"s", (b"k",)) == [None]
        assert await values.write(b"s", b"k", b"2", 10)


def _not_a_database(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)


def _somebody_elses(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bills (sum INTEGER)")


def _a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("prepare", [_not_a_database, _somebody_elses, _a_folder])
async def test_a_file_that_cannot_be_used_is_left_alone_and_told_of_once(
    prepare: object, tmp_path: Path, caplog: pytest.LogCaptureFixture, autojump_clock: Clock
) -> None:
    path = tmp_path / "kept"
    assert callable(prepare)
    prepare(path)
    before = path.read_bytes() if path.is_file() else b""
    async with opened(path) as values:
        for _ in range(5):
            assert (values.is_there, await values.read(b"s", (b"k",)), await values.write(b"s", b"k", b"1", 10)) == (False, None, False)
            await trio.sleep(60)
        assert len(warned(caplog)) == 1
        if path.is_file():
            assert path.read_bytes() == before
            path.unlink()
        else:
            path.rmdir()
        await trio.sleep(60)
        assert await values.write(b"s", b"k", b"1", 10) is True


async def test_a_file_that_somebody_keeps_locked_is_given_up_and_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, autojump_clock: Clock
) -> None:
    path = tmp_path / "kept"
    async with opened(path) as values:
        await values.write(b"s", b"k", b"1", 1000)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert await values.read(b"s", (b"k",)) == [b"1"]
        assert await values.write(b"s", b"k", b"2", 1000) is False
        await trio.testing.wait_all_tasks_blocked()
        assert (values.is_there, len(warned(caplog))) == (False, 1)
        await trio.sleep(5)
        assert (values.is_there, len(warned(caplog))) == (False, 1)
        other.execute("COMMIT")
        other.close()
        await trio.sleep(20)
        assert await values.read(b"s", (b"k",)) == [b"1"]


async def test_a_disk_that_hangs_holds_up_nobody_for_long(tmp_path: Path, caplog: pytest.LogCaptureFixture, autojump_clock: Clock) -> None:
    hangs = False

    async def slow(function: object, /, *, abandon: bool = False) -> object:
        assert callable(function)
        await trio.sleep(30 if hangs else 0)
        return function()

    values = SqliteValues(tmp_path / "kept", wall, slow)  # type: ignore[arg-type]  # as generic as it has to be here
    async with trio.open_nursery() as nursery:
        nursery.start_soon(values.run)
        await trio.sleep(1)
        hangs = True
        began = trio.current_time()
        assert await values.write(b"s", b"k", b"1", 1000) is False
        assert await values.read(b"s", (b"k",)) is None
        assert (trio.current_time() - began, len(warned(caplog))) == (0.25, 1)
        await trio.sleep(10)
        hangs = False
        await trio.sleep(60)
        assert await values.read(b"s", (b"k",)) == [b"1"]
        hangs = True
        for seconds, is_there in ((0.1, True), (0.22, False)):
            with trio.move_on_after(seconds):  # whoever asks has a deadline of his own, or not much patience left
                await values.read(b"s", (b"k",))
            assert values.is_there is is_there
        nursery.cancel_scope.cancel()


async def test_what_waits_for_the_file_is_bounded(tmp_path: Path, autojump_clock: Clock) -> None:
    results: list[bool] = []
    async with opened(tmp_path / "kept") as values, trio.open_nursery() as nursery:

        async def write(number: int) -> None:
            results.append(await values.write(b"s", b"%d" % number, b"1", 10))

        for number in range(MOST_WAITING + 100):
            nursery.start_soon(write, number)
    assert results.count(True) >= MOST_WAITING
    assert len(results) == MOST_WAITING + 100


async def test_who_is_cancelled_leaves_nothing_behind(tmp_path: Path, autojump_clock: Clock) -> None:
    async with opened(tmp_path / "kept") as values:
        with trio.CancelScope() as scope:
            scope.cancel()
            await values.write(b"s", b"k", b"1", 10)
        assert await values.write(b"s", b"k", b"2", 10) is True
        assert await values.read(b"s", (b"k",)) == [b"2"]

"""What takes records keeps nobody waiting, and loses nothing that it need not lose: here with its thread, so that time is real."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest
import trio

from sluicegate.observe.audit.chain import Chain
from sluicegate.observe.audit.chain_check import verify
from sluicegate.observe.audit.ledger import ThreadLedger
from sluicegate.observe.audit.trail_file import TrailFile


@attrs.define(eq=False)
class Disk:
    """One that can be full (implements `RecordTarget`)."""

    is_full: bool = False
    trouble: Exception | None = None
    """What it raises when it is tidied."""
    lines: list[bytes] = attrs.field(factory=list)
    _kept: list[bytes] = attrs.field(factory=list)
    tried: threading.Event = attrs.field(factory=threading.Event)

    def resume(self, chain: Chain) -> Sequence[bytes]:
        del chain
        return ()

    def turn(self, chain: Chain) -> Sequence[bytes]:
        del chain
        return ()

    def write(self, lines: Sequence[bytes]) -> None:
        self._kept += lines
        if self.is_full and self._kept:
            self.tried.set()
            raise OSError(28, "No space left on device")
        self.lines += self._kept
        self._kept.clear()

    def tidy(self) -> float | None:
        if self.trouble is not None:
            self.tried.set()
            raise self.trouble
        return None

    def close(self) -> None:
        """It stays."""


def opened(disk: Disk | TrailFile, *, blocks: bool = True, most: int = 5) -> ThreadLedger:
    ledger = ThreadLedger(disk, lambda: 0.0, blocks, most)
    ledger.open()
    ledger.start()
    return ledger


def record(number: int) -> bytes:
    return b'{"event":"request","n":%d}' % number


async def test_whoever_comes_waits_while_nothing_can_be_written_and_goes_on_when_it_can() -> None:
    disk = Disk(is_full=True)
    ledger = opened(disk)
    ledger.put(record(0))
    await trio.to_thread.run_sync(disk.tried.wait)
    for number in range(1, 6):
        ledger.put(record(number))
    assert ledger.is_full
    assert ledger.is_failing
    came_in = []

    async def come_in() -> None:
        await ledger.room()
        came_in.append(len(disk.lines))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(come_in)
            await trio.testing.wait_all_tasks_blocked()
            assert came_in == []
            disk.is_full = False
    assert len(came_in) == 3
    ledger.close()
    assert [json.loads(line)["n"] for line in disk.lines] == list(range(6))
    assert not ledger.is_failing


async def test_what_has_begun_is_recorded_although_it_is_full() -> None:
    disk = Disk(is_full=True)
    ledger = opened(disk)
    for number in range(40):
        ledger.put(record(number))
    disk.is_full = False
    await trio.to_thread.run_sync(ledger.close)
    assert [json.loads(line)["n"] for line in disk.lines] == list(range(40))


async def test_where_it_is_wished_the_oldest_are_dropped_and_the_audit_says_how_many() -> None:
    disk = Disk(is_full=True)
    ledger = opened(disk, blocks=False)
    ledger.put(record(0))
    await trio.to_thread.run_sync(disk.tried.wait)
    for number in range(1, 21):
        ledger.put(record(number))
        assert not ledger.is_full
    disk.is_full = False
    await trio.to_thread.run_sync(ledger.close)
    records = [json.loads(line) for line in disk.lines]
    assert [one.get("n", one.get("records")) for one in records] == [0, 15, 16, 17, 18, 19, 20]
    assert records[1]["event"] == "lost"
    assert (ledger.statistics().dropped, ledger.statistics().records) == (15, 7)


async def test_what_waits_at_the_end_is_written_and_what_cannot_be_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    ledger = opened(disk)
    ledger.put(record(1))
    await trio.to_thread.run_sync(ledger.close)
    assert len(disk.lines) == 1

    full = opened(Disk(is_full=True))
    full.put(record(1))
    await trio.to_thread.run_sync(full.close, 0.2)
    assert "the audit could not be written to its end" in caplog.text


async def test_hundreds_of_records_are_one_chain_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    ledger = opened(TrailFile(path, 20_000, 0, "never", lambda: 0.0), most=100)
    for number in range(2_000):
        if ledger.is_full:
            await ledger.room()
        ledger.put(record(number))
    await trio.to_thread.run_sync(ledger.close)
    paths = sorted(tmp_path.iterdir())  # noqa: ASYNC240  nobody waits
    found, files = verify(paths), len(paths)
    assert (found.wrong, found.records) == (None, 2_000 + files)
    assert files > 1


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), ValueError("a bug")])
async def test_what_cannot_be_synced_is_told_of_and_ends_nothing(trouble: Exception, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(trouble=trouble)
    ledger = opened(disk)
    await trio.to_thread.run_sync(disk.tried.wait)
    with trio.fail_after(30):
        while not ledger.is_failing:  # the thread is about to say so
            await trio.lowlevel.checkpoint()
    assert caplog.text.count("the audit cannot be written; it is tried again") == 1
    for number in range(5):
        ledger.put(record(number))
    assert ledger.is_full
    disk.trouble = None
    with trio.fail_after(30):
        await ledger.room()
    await trio.to_thread.run_sync(ledger.close)
    assert [json.loads(line)["n"] for line in disk.lines] == list(range(5))
    assert not ledger.is_failing

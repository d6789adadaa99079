"""The file of an audit: it goes on over restarts, is rotated, and loses nothing on a disk that is full for a while."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluicegate.observe.audit.chain import Chain
from sluicegate.observe.audit.chain_check import verify
from sluicegate.observe.audit.trail_file import TrailFile


class Writer:
    """What the thread does, without one."""

    def __init__(self, path: Path, *, rotate: int = 0, keep: int = 0, sync: str = "second") -> None:
        self.now = 0.0
        self.chain = Chain()
        self.file = TrailFile(path, rotate, keep, sync, lambda: 0.0, lambda: self.now)
        first = self.file.resume(self.chain)
        self.file.write([self.chain.seal(record) for record in first])

    def write(self, *records: bytes) -> None:
        first = self.file.turn(self.chain)
        self.file.write([self.chain.seal(record) for record in (*first, *records)])


def record(number: int) -> bytes:
    return b'{"event":"request","target":"%d"}' % number


def all_of(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}*"))


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can be longer inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """No file can be opened inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_chain_goes_on_over_restarts_and_rotations(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for life in range(5):
        writer = Writer(path, rotate=700)
        for number in range(7):
            writer.write(record(10 * life + number))
        writer.file.close()

    files = all_of(path)
    found = verify(reversed(files))

    assert len(files) > 3
    assert (found.wrong, found.records) == (None, found.last)
    text = b"".join(file.read_bytes() for file in files[1:] + files[:1])
    assert [text.count(b'"target":"%d"' % (10 * life + number)) for life in range(5) for number in range(7)] == [1] * 35
    for file in files:
        assert verify([file]).wrong is None, "each can be verified by itself"


def test_a_rotated_file_that_is_missing_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path, rotate=200)
    for number in range(9):
        writer.write(record(number))
    files = all_of(path)
    assert len(files) > 3
    found = verify(file for file in files if file != files[2]).wrong
    assert found is not None
    assert (found.line, "missing before this one" in found.what) == (1, True)


def test_only_so_many_full_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path, rotate=100, keep=2)
    for number in range(20):
        writer.write(record(number))
    assert len(all_of(path)) == 3
    found = verify(all_of(path))
    assert (found.wrong, found.last) == (None, writer.chain.seq)


def test_a_restart_goes_on_where_only_full_files_are_left(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path)
    writer.write(record(1))
    writer.file.close()
    path.rename(tmp_path / "audit.000000000002")
    Writer(path).write(record(2))
    assert (verify(all_of(path)).wrong, verify(all_of(path)).records) == (None, 4)


def test_a_torn_line_stays_and_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path)
    writer.write(record(1), record(2))
    writer.file.close()
    path.write_bytes(path.read_bytes()[:-30])  # what a crash may leave

    again = Writer(path)
    again.write(record(3))

    found = verify([path])
    assert (found.wrong, found.torn, found.records) == (None, 1, 4)
    lines = path.read_bytes().splitlines()
    lines[2] = lines[2][:-1]
    path.write_bytes(b"\n".join(lines) + b"\n")
    changed = verify([path]).wrong
    assert changed is not None
    assert changed.line == 3


def test_it_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    Writer(tmp_path / "audit")
    with pytest.raises(BlockingIOError, match="another process writes"):
        Writer(tmp_path / "audit")


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("my notes\n")
    with pytest.raises(FileExistsError, match="is no record of an audit"):
        Writer(tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "my notes\n"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Writer(tmp_path / "audit")
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("room", range(250, 660, 37))
def test_a_full_disk_costs_no_record_and_tears_no_line(tmp_path: Path, room: int) -> None:
    path = tmp_path / "audit"
    writer = Writer(path)
    with disk_of(room), pytest.raises(OSError, match="File too large"):  # noqa: PT012  the disk is full at one of them
        for number in range(8):
            writer.write(record(number))
    kept = writer.chain.seq
    writer.write(record(9))

    found = verify([path])
    assert (found.wrong, found.records) == (None, kept + 1)


def test_what_is_written_is_on_the_disk_within_a_second(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "audit")
    assert writer.file.tidy() == 1.0
    writer.now = 0.4
    writer.write(record(1))
    assert writer.file.tidy() == 0.6
    writer.now = 1.5
    assert writer.file.tidy() is None


def test_with_each_batch_nothing_is_left_to_be_done(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "audit", sync="batch")
    writer.write(record(1))
    assert writer.file.tidy() is None
    never = Writer(tmp_path / "other", sync="never")
    never.write(record(1))
    assert never.file.tidy() is None


@pytest.mark.parametrize("sync", ["second", "batch", "never"])
def test_a_rotation_that_ends_in_its_middle_is_gone_on_with(tmp_path: Path, sync: str) -> None:
    path = tmp_path / "audit"
    writer = Writer(path, rotate=250, sync=sync)
    writer.write(record(1))
    for _ in range(3):
        with no_descriptor_left(), pytest.raises(OSError, match="Too many open files"):
            writer.write(record(2))
        writer.now += 2.0
        writer.file.tidy()
        writer.file.write(())
    writer.write(record(2))
    writer.file.close()
    writer.file.close()
    assert len(all_of(path)) == 2
    assert [verify([file]).wrong for file in all_of(path)] == [None, None]
    assert (verify(all_of(path)).wrong, verify(all_of(path)).records) == (None, 4)


def test_an_old_file_that_cannot_be_removed_costs_the_new_one_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path, rotate=100, keep=1)
    (tmp_path / "audit.000000000000").mkdir()
    for number in range(5):
        writer.write(record(number))
    assert [verify([file]).wrong for file in all_of(path) if file.is_file()] == [None] * (len(all_of(path)) - 1)

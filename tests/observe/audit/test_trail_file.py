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

    def __init__(self, path: Path, *, rotate: int = 0, keep: int = 0, sync: str = "second", key: bytes = b"") -> None:
        self.now = 0.0
        self.chain = Chain(key)
        self.file = TrailFile(path, rotate, keep, sync, lambda: 0.0, lambda: self.now)
        first = self.file.resume(self.chain)
        try:
            self.file.write([self.chain.seal(record) for record in first])
        except OSError:
            self.file.close()
            raise

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


@pytest.mark.parametrize("key", [b"", b"0123456789abcdef"])
@pytest.mark.parametrize("rotate", [0, 300])
def test_wherever_a_crash_cuts_a_file_off_the_next_start_goes_on_and_nothing_is_wrong(tmp_path: Path, rotate: int, key: bytes) -> None:
    path = tmp_path / "audit"
    writer = Writer(path, rotate=rotate, key=key, sync="never")
    for number in range(4):
        writer.write(record(number))
    writer.file.close()
    text, full = path.read_bytes(), [file.read_bytes() for file in all_of(path)[1:]]
    assert bool(full) is bool(rotate)
    for cut in range(1, len(text) + 1):
        path.write_bytes(text[:cut])
        again = Writer(path, key=key, sync="never")
        again.write(record(9))
        again.file.close()
        found = verify(all_of(path), key)
        whole = text[: cut + 1].count(b"\n") + sum(one.count(b"\n") for one in full)
        is_cut = b"\n" not in text[cut - 1 : cut + 1]
        assert (found.wrong, found.records, found.torn) == (None, whole + 1 + is_cut, int(is_cut)), cut


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("head", [0, 1, 15])
def test_starts_on_a_full_disk_cut_off_one_line_after_the_other(tmp_path: Path, head: int, is_first: bool) -> None:
    path = tmp_path / "audit"
    path.touch()
    if not is_first:
        writer = Writer(path)
        writer.write(record(1))
        writer.file.close()
        path.write_bytes(path.read_bytes()[:-30])
    size = path.stat().st_size
    for step in range(1, 9):
        with disk_of(size + head + 40 * step), pytest.raises(OSError, match="File too large"):
            Writer(path)
    Writer(path).write(record(3))
    found = verify([path])
    assert (found.wrong, found.torn) == (None, 8 if is_first else 9)


def test_a_file_that_was_moved_away_is_followed_by_another(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path, rotate=2_000)
    writer.write(record(1))
    path.rename(tmp_path / "audit.1")
    writer.write(record(2))
    path.rename(tmp_path / "audit.2")
    path.touch()
    writer.write(record(3))
    writer.file.close()
    found = verify(all_of(path))
    assert (found.wrong, found.records, len(all_of(path))) == (None, 6, 3)


def test_what_others_put_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    writer = Writer(path)
    path.write_bytes(path.read_bytes())
    path.rename(tmp_path / "audit.1")
    path.write_text("my notes\n")
    for _ in range(2):
        with pytest.raises(FileExistsError, match="something else was put"):
            writer.write(record(1))
    assert path.read_text() == "my notes\n"
    path.unlink()
    writer.write(record(1))
    found = verify(all_of(path))
    assert (found.wrong, found.records) == (None, 3)


def test_it_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    Writer(tmp_path / "audit")
    with pytest.raises(BlockingIOError, match="another process writes"):
        Writer(tmp_path / "audit")


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    for text in ("my notes\n", "my notes", '{"my":1}\n', '{"seq":2,"event":"file"}\n'):
        (tmp_path / "notes").write_text(text)
        with pytest.raises(FileExistsError, match="is no record of an audit"):
            Writer(tmp_path / "notes")
        assert (tmp_path / "notes").read_text() == text


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

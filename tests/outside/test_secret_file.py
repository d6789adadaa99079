"""A file that only its owner can read, and that is there whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sluicegate.outside.secret_file import first_of, read_secret, write_whole


def test_what_is_made_first_is_what_all_have(tmp_path: Path) -> None:
    file, found = tmp_path / "x" / "key", []

    def one(number: int) -> None:
        found.append(first_of(file, lambda: b"%d" % number))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert sorted(path.name for path in file.parent.iterdir()) == [".gitignore", "key"]
    assert first_of(file, lambda: b"other") == found[0]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "x" / "key"
    first_of(file, lambda: b"k")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    write_whole(file, b"k2")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == b"k2"


@pytest.mark.parametrize(
    ("mode", "mask", "is_told"), [(0o600, 0o077, False), (0o640, 0o077, True), (0o640, 0o007, False), (0o604, 0o007, True)]
)
def test_what_others_can_read_is_used_and_told_of(
    tmp_path: Path, mode: int, mask: int, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key"
    write_whole(file, b"secret")
    file.chmod(mode)
    assert read_secret(file, 100, mask) == b"secret"
    assert ("can be read by others" in caplog.text) is is_told
    assert str(file) in caplog.text or not is_told
    caplog.clear()
    assert first_of(file, lambda: b"other") == b"secret"
    assert ("can be read by others" in caplog.text) is (mode != 0o600)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match=r"no regular file|directory"):
            read_secret(path, 100)
        with pytest.raises(OSError, match=r"no regular file|directory"):
            first_of(path, lambda: b"k")


def test_no_more_is_read_than_it_may_hold(tmp_path: Path) -> None:
    write_whole(tmp_path / "key", b"x" * 200)
    assert read_secret(tmp_path / "key", 100) == b"x" * 100
    assert len(first_of(tmp_path / "key", lambda: b"k")) == 200


def test_who_cannot_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    write_whole(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "key"]

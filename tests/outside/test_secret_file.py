"""A file that only its owner can read, and that is there whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sluicegate.outside.secret_file import first_of, write_whole


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

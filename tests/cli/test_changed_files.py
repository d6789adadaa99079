"""Files that are changed in all the ways in which editors, copies and mounted volumes do that. Real files, on the mock clock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from sluicegate.cli.changed_files import LOOK_SECONDS, watch
from sluicegate.testing.network import run_inline

Clock = trio.testing.MockClock
SEEN_SECONDS = 2.0
"""Within which each change is seen."""


@attrs.define
class Watched:
    file: Path
    changes: int = 0

    def changed(self) -> None:
        self.changes += 1

    async def after(self, change: Callable[[Path], object]) -> int:
        """How often a change was told of in the time in which it should be."""
        before = self.changes
        change(self.file)
        await trio.sleep(SEEN_SECONDS)
        return self.changes - before


@pytest.fixture
async def watched(tmp_path: Path, nursery: trio.Nursery) -> Watched:
    """As Kubernetes mounts a ConfigMap: what has the file's name is a link to a link to a folder of this version."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "gate.toml").write_text(f"# {version}\n", encoding="utf-8")
    (tmp_path / "data").symlink_to("1")
    file = tmp_path / "gate.toml"
    file.symlink_to("data/gate.toml")
    found = Watched(file)
    nursery.start_soon(watch, lambda: [file], found.changed, run_inline)
    await trio.sleep(SEEN_SECONDS)
    return found


def swap_the_link(file: Path) -> None:
    new = file.with_name("new")
    new.symlink_to("2")
    new.replace(file.with_name("data"))


def rename_another_over_it(file: Path) -> None:
    new = file.with_name("gate.toml~")
    shutil.copy2(file, new)  # with its times
    new.replace(file)


def truncate_and_write(file: Path) -> None:
    file.write_text("# new\n", encoding="utf-8")


def write_the_same_number_of_bytes_with_the_same_time(file: Path) -> None:
    before = file.stat()
    file.write_text("# 9\n", encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def take_away_and_give_rights(file: Path) -> None:
    file.chmod(0o600)


def remove_and_make_anew(file: Path) -> None:
    file.unlink()
    file.write_text("# new\n", encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        swap_the_link,
        rename_another_over_it,
        truncate_and_write,
        write_the_same_number_of_bytes_with_the_same_time,
        take_away_and_give_rights,
        remove_and_make_anew,
        Path.unlink,
    ],
)
async def test_each_way_to_change_a_file_is_seen_within_two_seconds(
    watched: Watched, autojump_clock: Clock, change: Callable[[Path], object]
) -> None:
    assert watched.changes == 1, "once at the beginning"
    assert await watched.after(lambda _file: None) == 0
    assert await watched.after(change) == 1
    assert await watched.after(lambda _file: None) == 0


async def test_a_file_that_is_written_bit_by_bit_is_told_of_when_it_is_whole(watched: Watched, autojump_clock: Clock) -> None:
    before = watched.changes
    for part in range(20):
        watched.file.write_text("#" * part, encoding="utf-8")
        await trio.sleep(LOOK_SECONDS)
        assert watched.changes == before
    await trio.sleep(SEEN_SECONDS)
    assert watched.changes == before + 1


async def test_what_does_not_concern_the_files_is_not_looked_at(watched: Watched, autojump_clock: Clock) -> None:
    def others(file: Path) -> None:
        (file.parent / "gate.toml.sessions").mkdir()
        (file.parent / ".gate.toml.swp").write_text("x", encoding="utf-8")
        (file.parent / "2" / "gate.toml").write_text("# not this\n", encoding="utf-8")

    assert await watched.after(others) == 0


async def test_which_files_they_are_may_change(tmp_path: Path, autojump_clock: Clock, nursery: trio.Nursery) -> None:
    files, found = [tmp_path / "one"], Watched(tmp_path / "two")
    nursery.start_soon(watch, lambda: files, found.changed, run_inline)
    await trio.sleep(SEEN_SECONDS)
    files.append(found.file)
    await trio.sleep(SEEN_SECONDS)
    assert await found.after(truncate_and_write) == 1
    files.remove(found.file)
    await trio.sleep(SEEN_SECONDS)
    assert await found.after(truncate_and_write) == 0

"""Keys that outlive the process: who can read them, what several processes do to each other, and what is in the folder that is none of ours."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from sluicegate.outside.key_folder import KeyFolder
from sluicegate.protocol.sealing_key import SealingKey
from sluicegate.testing import run_inline

T = TypeVar("T")


def folder(path: Path) -> KeyFolder:
    return KeyFolder(path, run_inline)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def key(made: int) -> SealingKey:
    return SealingKey.new(made, os.urandom)


async def test_keys_come_back_as_they_were(tmp_path: Path) -> None:
    keys = [key(1), key(2)]
    for one in keys:
        await folder(tmp_path / "keys").add(one)
    found = await folder(tmp_path / "keys").load()
    assert sorted(found) == keys
    assert {one.id for one in found} == {one.id for one in keys}


async def test_nobody_else_can_read_them_and_no_repository_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys"
    one = key(1)
    await folder(path).add(one)
    await folder(path).end(one, b"x" * 16)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {file.suffix: stat.S_IMODE(file.stat().st_mode) for file in path.iterdir() if file.suffix} == {".key": 0o600, ".ended": 0o600}
    assert (path / ".gitignore").read_text() == "*\n"
    assert one.secret.hex() not in repr(one)


async def test_a_key_that_could_not_be_kept_can_be_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_path: Path, _target: Path) -> None:
        raise OSError(5, "Input/output error")

    one = key(1)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", cannot)
        with pytest.raises(OSError, match="Input/output error"):
            await folder(tmp_path / "keys").add(one)
    await folder(tmp_path / "keys").add(one)
    assert await folder(tmp_path / "keys").load() == [one]


async def test_another_process_may_have_made_the_folder_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.mkdir

    def somebody_is_quicker(path: Path, mode: int) -> None:
        make(path, mode)
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", somebody_is_quicker)
    one = key(1)
    await folder(tmp_path / "keys").add(one)
    assert await folder(tmp_path / "keys").load() == [one]


async def test_where_there_is_no_folder_there_are_no_keys(tmp_path: Path) -> None:
    assert await folder(tmp_path / "none").load() == []
    assert await folder(tmp_path / "none").ends({key(1): 0}) == {}
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", [b"", b"2 5 short\n", b"1 5 " + b"A" * 43 + b"=\n", b"\xff" * 4000, b"2 5 " + b"A" * 43 + b"=\nmore"])
async def test_a_file_that_holds_no_key_is_left_alone(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.key").write_bytes(content)
    one = key(1)
    await folder(tmp_path).add(one)
    assert await folder(tmp_path).load() == [one]
    assert (tmp_path / "x.key").read_bytes() == content
    assert "holds no key" in caplog.text


async def test_what_is_no_file_costs_the_other_keys_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = key(1)
    await folder(tmp_path).add(one)
    (tmp_path / "folder.key").mkdir()
    os.mkfifo(tmp_path / "pipe.key")
    (tmp_path / "gone.key").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.key").symlink_to("round.key")
    assert await folder(tmp_path).load() == [one]
    assert {record.file for record in caplog.records} == {str(tmp_path / f"{name}.key") for name in ("folder", "pipe", "round")}  # type: ignore[attr-defined]


async def test_a_key_that_others_can_read_is_used_and_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = key(1)
    await folder(tmp_path).add(one)
    (tmp_path / f"{one.id}.key").chmod(0o640)
    with caplog.at_level(logging.WARNING):
        assert await folder(tmp_path).load() == [one]
    assert "can be read by others" in caplog.text


async def test_what_ended_is_read_from_where_it_was_read_before(tmp_path: Path) -> None:
    one, other = key(1), key(2)
    for record in (b"a" * 16, b"b" * 16):
        await folder(tmp_path).end(one, record)
    assert await folder(tmp_path).ends({one: 0, other: 0}) == {one: b"a" * 16 + b"b" * 16}
    assert await folder(tmp_path).ends({one: 16}) == {one: b"b" * 16}
    assert await folder(tmp_path).ends({one: 32}) == {}


async def test_a_key_goes_with_what_ended_of_it(tmp_path: Path) -> None:
    one = key(1)
    await folder(tmp_path).add(one)
    await folder(tmp_path).end(one, b"a" * 16)
    for _ in range(2):  # another process may have been quicker
        await folder(tmp_path).drop(one)
    assert names(tmp_path) == [".gitignore"]


async def test_a_disk_that_hangs_is_not_waited_for(tmp_path: Path, autojump_clock: object) -> None:
    async def hang(function: Callable[[], T], /, *, abandon: bool = False) -> T:
        assert abandon
        return await trio.sleep_forever()

    hanging = KeyFolder(tmp_path, hang)
    for attempt in (hanging.load, lambda: hanging.add(key(1)), lambda: hanging.end(key(1), b"x" * 16), lambda: hanging.ends({key(1): 0})):
        began = trio.current_time()
        with pytest.raises(TimeoutError, match="has not answered for 5 seconds"):
            await attempt()
        assert trio.current_time() - began == 5


async def test_a_folder_that_is_a_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for attempt in (folder(tmp_path / "file").load, lambda: folder(tmp_path / "file").add(key(1))):
        with pytest.raises(OSError, match=r"directory|exists"):
            await attempt()

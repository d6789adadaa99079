"""The real outside is not to be had where time is not real; what is asked for in its place works there."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from sluicegate.outside import Outside, ProcessSpec
from sluicegate.testing.network import open_outside

REAL = Outside()


async def _ask_http() -> object:
    return REAL.open_http()


@pytest.mark.parametrize(
    ("use", "instead"),
    [
        (lambda: REAL.open_process(ProcessSpec("/bin/true")), r"Outside\(open_process="),
        (lambda: REAL.open_stream("127.0.0.1", 1), r"Outside\(open_stream="),
        (_ask_http, r"Outside\(open_http="),
        (lambda: REAL.listen("127.0.0.1", 0), r"Outside\(listen="),
        (lambda: REAL.listen_unix("gate.sock", 0o600), "an outside world in memory"),
        (REAL.listen_inherited, "an outside world in memory"),
        (lambda: REAL.run_blocking(threading.get_ident), r"Outside\(run_blocking="),
    ],
    ids=["child", "connection", "HTTP", "port", "Unix socket", "socket of systemd", "thread"],
)
async def test_nothing_real_is_opened_under_a_mock_clock_and_what_to_use_instead_is_said(
    use: Callable[[], Awaitable[object]],
    instead: str,
    autojump_clock: trio.testing.MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=f"not under a mock clock.*{instead}"):
        await use()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_what_is_to_be_used_instead_is_in_an_outside_world_in_memory(autojump_clock: trio.testing.MockClock) -> None:
    """A child, a connection, a port, a Unix socket and blocking work, one after the other; sockets of systemd's are not there."""

    async def program(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
        return len(spec.args)

    async def answer(listener: trio.abc.Listener[trio.abc.Stream], word: bytes) -> None:
        await (await listener.accept()).send_all(word)

    async with open_outside() as world, trio.open_nursery() as nursery:
        world.processes.add("count", program)
        child = await world.outside.open_process(ProcessSpec("count", ("one", "two")))
        assert await child.wait() == 2
        (port,) = await world.outside.listen("127.0.0.1", 80)
        nursery.start_soon(answer, port, b"port")
        assert await (await world.outside.open_stream("127.0.0.1", 80)).receive_some(10) == b"port"
        (socket,) = await world.outside.listen_unix("gate.sock", 0o600)
        nursery.start_soon(answer, socket, b"socket")
        assert await (await world.open_unix("gate.sock")).receive_some(10) == b"socket"
        assert await world.outside.run_blocking(threading.get_ident) == threading.get_ident()
        with pytest.raises(OSError, match="systemd"):
            await world.outside.listen_inherited()

"""The real outside: connections, pipes and threads."""

from __future__ import annotations

import fcntl
import gc
import os
import socket
import threading
import warnings
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from sluicegate.outside import Outside
from sluicegate.outside.pipes import ReadPipe

pytestmark = pytest.mark.slow

REAL = Outside()
MOST_LEFT = 8
"""Threads for work that may be left to itself."""


async def test_a_peer_that_vanishes_from_a_connection_is_noticed_after_two_minutes() -> None:
    (listener,) = await REAL.listen("127.0.0.1", 0)
    assert isinstance(listener, trio.SocketListener)
    stream = await REAL.open_stream("127.0.0.1", listener.socket.getsockname()[1])
    assert isinstance(stream, trio.SocketStream)
    assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0

    def option(name: str) -> int:
        value = stream.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
        assert isinstance(value, int)
        return value

    if hasattr(socket, "TCP_KEEPIDLE"):
        assert (option("TCP_KEEPIDLE"), option("TCP_KEEPINTVL"), option("TCP_KEEPCNT")) == (60, 15, 4)
    await stream.aclose()
    await listener.aclose()


async def test_a_path_on_which_nobody_can_listen_is_an_error_and_leaves_no_socket_open(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for path in (tmp_path / "no" / "such" / "folder", tmp_path / ("x" * 200)):
            with pytest.raises(OSError, match=r"No such file|too long"):
                await REAL.listen_unix(str(path), 0o600)
        gc.collect()
    assert [str(warning.message) for warning in warned] == []


async def test_work_that_blocks_runs_in_a_thread_and_is_waited_for_unless_it_may_be_left() -> None:
    """Whoever may not leave it is cancelled late rather than having it run on beside him."""
    assert await REAL.run_blocking(threading.get_ident) != threading.get_ident()
    for abandon in (False, True):
        free, done = threading.Event(), threading.Event()

        def work(free: threading.Event = free, done: threading.Event = done) -> None:
            free.wait(5)
            done.set()

        with trio.move_on_after(0.05) as scope:
            if not abandon:
                threading.Timer(0.2, free.set).start()
            await REAL.run_blocking(work, abandon=abandon)
        assert scope.cancelled_caught == abandon
        assert done.is_set() != abandon
        free.set()
        done.wait(5)


async def test_work_that_hangs_and_was_left_takes_no_thread_of_other_work() -> None:
    free, begun = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        free.wait(30)

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(partial(REAL.run_blocking, hang, abandon=True))
            for _ in range(MOST_LEFT):
                await REAL.run_blocking(begun.acquire)
            nursery.cancel_scope.cancel()
        assert await REAL.run_blocking(lambda: "runs") == "runs"
        with trio.move_on_after(0.05) as scope:
            await REAL.run_blocking(hang, abandon=True)
        assert scope.cancelled_caught
        assert not begun.acquire(blocking=False)
    finally:
        free.set()
    assert await REAL.run_blocking(lambda: "runs", abandon=True) == "runs"


@pytest.mark.parametrize("closes", [True, False])
async def test_a_pipe_that_is_closed_just_when_something_has_come_was_closed(closes: bool) -> None:
    """Whoever reads it hears of that as if it had waited a little longer, and not of a broken pipe."""
    for _ in range(30):  # which of two tasks that wake up together runs first is left to chance
        (here, there), (other_here, other_there) = os.pipe(), os.pipe()
        pipe, other = ReadPipe(trio.lowlevel.FdStream(here)), ReadPipe(trio.lowlevel.FdStream(other_here))
        said: list[object] = []

        async def read(pipe: ReadPipe = pipe, said: list[object] = said) -> None:
            try:
                said.append(await pipe.receive_some())
            except trio.ClosedResourceError:
                said.append("closed")

        async def close(pipe: ReadPipe = pipe, other: ReadPipe = other) -> None:
            await other.receive_some()
            if closes:
                await pipe.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(close)
            await trio.testing.wait_all_tasks_blocked()
            for end in (there, other_there):
                os.write(end, b"x")
        assert said in ([b"x"], ["closed"] if closes else [])
        for stream in (pipe, other):
            await stream.aclose()
        for end in (there, other_there):
            os.close(end)


async def test_a_pipe_is_read_64_kibibytes_at_a_time_or_as_many_as_were_asked_for() -> None:
    here, there = os.pipe()
    os.set_blocking(there, False)
    fcntl.fcntl(there, fcntl.F_SETPIPE_SZ, 1 << 20)
    assert os.write(there, b"x" * 70_000) == 70_000
    pipe = ReadPipe(trio.lowlevel.FdStream(here))
    assert [len(await pipe.receive_some(size)) for size in (1, None, None)] == [1, 65_536, 4463]
    os.close(there)
    assert await pipe.receive_some() == b""
    await pipe.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await pipe.receive_some()

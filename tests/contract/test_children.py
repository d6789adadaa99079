"""What holds for a child process and its group, real or in memory: a program is a shell's script, and an async function that does the same."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import pytest
import trio

from sluicegate.outside import Child, ProcessSpec, open_process
from sluicegate.testing.processes import ProcessTable, Program

Pipe = trio.abc.ReceiveStream
Sink = trio.abc.SendStream


@attrs.frozen
class Twice:
    """One program, written twice."""

    script: str
    program: Program
    ignores: tuple[int, ...] = ()
    leaves: Program | None = None
    """What it forks at its start, which goes on when it has ended."""


async def exits(stdin: Pipe, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    await stderr.send_all(b"giving up\n")
    return 7


async def parrot(stdin: Pipe, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    async for chunk in stdin:
        await stdout.send_all(bytes(chunk))
    return 0


async def tells(stdin: Pipe, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    await stdout.send_all(f"{spec.env['WORD']} {' '.join(spec.args[3:])}\n".encode())
    return 0


async def waits(stdin: Pipe, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    await stdout.send_all(b"up\n")
    await trio.Event().wait()
    return 0


async def ends(stdin: Pipe, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    await stdout.send_all(b"up\n")
    return 0


async def stays(stdin: Pipe, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    await trio.Event().wait()
    return 0


EXITS = Twice("echo giving up >&2; exit 7", exits)
PARROT = Twice("exec cat", parrot)
TELLS = Twice('echo "$WORD $*"', tells)
WAITS = Twice("echo up; exec sleep 1000", waits)
STUBBORN = Twice('trap "" TERM INT HUP; echo up; while :; do sleep 0.05; done', waits, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
FORKS = Twice("sleep 1000 <&- >&- 2>&- & echo up", ends, leaves=stays)

Start = Callable[[Twice], AbstractAsyncContextManager[Child]]
ARGS = ("child", "one", "two")


@asynccontextmanager
async def real(which: Twice) -> AsyncGenerator[Child, None]:
    child = await open_process(ProcessSpec("/bin/sh", ("-c", which.script, *ARGS), {"PATH": os.environ["PATH"], "WORD": "hello"}))
    try:
        yield child
    finally:
        await child.aclose()


@asynccontextmanager
async def virtual(which: Twice) -> AsyncGenerator[Child, None]:
    async with trio.open_nursery() as nursery:
        table = ProcessTable(nursery)
        table.add("/bin/sh", which.program, ignores=which.ignores, leaves=which.leaves)
        child = await table.open_process(ProcessSpec("/bin/sh", ("-c", which.script, *ARGS), {"WORD": "hello"}))
        try:
            yield child
        finally:
            await child.aclose()
        assert table.running == []


@pytest.fixture(params=[pytest.param(real, marks=pytest.mark.slow), virtual], ids=["real", "virtual"])
def start(request: pytest.FixtureRequest) -> Start:
    """Starts a program as it is or in memory; in the end it is closed."""
    found: Start = request.param
    return found


async def rest_of(stream: trio.abc.ReceiveStream) -> bytes:
    said = b""
    with trio.fail_after(20):
        async for chunk in stream:
            said += bytes(chunk)
    return said


async def line_of(child: Child) -> bytes:
    said = b""
    with trio.fail_after(20):
        while not said.endswith(b"\n"):
            said += bytes(await child.stdout.receive_some())
    return said


async def test_its_status_and_its_last_words_are_told(start: Start) -> None:
    async with start(EXITS) as child:
        assert await rest_of(child.stderr) == b"giving up\n"
        assert await child.wait() == 7
        assert child.returncode == 7
        assert await child.wait() == 7


async def test_it_has_the_environment_and_the_arguments_that_it_was_given(start: Start) -> None:
    async with start(TELLS) as child:
        assert await rest_of(child.stdout) == b"hello one two\n"


async def test_what_it_reads_it_has_whole_and_the_end_of_its_input_ends_it(start: Start) -> None:
    async with start(PARROT) as child:
        await child.stdin.send_all(b"one\n")
        assert await line_of(child) == b"one\n"
        assert child.returncode is None
        await child.stdin.aclose()
        assert await rest_of(child.stdout) == b""
        assert await child.wait() == 0
        await child.wait_group()


async def test_a_signal_ends_it_and_says_so(start: Start) -> None:
    async with start(WAITS) as child:
        assert await line_of(child) == b"up\n"
        child.signal_group(signal.SIGTERM)
        assert await child.wait() == -signal.SIGTERM
        assert await rest_of(child.stdout) == b""


async def test_who_ignores_signals_ends_by_the_one_that_nobody_can_ignore(start: Start) -> None:
    async with start(STUBBORN) as child:
        assert await line_of(child) == b"up\n"
        child.signal_group(signal.SIGTERM)
        child.signal_group(signal.SIGHUP)
        assert child.returncode is None
        child.signal_group(signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL


async def test_who_writes_to_one_that_has_ended_is_told_so(start: Start) -> None:
    async with start(EXITS) as child:
        await rest_of(child.stderr)
        await child.wait()
        with pytest.raises(trio.BrokenResourceError):
            await child.stdin.send_all(b"x")


async def test_a_group_outlives_the_child_that_leaves_something_behind(start: Start) -> None:
    async with start(FORKS) as child:
        assert await line_of(child) == b"up\n"
        assert await child.wait() == 0
        with trio.move_on_after(0.1) as waiting:
            await child.wait_group()
        assert waiting.cancelled_caught
        child.signal_group(signal.SIGKILL)
        with trio.fail_after(20):
            await child.wait_group()


async def test_a_group_that_has_ended_gets_no_signal_any_more_and_can_be_closed_again(start: Start) -> None:
    """Its number may be somebody else's by now."""
    async with start(EXITS) as child:
        await rest_of(child.stderr)
        assert await child.wait() == 7
        await child.wait_group()
        child.signal_group(signal.SIGKILL)
        await child.aclose()
        child.signal_group(signal.SIGKILL)
        assert child.returncode == 7


@pytest.mark.parametrize("which", [WAITS, STUBBORN, FORKS, PARROT], ids=["waits", "ignores signals", "has forked", "reads"])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_ends_the_whole_group_also_where_the_caller_has_been_cancelled(start: Start, which: Twice, cancelled: bool) -> None:
    async with start(which) as child:
        if which is not PARROT:
            assert await line_of(child) == b"up\n"
        with trio.CancelScope() as scope:
            if cancelled:
                scope.cancel()
            await child.aclose()
        assert child.returncode in {0, -signal.SIGKILL}
        with trio.fail_after(5):
            await child.wait_group()


@pytest.mark.parametrize("pipe", ["stdin", "stdout", "stderr"])
async def test_a_pipe_that_was_closed_says_so(start: Start, pipe: str) -> None:
    async with start(PARROT) as child:
        await getattr(child, pipe).aclose()
        with pytest.raises(trio.ClosedResourceError):
            await (child.stdin.send_all(b"x") if pipe == "stdin" else getattr(child, pipe).receive_some())

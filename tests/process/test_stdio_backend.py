"""The stdio backend with real children: what they say, how they die, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.heard import Heard

from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.session import ConnectFailed
from sluicegate.backends.stdio import StdioConnector
from sluicegate.protocol.calls import Reply
from sluicegate.protocol.faults import Cause

pytestmark = pytest.mark.slow

CHILDREN = Path(__file__).parent / "children"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
"""In which children find the kit, wherever these tests are started."""
ODD = ("-S", "-E", str(CHILDREN / "odd.py"))


def odd(*habits: str, grace: float = 0.3, **options: object) -> StdioConnector:
    return StdioConnector("odd", sys.executable, (*ODD, *habits), grace=grace, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(connect: StdioConnector) -> AsyncGenerator[ChannelSession, None]:
    """An open session; afterwards no process of the child's group is left."""
    group = -1
    try:
        with trio.fail_after(30):
            async with connect(Heard()) as session:
                assert isinstance(session, ChannelSession)
                assert session.pid is not None
                group = session.pid
                yield session
    finally:
        assert not is_group_alive(group)


def is_group_alive(group: int) -> bool:
    """Whether a process of the group runs; one that has ended and waits to be noticed does not."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True)
    return any(int(pgid) == group and not stat.startswith("Z") for pgid, stat in map(str.split, listed.stdout.splitlines()))


async def ask_in_background(session: ChannelSession, nursery: trio.Nursery, method: str) -> list[Reply]:
    """Send a call that nobody answers, and return the list in which its reply will be."""
    replies: list[Reply] = []

    async def ask() -> None:
        replies.append(await session.request(a_call(method=method)))

    nursery.start_soon(ask)
    await session.request(a_call(method="hello"))  # its answer tells that the other one has arrived too
    return replies


async def test_the_child_gets_its_environment_and_directory(tmp_path: Path) -> None:
    async with opened(odd(env={"ODD": "yes"}, cwd=str(tmp_path))) as session:
        reply = await session.request(a_call(method="hello"))

    assert {"saw": "hello", "pid": session.pid, "cwd": str(tmp_path), "env": "yes"} == reply.value


async def test_kill_nine_in_mid_call_fails_it_at_once_with_the_signal_and_stderr() -> None:
    async with opened(odd()) as session:
        await session.request(a_call(method="complain"))
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            replies = await ask_in_background(session, nursery, "hang")
            assert session.pid is not None
            os.kill(session.pid, signal.SIGKILL)
        (reply,) = replies

    assert reply.fault is not None
    assert "killed by SIGKILL; its stderr ended with:\n  the disk is full" in reply.fault.told
    assert "killed by SIGKILL" in reply.fault.message
    assert "its stderr" not in reply.fault.message
    assert trio.current_time() - began < 2


async def test_an_exit_is_told_with_its_status() -> None:
    async with opened(odd()) as session:
        reply = await session.request(a_call(method="exit"))

    assert reply.fault is not None
    assert "exited with status 7; its stderr ended with:\n  giving up" in reply.fault.told
    assert "exited with status 7" in reply.fault.message
    assert "its stderr" not in reply.fault.message


@pytest.mark.parametrize(
    "habits",
    [
        (),
        ("deaf",),
        ("deaf", "stubborn"),
        ("forks",),
        ("deaf", "stubborn", "forks"),
        ("deaf", "stubborn", "leaves"),
    ],
    ids=" ".join,
)
async def test_nothing_of_the_group_is_left_after_leaving(habits: tuple[str, ...]) -> None:
    async with opened(odd(*habits)) as session:
        if "leaves" in habits:
            assert str(await session.wait_closed()) == "exited with status 0"
            assert is_group_alive(session.pid or 0)
        else:
            assert (await session.request(a_call(method="hello"))).fault is None


async def test_kill_nine_of_a_parent_takes_its_children_along() -> None:
    async with opened(odd("forks")) as session:
        async with trio.open_nursery() as nursery:
            replies = await ask_in_background(session, nursery, "hang")
            assert session.pid is not None
            os.kill(session.pid, signal.SIGKILL)
        assert is_group_alive(session.pid)

    assert replies[0].fault is not None


async def test_a_cancelled_start_leaves_nothing() -> None:
    """Cut after ever more steps of the start, the last ones with the child up."""
    before = children_of(os.getpid())
    for steps in range(0, 40, 4):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_open, odd("deaf", "stubborn", grace=0.05))
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            if steps > 20:
                await trio.to_thread.run_sync(time.sleep, steps / 5000)
            nursery.cancel_scope.cancel()
    assert before == children_of(os.getpid())


async def hold_open(connect: StdioConnector) -> None:
    async with opened(connect):
        await trio.sleep_forever()


def children_of(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,pid=,comm="], capture_output=True, text=True, check=True)
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return {int(child) for parent, child, name in rows if int(parent) == pid and name != "ps"}


async def test_without_a_shell_there_is_no_guardian_but_all_else_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sluicegate.outside.guardian.SHELL", "/no/such/shell")
    async with opened(odd("deaf", "stubborn", grace=0.1)) as session:
        reply = await session.request(a_call(method="hello"))

    assert reply.fault is None
    assert [record.levelname for record in caplog.records if record.name == "sluicegate.processes"] == ["WARNING"]


async def test_stderr_goes_to_the_log_line_by_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "sluicegate.backend.stderr"):
        async with opened(odd()) as session:
            await session.request(a_call(method="complain"))

    assert [(record.__dict__["backend"], record.__dict__["line"]) for record in caplog.records] == [("odd", "the disk is full")]


async def test_garbage_between_messages_hurts_nobody() -> None:
    async with opened(odd()) as session:
        replies = [await session.request(a_call(method=method)) for method in ("garbage", "hello")]

    assert [reply.fault for reply in replies] == [None, None]
    assert session.garbage == 6


@pytest.mark.parametrize("method", ["id first", "id last"])
async def test_a_line_of_50_mib_costs_its_own_call_and_little_memory(method: str) -> None:
    """The limit is 4 MiB here; twice that leaves room for the growth of the buffer."""
    command = [sys.executable, str(CHILDREN / "memory.py"), method, sys.executable, *ODD]
    with trio.fail_after(60):
        done = await trio.run_process(command, capture_stdout=True, env=ENVIRONMENT)

    told = json.loads(done.stdout)
    assert "larger than 4194304 bytes" in told["said"]
    assert (told["other"], told["after"]) == (0, True)
    assert told["grew"] < 8


async def test_a_child_that_does_not_read_is_an_overload_and_blocks_nobody() -> None:
    async with opened(odd("never reads", "stubborn", grace=0.1)) as session, trio.open_nursery() as nursery:
        replies: list[Reply] = []

        async def ask() -> None:
            replies.append(await session.request(a_call(method="x" * 1000)))

        for _ in range(2000):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()

    assert len(replies) > 500
    assert {(Cause.OVERLOAD, False)} == {(reply.fault.cause, reply.fault.started) for reply in replies if reply.fault is not None}


@pytest.mark.parametrize(
    ("command", "cwd", "said"),
    [
        ("no-such-server", None, "command 'no-such-server' was not found; PATH searched: /one:/two"),
        ("/no/such/server", None, "command '/no/such/server' does not exist"),
        (sys.executable, "/no/such/place", "working directory '/no/such/place' does not exist"),
        (__file__, None, f"command '{__file__}' may not be executed: Permission denied"),
    ],
)
async def test_a_child_that_cannot_start_is_explained(command: str, cwd: str | None, said: str) -> None:
    with pytest.raises(ConnectFailed) as refused:
        async with StdioConnector("x", command, cwd=cwd, env={"PATH": "/one:/two"})(Heard()):
            raise AssertionError

    assert said == str(refused.value)


@pytest.mark.parametrize("habits", [(), ("deaf", "stubborn"), ("deaf", "stubborn", "forks")], ids=" ".join)
async def test_when_the_gateway_is_killed_nothing_of_the_tree_is_left(habits: tuple[str, ...]) -> None:
    command = [sys.executable, str(CHILDREN / "gateway.py"), sys.executable, *ODD, *habits]
    gateway = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, env=ENVIRONMENT, start_new_session=True)
    assert gateway.stdout is not None
    try:
        with trio.fail_after(30):
            group = int(await gateway.stdout.receive_some())
            guardians = children_of(gateway.pid) - {group}
    finally:
        gateway.kill()
        await gateway.stdout.aclose()
        await gateway.wait()

    assert len(guardians) == 1
    with trio.fail_after(10):
        for pid in (group, *guardians):
            await until_gone(pid)


async def until_gone(group: int) -> None:
    while is_group_alive(group):  # noqa: ASYNC110  strangers by now: there is nothing of them to wait on
        await trio.sleep(0.02)


async def test_a_deep_answer_costs_its_call_at_once_and_no_other(tmp_path: Path) -> None:
    async with opened(odd(cwd=str(tmp_path))) as session:
        reply = await session.request(a_call(method="deep"))
        assert reply.fault is not None
        assert reply.fault.reason == "bad_answer"
        assert (await session.request(a_call(method="x"))).fault is None


async def test_what_stands_before_an_answer_on_its_line_is_skipped(tmp_path: Path) -> None:
    async with opened(odd(cwd=str(tmp_path))) as session:
        assert (await session.request(a_call(method="banner"))).value == {"saw": "banner"}


async def test_a_flood_of_questions_ends_the_session_while_others_get_their_turns(tmp_path: Path) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with opened(odd(cwd=str(tmp_path))) as session, trio.open_nursery() as nursery:
        nursery.start_soon(other)
        reply = await session.request(a_call(method="flood"))
        nursery.cancel_scope.cancel()
    assert reply.fault is not None
    assert "requests that nobody asked for" in reply.fault.message
    assert turns > 20

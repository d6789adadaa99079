"""The stdio backend on programs in memory: what is said through the pipes, and how a conversation ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.heard import Heard

from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.session import BackendSession, ConnectFailed
from sluicegate.backends.stdio import StdioConnector
from sluicegate.outside import Child, ProcessSpec
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause
from sluicegate.protocol.messages import Raw
from sluicegate.testing.processes import ProcessTable

Source = trio.abc.ReceiveStream
Sink = trio.abc.SendStream


async def server(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
    """Does what the method says, and ends with its input."""
    async for line in stdin:
        for part in bytes(line).splitlines():
            message = json.loads(part)
            if "id" in message:
                await act(message, stdout, stderr)
            if message["method"] == "exit":
                return 3
    return 0


async def act(message: dict[str, Any], stdout: Sink, stderr: Sink) -> None:
    answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"saw": message["method"]}}).encode()
    match message["method"]:
        case "hang":
            return
        case "garbage":
            await stdout.send_all(b"hello, I am a server\n\n  \n[1,\n" + answer + b"\n")
        case "batch":
            await stdout.send_all(b'[{"jsonrpc":"2.0","method":"notifications/x"},' + answer + b"]\n")
        case "complain":
            await stderr.send_all(b"".join(b"line %d\n" % number for number in range(50)) + b"the end")
        case "huge":
            await stdout.send_all(b'{"jsonrpc":"2.0","result":{"text":"' + b"x" * 5000 + b'"},"id":%d}\n' % message["id"])
        case "anonymous":
            await stdout.send_all(b"x" * 5000 + b"\n")
        case "bulletin":
            await stdout.send_all(b'{"method":"notifications/message","params":"' + b"x" * 5000 + b'"}\n' + answer + b"\n")
        case "unterminated" | "exit":
            await stdout.send_all(answer)
        case "mute":
            await stdout.aclose()
            await trio.sleep_forever()
        case _:
            await stdout.send_all(answer + b"\n")


def connector(table: ProcessTable, command: str = "server", limit: int = 1000) -> StdioConnector:
    return StdioConnector("files", command, open_process=table.open_process, max_message_size=limit)


@pytest.fixture
def table(nursery: trio.Nursery) -> ProcessTable:
    table = ProcessTable(nursery)
    table.add("server", server)
    return table


async def ask(session: BackendSession, *methods: str) -> list[Reply]:
    """Ask for all of them at once; the replies in the order of the questions."""
    replies: dict[int, Reply] = {}

    async def one(number: int, method: str) -> None:
        replies[number] = await session.request(a_call(method=method))

    async with trio.open_nursery() as nursery:
        for number, method in enumerate(methods):
            nursery.start_soon(one, number, method)
            await trio.testing.wait_all_tasks_blocked()
    return [replies[number] for number in range(len(methods))]


async def test_a_call_goes_out_and_its_answer_comes_back(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        reply = await session.request(a_call(method="tools/list"))

    assert reply.value == {"saw": "tools/list"}
    assert table.started[0].returncode == 0


async def test_a_message_with_line_breaks_leaves_on_one_line(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        reply = await session.request(Call("x", "x", {"arguments": Raw(b'{\n "a":\r\n 1}')}))

    assert reply.value == {"saw": "x"}


async def test_garbage_between_messages_hurts_nobody(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        replies = await ask(session, "garbage", "a")

    assert [reply.value for reply in replies] == [{"saw": "garbage"}, {"saw": "a"}]


async def test_blank_lines_are_nothing_at_all(nursery: trio.Nursery) -> None:
    """Programs print them to set something off; as garbage they would be told of, and count against the session."""

    async def spaced(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
        async for _ in stdin:
            await stdout.send_all(b'\n\r\n   \n\t\n{"jsonrpc":"2.0","id":1,"result":{}}\n\n')
        return 0

    table = ProcessTable(nursery)
    table.add("spaced", spaced)
    async with connector(table, "spaced")(Heard()) as session:
        assert (await session.request(a_call("x"))).fault is None
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(session, ChannelSession)
        assert session.garbage == 0


async def test_a_batch_from_the_backend_is_taken_apart(table: ProcessTable) -> None:
    heard = Heard()
    async with connector(table)(heard) as session:
        reply = await session.request(a_call(method="batch"))

    assert reply.value == {"saw": "batch"}
    assert heard.methods == ["notifications/x"]


async def test_an_answer_over_the_limit_fails_its_own_call_alone(table: ProcessTable, autojump_clock: trio.testing.MockClock) -> None:
    async with connector(table)(Heard()) as session:
        huge, small = await ask(session, "huge", "a")

    assert huge.fault is not None
    assert "larger than 1000 bytes" in huge.fault.message
    assert small.value == {"saw": "a"}


async def test_a_notification_over_the_limit_is_dropped(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        reply = await session.request(a_call(method="bulletin"))
        assert isinstance(session, ChannelSession)
        assert (session.garbage, session.first_garbage) == (1, "a line of 5046 bytes; the limit is 1000")

    assert reply.value == {"saw": "bulletin"}


async def test_a_line_over_the_limit_that_may_be_anybodys_closes_the_session(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        replies = await ask(session, "hang", "anonymous")
        why = str(await session.wait_closed())

    assert why == "it sent a line of 5000 bytes; the limit is 1000, and nothing tells whose answer it is"
    assert [reply.fault.cause for reply in replies if reply.fault] == [Cause.TRANSPORT, Cause.TRANSPORT]


async def test_a_crash_fails_the_open_calls_with_the_signal(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session, trio.open_nursery() as nursery:
        nursery.start_soon(kill_once_idle, table)
        (reply,) = await ask(session, "hang")

    assert reply.fault is not None
    assert reply.fault.message == "backend 'files' went away before it answered: killed by SIGKILL"


async def kill_once_idle(table: ProcessTable) -> None:
    await trio.testing.wait_all_tasks_blocked(0.01)
    table.started[0].signal(9)


async def test_the_last_lines_of_stderr_tell_why_it_ended(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        await ask(session, "hang", "complain", "exit")
        why = str(await session.wait_closed())

    head, *tail = why.split("\n")
    assert head == "exited with status 3; its stderr ended with:"
    assert [*(f"  line {number}" for number in range(31, 50)), "  the end"] == tail


async def test_an_answer_just_before_the_end_still_counts(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        hanging, last = await ask(session, "hang", "exit")

    assert hanging.fault is not None
    assert last.value == {"saw": "exit"}


async def test_calls_after_the_end_are_refused_as_not_started(table: ProcessTable) -> None:
    async with connector(table)(Heard()) as session:
        await ask(session, "exit")
        await session.wait_closed()
        reply = await session.request(a_call(method="a"))

    assert reply.fault is not None
    assert not reply.fault.started
    assert "exited with status 3" in reply.fault.message


async def test_a_child_that_closes_its_output_is_given_up(table: ProcessTable, autojump_clock: trio.testing.MockClock) -> None:
    async with connector(table)(Heard()) as session:
        (reply,) = await ask(session, "mute")
        assert trio.current_time() == 0.25

    assert reply.fault is not None
    assert "it closed its output" in reply.fault.message
    assert table.running == []


async def test_a_child_that_closes_its_input_is_given_up(table: ProcessTable, autojump_clock: trio.testing.MockClock) -> None:
    async def deaf(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
        await stdin.aclose()
        await trio.sleep(3600)
        return 0

    table.add("deaf", deaf)
    async with connector(table, "deaf")(Heard()) as session:
        (reply,) = await ask(session, "a")

    assert reply.fault is not None
    assert "it closed its input" in reply.fault.message


async def test_a_child_that_does_not_read_is_an_overload_and_blocks_nobody(
    table: ProcessTable, autojump_clock: trio.testing.MockClock
) -> None:
    async def busy(stdin: Source, stdout: Sink, stderr: Sink, spec: ProcessSpec) -> int:
        await trio.sleep(3600)
        return 0

    table.add("busy", busy)
    waiting = 0

    async def wait_in_vain() -> None:
        nonlocal waiting
        waiting += 1
        await session.request(a_call(method="a"))

    async with connector(table, "busy")(Heard()) as session, trio.open_nursery() as nursery:
        for many in (1, 1024):  # the first is on its way, the others queue up behind it
            for _ in range(many):
                nursery.start_soon(wait_in_vain)
            await trio.testing.wait_all_tasks_blocked()
        reply = await session.request(a_call(method="one too many"))
        nursery.cancel_scope.cancel()

    assert waiting == 1025
    assert reply.fault is not None
    assert Cause.OVERLOAD is reply.fault.cause
    assert not reply.fault.started


async def test_a_missing_command_is_no_connection(table: ProcessTable) -> None:
    with pytest.raises(ConnectFailed, match="command 'nothing' cannot be started: it is none of the programs in memory"):
        async with connector(table, "nothing")(Heard()):
            raise AssertionError


async def test_what_the_child_sees_of_the_environment_is_chosen(table: ProcessTable) -> None:
    async with StdioConnector("x", "server", env={"A": "1"}, inherited=lambda: {"PATH": "/p"}, open_process=table.open_process)(Heard()):
        await trio.lowlevel.checkpoint()

    assert table.started[0].spec.env == {"A": "1", "PATH": "/p"}


def test_secrets_in_arguments_and_environment_are_not_shown() -> None:
    assert "hush" not in repr(StdioConnector("x", "server", ("--token=hush",), {"TOKEN": "hush"}))


async def test_a_command_that_no_system_can_start_says_so() -> None:
    async def open_process(spec: ProcessSpec) -> Child:
        raise ValueError("embedded null byte")

    with pytest.raises(ConnectFailed, match="command 'x' cannot be started: embedded null byte"):
        async with StdioConnector("b", "x", ("a\0b",), open_process=open_process)(Heard()):
            raise AssertionError


def test_what_a_command_is_given_does_not_stand_in_its_repr() -> None:
    """Arguments and variables hold tokens, and whatever has a repr gets into a log one day."""
    spec = ProcessSpec("/bin/tool", ("--token=s3cret",), {"TOKEN": "s3cret"}, "/srv")
    assert repr(spec) == "ProcessSpec(command='/bin/tool', cwd='/srv')"

"""The access log: a line per call, whatever becomes of it, and never in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
import trio.testing

from sluicegate import Builder, Call, Reply, open_gateway
from sluicegate.observe.access import FAREWELL_SECONDS, AccessLine, AccessLog, AccessLogStatistics, JsonForm, LogBuffer, TextForm
from sluicegate.observe.buffer import MOST_LINES
from sluicegate.observe.log import logging_to
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Caller
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.principal import Principal
from sluicegate.telling.loggers import get_logger
from sluicegate.testing import cancel_at_every_checkpoint
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.checkpoints import Trial
from sluicegate.testing.script import Answer, Delay, Reset, ToolFails


class Page:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[dict[str, object]] = []

    async def write(self, batch: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.lines += [json.loads(line) for line in batch.splitlines()]


async def test_a_line_names_the_backend_that_answered_the_attempts_and_the_time(autojump_clock: trio.testing.MockClock) -> None:
    page, primary, backup = Page(), ScriptedBackend(Delay(1, Reset())), ScriptedBackend(Delay(2))
    builder = Builder("x").backend("b", primary.connector).backend("spare", backup.connector, failover_for="b")
    servers = {"b": primary.connector, "spare": backup.connector}
    async with open_gateway(builder.config(), servers=servers, access_log=page.write) as gateway:
        await gateway.settled()
        await gateway.call_tool("b_echo")
    (line,) = page.lines
    assert {key: value for key, value in line.items() if key != "time"} == {
        "event": "call",
        "method": "tools/call",
        "target": "b_echo",
        "outcome": "ok",
        "backend": "spare",
        "attempts": 2,
        "ms": 3000.0,
    }


async def test_a_tool_that_says_that_it_failed_is_told_apart(autojump_clock: trio.testing.MockClock) -> None:
    """A call that was answered, but not with what was asked for; a text that speaks of an error says nothing."""
    page, backend = Page(), ScriptedBackend(ToolFails("no such file"), Answer('"isError":true'))
    async with open_gateway(
        Builder("x").backend("b", backend.connector).config(), servers={"b": backend.connector}, access_log=page.write
    ) as gateway:
        await gateway.settled()
        for _ in range(2):
            await gateway.call_tool("b_echo")
    assert [(line["outcome"], line["backend"]) for line in page.lines] == [("tool_error", "b"), ("ok", "b")]


async def test_a_bug_is_told_as_one(autojump_clock: trio.testing.MockClock) -> None:
    page = Page()
    lines = LogBuffer(page.write)

    async def buggy(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        raise RuntimeError(call.method)

    with pytest.raises(RuntimeError):
        await AccessLog(buggy, lines, lambda: 7.0)(Call("tools/call", "none", {}))
    await lines.flush()
    assert [line["outcome"] for line in page.lines] == ["bug"]


async def test_refused_and_cancelled_calls_are_told_too(autojump_clock: trio.testing.MockClock) -> None:
    page = Page()
    lines = LogBuffer(page.write)

    async def refuse(call: Call) -> Reply:
        return Reply.failed(faults.unknown_name("tool", call.target))

    async def hang(call: Call) -> Reply:
        await trio.sleep_forever()
        raise AssertionError

    await AccessLog(refuse, lines, lambda: 7.0)(Call("tools/call", "none", {}))
    with trio.move_on_after(1):
        await AccessLog(hang, lines, lambda: 8.0)(Call("tools/call", "slow", {}))
    await lines.flush()
    assert [(line["target"], line["outcome"]) for line in page.lines] == [("none", "unknown_tool"), ("slow", "cancelled")]


async def test_a_slow_reader_of_the_log_costs_old_lines_and_never_a_call() -> None:
    page = Page()
    lines = LogBuffer(page.write)
    for number in range(MOST_LINES + 5):
        lines.put(b"%d" % number)
    assert lines.statistics().dropped == 5
    assert (lines.statistics().waiting, lines.statistics().waiting_bytes) == (
        MOST_LINES,
        sum(len(b"%d" % one) for one in range(5, MOST_LINES + 5)),
    )
    before = lines.statistics()
    await lines.flush()
    assert (lines.statistics(), before.waiting) == (AccessLogStatistics(dropped=5, waiting=0, waiting_bytes=0), MOST_LINES)
    assert page.lines[0] == {"event": "lost lines", "lost": 5}
    assert len(page.lines) == MOST_LINES + 1


async def test_lines_that_are_being_written_at_the_end_arrive_also_when_the_gateway_is_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    page, scripted = Page(), ScriptedBackend(Delay(1))

    async def slowly(batch: bytes) -> None:
        await trio.sleep(0.5)
        await page.write(batch)

    config = Builder("x").backend("b", scripted.connector).config()
    with trio.move_on_after(3.2):
        async with open_gateway(config, servers={"b": scripted.connector}, access_log=slowly) as gateway:
            await gateway.settled()
            for _ in range(10):
                await gateway.call_tool("b_echo")
    assert [line["outcome"] for line in page.lines] == ["ok", "ok", "ok", "cancelled"]
    assert trio.current_time() == 4.0


async def test_lines_are_written_however_early_the_end_comes(autojump_clock: trio.testing.MockClock) -> None:
    """What was put in before the end is written once, in its order, wherever the program was when it was cancelled."""
    page, put = Page(), 0

    async def scenario() -> None:
        nonlocal page, put
        page, put = Page(), 0
        lines = LogBuffer(page.write)
        async with lines.writing():
            for _ in range(4):
                lines.put(b'{"number":%d}' % put)
                put += 1
                await trio.sleep(0.03)

    async def check(_trial: Trial[None]) -> None:
        assert [line["number"] for line in page.lines] == list(range(put))

    assert await cancel_at_every_checkpoint(scenario, check) > 4


async def test_a_log_that_nobody_reads_holds_up_the_end_for_a_moment_only(autojump_clock: trio.testing.MockClock) -> None:
    scripted = ScriptedBackend(Delay(1))

    async def never(_batch: bytes) -> None:
        await trio.sleep_forever()

    config = Builder("x").backend("b", scripted.connector).config()
    async with open_gateway(config, servers={"b": scripted.connector}, access_log=never) as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("b_echo")).fault is None
    assert trio.current_time() == 1 + FAREWELL_SECONDS


async def test_a_line_shows_whose_session_it_was_and_not_the_key_to_it(autojump_clock: trio.testing.MockClock) -> None:
    """Who reads the log could use the session, had he its whole id."""
    page = Page()
    lines = LogBuffer(page.write)
    caller = Caller("2025-11-25", principal=Principal("anna"), session="abcdefgh-and-the-secret-rest")

    async def answer(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(Raw(b"{}"))

    await AccessLog(answer, lines, lambda: 7.0)(Call("tools/call", "t", {}, caller))
    await lines.flush()
    (line,) = page.lines
    assert (line["principal"], line["session"]) == ("anna", "abcdefgh")


@pytest.mark.parametrize("json_logs", [True, False])
def test_a_line_has_the_form_of_the_events_beside_it(json_logs: bool, tmp_path: Path) -> None:
    """One stream, one reader: what finds the time, the level and the logger of an event finds those of a call."""
    wall, file = 1_764_500_000.25, tmp_path / "log"
    with file.open("wb") as out, logging_to(out.fileno(), "info", json=json_logs, wall=lambda: wall) as buffer:
        get_logger("sluicegate.access").info("call", outcome="ok", ms=1.5, attempts=2, method="tools/call", target='a "b"')
        form = JsonForm() if json_logs else TextForm()
        buffer.put(form(AccessLine(wall, "call", "tools/call", 'a "b"', "ok", 1.5, attempts=2)))
    event, call = file.read_text(encoding="utf-8").splitlines()
    if json_logs:
        assert json.loads(call) == json.loads(event)
    else:
        assert sorted(call.split(" ")) == sorted(event.split(" "))

"""A configuration is read again: what is told of it, and what becomes of the gateway. Real files, on the mock clock."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import attrs
import pytest
import trio
import trio.lowlevel
import trio.testing
from tests.kit.changing import named

from sluicegate import Gateway
from sluicegate.cli.reloading import Reloading
from sluicegate.config.load import load
from sluicegate.config.model import Config, Loaded
from sluicegate.gateway.opening import open_gateway
from sluicegate.outside import Outside
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.network import run_inline
from sluicegate.testing.script import Delay

Clock = trio.testing.MockClock
LOOKS = 2.0
TEXT = """\
[proxy]
name = "x"
hot_reload = true
[[backends]]
name = "a"
transport = "http"
url = "http://a.example/mcp"
bearer_token = "${file:token}"
"""


@attrs.define
class Running:
    file: Path
    gateway: Gateway
    reloading: Reloading
    concealed: list[Config]

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")


@pytest.fixture
async def running(tmp_path: Path) -> AsyncGenerator[Running, None]:
    file, concealed = tmp_path / "gate.toml", list[Config]()
    file.write_text(TEXT, encoding="utf-8")
    (tmp_path / "token").write_text("first-token\n", encoding="utf-8")
    loaded = load(file)
    reloading = Reloading(lambda: load(file), loaded.files, concealed.append, in_thread=run_inline)
    outside = Outside(open_stream=MemoryNetwork().open_stream, run_blocking=run_inline)
    async with open_gateway(loaded.config, outside=outside) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(reloading.run, gateway)
        await trio.sleep(LOOKS)
        yield Running(file, gateway, reloading, concealed)
        nursery.cancel_scope.cancel()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "sluicegate.reload"]
    caplog.clear()
    return found


def settled(caplog: pytest.LogCaptureFixture) -> None:
    """What was told while it began is not looked at."""
    caplog.set_level(logging.INFO)
    caplog.clear()


async def test_what_is_written_takes_effect_by_itself(running: Running, autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    settled(caplog)
    running.write(TEXT + '[[backends]]\nname = "b"\ntransport = "http"\nurl = "http://b.example/mcp"\n')
    await trio.sleep(LOOKS)
    assert list(running.gateway.backends) == ["a", "b"]
    assert told(caplog) == [("INFO", "the configuration was read again, and has taken effect")]


async def test_a_file_that_is_named_in_it_is_one_of_its_files(running: Running, autojump_clock: Clock) -> None:
    running.file.with_name("token").write_text("second-token\n", encoding="utf-8")
    await trio.sleep(LOOKS)
    token = running.gateway.config.backends[0].bearer_token
    assert token is not None
    assert token.reveal() == "second-token"
    assert running.gateway.config.inserted == {"first-token", "second-token"}
    assert "second-token" in running.concealed[-1].inserted


async def test_mistakes_are_told_with_their_lines_and_leave_all_as_it_was(
    running: Running, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    settled(caplog)
    before = running.gateway.config
    running.write(TEXT + "nonsense = 1\nurll = 2\n")
    await trio.sleep(LOOKS)
    [(level, message)] = told(caplog)
    assert level == "ERROR"
    assert "nothing was changed" in message
    assert "gate.toml:9: backends[0].nonsense" in message
    assert "gate.toml:10: backends[0].urll" in message
    assert running.gateway.config is before
    assert not running.gateway.reloads.statistics().is_current
    running.write(TEXT)
    await trio.sleep(LOOKS)
    assert running.gateway.reloads.statistics().is_current


async def test_what_waits_for_a_restart_is_named(running: Running, autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    settled(caplog)
    running.write(TEXT.replace("hot_reload", "page_size = 3\nseparator = '-'\nhot_reload"))
    await trio.sleep(LOOKS)
    assert running.gateway.config.proxy.page_size == 3
    [applied, (level, message)] = told(caplog)
    assert applied == ("INFO", "the configuration was read again, and has taken effect")
    assert level == "WARNING"
    assert message.startswith("some settings take effect only when the gateway is started again: settings=")
    assert "proxy.separator" in message


async def test_who_asks_while_it_is_read_has_it_read_once_more(
    running: Running, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    settled(caplog)
    before = running.reloading.read

    def read() -> Loaded:
        running.reloading.read = before
        running.reloading.ask()
        return before()

    running.reloading.read = read
    for _ in range(3):
        running.reloading.ask()
    await trio.testing.wait_all_tasks_blocked()
    assert told(caplog) == [("INFO", "the configuration was read again, and is the same")] * 2


async def test_one_that_waits_for_the_last_calls_of_a_backend_does_not_hold_up_the_next(
    running: Running, autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    backend = ScriptedBackend(Delay(20))
    await running.gateway.add_backend(named("slow"), backend.connector)
    await running.gateway.ready("slow")
    nursery.start_soon(running.gateway.call_tool, "slow_echo")
    for name in ("c", "d"):
        running.write(TEXT.replace('"a"', f'"{name}"'))
        await trio.sleep(LOOKS)
        assert list(running.gateway.backends) == [name]
    assert backend.sessions[0].is_open


async def test_a_file_that_was_missing_is_waited_for(running: Running, autojump_clock: Clock) -> None:
    running.write(TEXT.replace("file:token", "file:later"))
    await trio.sleep(LOOKS)
    assert not running.gateway.reloads.statistics().is_current
    running.file.with_name("later").write_text("later-token\n", encoding="utf-8")
    await trio.sleep(LOOKS)
    token = running.gateway.config.backends[0].bearer_token
    assert token is not None
    assert token.reveal() == "later-token"


async def test_what_is_taken_back_while_it_waits_does_not_take_effect(running: Running, autojump_clock: Clock) -> None:
    more = '[[backends]]\nname = "b"\ntransport = "http"\nurl = "http://b.example/mcp"\n'
    running.write(TEXT.replace("hot_reload", "page_size = 3\nhot_reload").replace("a.example", "elsewhere.example") + more)
    running.reloading.ask()
    await trio.sleep(0.1)
    running.write(TEXT)
    running.reloading.ask()
    await trio.sleep(60)
    assert (list(running.gateway.backends), running.gateway.config.proxy.page_size) == (["a"], 0)


async def test_a_bug_in_reading_ends_nothing(running: Running, autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    settled(caplog)
    before = running.reloading.read

    def read() -> Loaded:
        raise ZeroDivisionError

    running.reloading.read = read
    running.reloading.ask()
    await trio.testing.wait_all_tasks_blocked()
    assert told(caplog) == [("ERROR", "bug in reading the configuration, so nothing was changed")]
    assert not running.gateway.reloads.statistics().is_current
    running.reloading.read = before
    running.write(TEXT.replace("hot_reload", "page_size = 3\nhot_reload"))
    await trio.sleep(LOOKS)
    assert running.gateway.config.proxy.page_size == 3

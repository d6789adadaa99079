"""What the operator reads in the log when something happens to a backend: each thing once, at its level, with the backend's name."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import open_site

from sluicegate.backends.backend import Backend
from sluicegate.backends.channel import ChannelSession
from sluicegate.backends.handshake import read_list, shake_hands
from sluicegate.backends.health import Health
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.link import Link, State
from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.settings import HealthSettings, RestartSettings
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Params, Raw, encode, read_text
from sluicegate.protocol.offers import KINDS, TEMPLATES, TOOLS, ListKind
from sluicegate.protocol.why import Why
from sluicegate.testing.backend import ScriptedBackend

# The numbers that are promised. Taken from the source they would move with it.
MOST_PAGES = 1000

Log = pytest.LogCaptureFixture


def told(caplog: Log, about: str) -> list[tuple[str, str]]:
    """Level and backend of each record that begins like this."""
    return [(one.levelname, one.__dict__["backend"]) for one in caplog.records if one.getMessage().startswith(about)]


@pytest.fixture(autouse=True)
def _all_levels(caplog: Log) -> None:
    caplog.set_level(logging.DEBUG)


# -- health


def a_health(*, by_calls: bool = True) -> Health:
    health = Health("b", HealthSettings(by_calls=by_calls, unhealthy_threshold=2))
    health.begin(lambda: None, lambda: None)
    return health


async def test_that_a_backend_is_unhealthy_and_is_healthy_again_and_not_that_it_is_healthy(
    autojump_clock: trio.testing.MockClock, caplog: Log
) -> None:
    health = a_health()
    for fault in (None, *[faults.lost("b", Why("gone"))] * 3, None, None):
        health.note(fault)
    assert told(caplog, "backend is unhealthy") == [("WARNING", "b")]
    assert told(caplog, "backend is healthy again") == [("INFO", "b")]


@attrs.define
class Deaf:
    """A session that knows no request, or gives one page of each list after the other (implements `BackendSession`)."""

    is_open = True
    page: dict[str, object] | None = None
    code: int = -32601
    asked: int = 0

    async def request(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.page is None:
            return Reply.failed(faults.backend_error("b", Raw(encode({"code": self.code, "message": "no"}))))
        return Reply(Raw(encode(self.page | {"nextCursor": f"after {read_text(call.params, 'cursor')}"})))

    def speak(self, version: str) -> None:
        del version

    def tell(self, method: str, params: Params) -> None:
        del method, params

    async def wait_closed(self) -> Why:
        await trio.sleep_forever()
        raise AssertionError


async def test_that_a_backend_knows_no_ping(autojump_clock: trio.testing.MockClock, caplog: Log) -> None:
    await a_health(by_calls=False).watch(Deaf())
    assert told(caplog, "backend knows no ping") == [("INFO", "b")]


# -- lists


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_that_a_list_was_refused_except_for_templates_which_many_servers_lack(
    kind: ListKind, autojump_clock: trio.testing.MockClock, caplog: Log
) -> None:
    await read_list(Deaf(), kind, backend="b")
    assert told(caplog, "backend did not send its list") == [("DEBUG" if kind is TEMPLATES else "WARNING", "b")]


async def test_that_a_list_has_no_end_and_after_how_many_pages_it_is_left(autojump_clock: trio.testing.MockClock, caplog: Log) -> None:
    session = Deaf({"tools": []})
    await read_list(session, TOOLS, backend="b")
    assert session.asked == MOST_PAGES
    assert told(caplog, "backend sends page after page") == [("WARNING", "b")]


# -- sessions


async def test_the_first_of_what_is_no_message(caplog: Log) -> None:
    session = ChannelSession("b", Heard())
    for _ in range(5):
        session.receive(b"hello")
    assert told(caplog, "backend sent something that is no message") == [("WARNING", "b")]


@asynccontextmanager
async def http(endpoint: ScriptedEndpoint) -> AsyncGenerator[BackendSession, None]:
    async with open_site(endpoint) as site:
        connector = HttpConnector("b", "http://backend.test/mcp", {}, site.open_stream, max_message_size=10_000)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1")
            yield session


async def stream(answer: Answer) -> None:
    await answer.stream()
    await answer.event({"padding": "x" * 20_000})
    for _ in range(5):
        await answer.event({"jsonrpc": "2.0", "id": 77, "result": {}})
    await answer.wait_gone()


async def test_events_of_no_use_on_a_standing_stream_each_kind_once(autojump_clock: trio.testing.MockClock, caplog: Log) -> None:
    async with http(ScriptedEndpoint(on={"GET": stream})):
        await trio.sleep(1)
    assert told(caplog, "backend sent an event that is too large") == [("WARNING", "b")]
    assert told(caplog, "backend sent something that is no use") == [("WARNING", "b")]


@pytest.mark.parametrize(("status", "level"), [(405, "DEBUG"), (404, "INFO"), (400, "INFO")])
async def test_that_there_is_no_standing_stream_unless_that_is_what_the_status_is_for(
    status: int, level: str, autojump_clock: trio.testing.MockClock, caplog: Log
) -> None:
    async def refuse(answer: Answer) -> None:
        await answer.send(status)

    async with http(ScriptedEndpoint(on={"GET": refuse})):
        await trio.sleep(1)
    assert told(caplog, "backend offers no stream") == [(level, "b")]


async def test_that_a_session_was_lost_and_is_opened_again(autojump_clock: trio.testing.MockClock, caplog: Log) -> None:
    endpoint = ScriptedEndpoint()
    async with http(endpoint) as session:
        endpoint.forget()
        assert (await session.request(Call("tools/call", "echo", {"name": Raw(b'"echo"')}))).fault is None
    assert told(caplog, "backend has lost the session") == [("INFO", "b")]


# -- lives


async def test_that_a_backend_is_ready_with_what_it_offers_and_any_bug_of_ours_with_its_traceback(
    autojump_clock: trio.testing.MockClock, caplog: Log
) -> None:
    scripted, lives = ScriptedBackend(tools=["one", "two"]), list[int]()

    @asynccontextmanager
    async def connect(inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        lives.append(1)
        if len(lives) == 1:
            raise ZeroDivisionError("a bug")
        async with scripted.connector(inbox) as session:
            yield session

    connect.transport = "odd"  # type: ignore[attr-defined]
    backend = Backend(Link("b", connect))  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(backend.link, RestartSettings(1.0, 8.0, 3, 60.0), 5, random.Random(1)).run)
        await backend.wait_for(lambda backend: backend.state is State.READY)
        nursery.cancel_scope.cancel()

    assert told(caplog, "bug in the session") == [("ERROR", "b")]
    assert "ZeroDivisionError: a bug" in caplog.text
    [ready] = [record.__dict__ for record in caplog.records if record.getMessage().startswith("backend is ready")]
    assert (ready["levelname"], ready["backend"], ready["transport"], ready["protocol"]) == ("INFO", "b", "odd", "2025-11-25")
    assert ready["offers"] == {"tools": 2}

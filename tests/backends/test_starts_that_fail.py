"""What an operator is told of a start that comes to nothing, how long the next may take, and how long it is waited for."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.site import open_site

from sluicegate.backends.backend import Backend
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.link import Link, State, StateChange
from sluicegate.backends.session import Connector
from sluicegate.backends.stdio import StdioConnector
from sluicegate.backends.supervisor import Supervisor
from sluicegate.outside import ProcessSpec
from sluicegate.policies.settings import RestartSettings
from sluicegate.protocol.calls import Call
from sluicegate.testing.processes import ProcessTable

# The numbers that are promised. Taken from the source they would move with it.
MOST_SHOWN = 16 * 1024

Form = Callable[[bytes], bytes]


def as_it_is(answer: bytes) -> bytes:
    return answer + b"\n"


def server(form: Form = as_it_is, *, first: bytes = b"", after: float = 0.0) -> Callable[..., object]:
    """A program that says something first, and then answers in that form."""

    async def run(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
        del stderr, spec
        await trio.sleep(after)
        await stdout.send_all(first)
        async for chunk in stdin:
            for line in bytes(chunk).splitlines():
                message = json.loads(line)
                if "id" in message:
                    result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {}, "tools": []}
                    answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
                    await stdout.send_all(form(json.dumps(answer).encode()))
        return 0

    return run


@asynccontextmanager
async def supervised(connector: Connector, seconds: float = 5.0) -> AsyncGenerator[tuple[Backend, list[StateChange]], None]:
    changes: list[StateChange] = []
    backend = Backend(Link("b", connector, changes.append))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(backend.link, RestartSettings(1.0, 8.0, 3, 60.0), seconds, random.Random(1)).run)
        yield backend, changes
        nursery.cancel_scope.cancel()


def stdio(nursery: trio.Nursery, program: Callable[..., object]) -> Connector:
    table = ProcessTable(nursery)
    table.add("server", program)  # type: ignore[arg-type]
    return StdioConnector("b", "server", open_process=table.open_process, grace=0.1)


async def until(backend: Backend, state: State) -> None:
    with trio.fail_after(5000):
        await backend.wait_for(lambda backend: backend.state is state)


SKIPPED = {
    "colours": b"\x1b[?2004h",
    "a banner": b"Loading... ",
    "a byte order mark": b"\xef\xbb\xbf",
    "a banner with a brace": b"v{1.2} ready ",
    "a bracket": b"[INFO] ",
}


@pytest.mark.parametrize("what", SKIPPED)
async def test_what_stands_before_a_message_on_its_line_is_skipped_and_told_of_once(
    what: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    text = SKIPPED[what]
    async with supervised(stdio(nursery, server(lambda answer: text + answer + b"\n"))) as (backend, _changes):
        await until(backend, State.READY)
        assert (await backend(Call("tools/call", "x", {}))).fault is None
    told = [record for record in caplog.records if "before a message" in record.message]
    assert len(told) == 1
    assert "\x1b" not in told[0].text  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "line", [b'got {"jsonrpc":"2.0","id":2,"method":"tools/call"}\n', b"{not} json {at all}\n", b"x" * 10_000 + b"{}\n"]
)
async def test_a_line_of_a_log_is_no_message(line: bytes, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    async with supervised(stdio(nursery, server(first=line))) as (backend, _changes):
        await until(backend, State.READY)
        assert getattr(backend.link.session, "garbage", 0) == 1


async def test_the_reason_holds_the_first_line_that_is_no_message(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    usage = b"\x1b[1musage:\x1b[0m server " + b"x" * 1000
    async with supervised(stdio(nursery, server(lambda _answer: b"more\n", first=usage + b"\n"))) as (backend, _changes):
        await until(backend, State.RESTARTING)
        assert backend.error.startswith("no answer within 5 s while trying to initialize")
        assert r"what it sent first was no message" in backend.error
        assert r"'\x1b[1musage:\x1b[0m server xxx" in backend.error
        assert len(backend.error) < 400
        assert "usage" not in backend.link.told


async def test_json_over_several_lines_is_named_as_such(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    pretty = server(lambda answer: json.dumps(json.loads(answer), indent=1).encode() + b"\n")
    async with supervised(stdio(nursery, pretty)) as (backend, _changes):
        await until(backend, State.RESTARTING)
        assert "JSON over several lines, but a message has to be one line: '{'" in backend.error


async def test_a_first_start_that_still_runs_gets_more_time_each_try(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    async with supervised(stdio(nursery, server(after=36.0)), 10.0) as (backend, changes):
        await until(backend, State.READY)
    assert [change.cause for change in changes if change.new is State.RESTARTING] == [
        "no answer within 10 s while trying to initialize; it still runs, so the next try may take 20 s",
        "no answer within 20 s while trying to initialize; it still runs, so the next try may take 40 s",
    ]


async def test_the_time_for_a_start_has_an_end(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    async with supervised(stdio(nursery, server(after=1e9)), 200.0) as (_backend, changes):
        await trio.sleep(3600)
    assert "no answer within 400 s" in changes[1].cause
    assert [change.cause for change in changes[2:-1]][-1] == "no answer within 600 s while trying to initialize"


async def test_what_was_ready_once_is_not_waited_for_longer(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    table, lives = ProcessTable(nursery), [0]

    async def once(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
        lives[0] += 1
        if lives[0] > 1:
            await trio.sleep_forever()
        with trio.move_on_after(1):
            await server()(stdin, stdout, stderr, spec)  # type: ignore[misc]
        return 0

    table.add("server", once)
    async with supervised(StdioConnector("b", "server", open_process=table.open_process, grace=0.1)) as (_backend, changes):
        await trio.sleep(60)
    assert {change.cause for change in changes[2:-1]} == {"no answer within 5 s while trying to initialize"}


async def refused(status: int, **headers: str) -> tuple[str, str, list[float]]:
    """What the operator and what callers are told of an endpoint that refuses every POST, and when it was asked within half an hour."""
    tries: list[float] = []

    async def refuse(answer: Answer) -> None:
        tries.append(trio.current_time())
        await answer.send(status, b"no", **headers)

    async with (
        open_site(ScriptedEndpoint(on={"initialize": refuse})) as site,
        supervised(HttpConnector("b", "http://backend.test/sse", {}, site.open_stream)) as (backend, _changes),
    ):
        await trio.sleep(1800)
        await until(backend, State.RESTARTING)
        return backend.error, backend.link.told, tries


async def test_an_endpoint_that_takes_no_post_is_called_by_its_name(autojump_clock: trio.testing.MockClock) -> None:
    error, told, _tries = await refused(405, allow="GET")
    assert "HTTP 405: HTTP+SSE only" in error
    assert "HTTP+SSE only" in told


METADATA = "https://x.example/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    "challenge", [f'Bearer resource_metadata="{METADATA}"', f'Bearer error="invalid_token", resource_metadata="{METADATA}", scope="a b"']
)
async def test_an_endpoint_that_needs_oauth_says_where(challenge: str, autojump_clock: trio.testing.MockClock) -> None:
    error, told, _tries = await refused(401, www_authenticate=challenge)
    assert f"it speaks OAuth: {METADATA}" in error
    assert ("needs login" in told, METADATA in told) == (True, False)


async def test_what_is_refused_for_good_is_asked_more_and_more_rarely(autojump_clock: trio.testing.MockClock) -> None:
    _error, _told, tries = await refused(405)
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert all(4 * 2**number <= pause <= 8 * 2**number for number, pause in enumerate(pauses[:4]))
    assert all(40 <= pause <= 80 for pause in pauses[4:])


async def test_trouble_that_may_pass_is_looked_after_as_always(autojump_clock: trio.testing.MockClock) -> None:
    _error, _told, tries = await refused(503)
    assert len(tries) > 1800 / 9


async def test_a_refusal_of_any_length_is_kept_short(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """The reason stays for as long as the backend is down, and whoever looks gets it whole."""

    def refuses(answer: bytes) -> bytes:
        error = {"code": -32000, "message": "no " * 1_000_000}
        return json.dumps({"jsonrpc": "2.0", "id": json.loads(answer)["id"], "error": error}).encode() + b"\n"

    async with supervised(stdio(nursery, server(refuses))) as (backend, changes):
        await until(backend, State.RESTARTING)
        assert backend.error.startswith("no no ")
        assert len(backend.error) < MOST_SHOWN + 100
    assert len(changes[0].cause) < MOST_SHOWN + 100

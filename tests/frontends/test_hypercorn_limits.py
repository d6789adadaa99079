"""How long and how much a client may take on Hypercorn's parts, on the mock clock; and what HTTP/2 clients do that others cannot."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import h2.events
import pytest
import trio
import trio.testing
from tests.kit.hypercorn_front import SETTINGS, app, front, rest, speak

from sluicegate.http1.asgi import Receive, Scope, Send
from sluicegate.http1.server.hang_up import HangUp
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.http1.sockets import is_readable


async def pour(stream: trio.abc.SendStream, part: bytes, seconds: float) -> None:
    """Send the same again and again, until nobody takes it any more."""
    with suppress(trio.BrokenResourceError):
        while True:
            await stream.send_all(part)
            await trio.sleep(seconds)


async def test_headers_that_drip_are_cut_off_in_time(autojump_clock: object) -> None:
    async with front() as gate, trio.open_nursery() as nursery:
        stream = await gate.connect()
        await trio.sleep(7)
        await stream.send_all(b"GET / HTTP/1.1\r\nX: ")
        nursery.start_soon(pour, stream, b"x", 1)
        assert await rest(stream) == b""
        assert trio.current_time() == 17


async def test_a_body_that_drips_is_cut_off_in_time(autojump_clock: object) -> None:
    async with front() as gate, trio.open_nursery() as nursery:
        stream = await gate.connect()
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        nursery.start_soon(pour, stream, b"x", 1)
        assert await rest(stream) == b""
        assert 20.039 < trio.current_time() < 20.043


async def test_a_slow_body_that_gets_on_may_take_its_time(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\nConnection: close\r\n\r\n")
        for _ in range(60):
            await stream.send_all(b"x" * 1000)
            await trio.sleep(1)
        assert (await rest(stream)).endswith(b"60000 bytes by http")


async def test_an_idle_connection_is_closed_in_time_also_after_a_request(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        await trio.sleep(30)
        await stream.send_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await rest(stream)).endswith(b"0 bytes by http")
        assert trio.current_time() == 95


async def test_a_connection_on_which_nothing_ever_comes_is_closed_in_time(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        assert await rest(stream) == b""
        assert trio.current_time() == SETTINGS.idle_seconds


async def test_more_connections_than_allowed_are_turned_away(autojump_clock: object) -> None:
    async with front(attrs.evolve(SETTINGS, max_connections=2)) as gate:
        first, second = await gate.connect(), await gate.connect()
        for stream in (first, second):
            await stream.send_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        assert await rest(await gate.connect()) == b""
        await first.aclose()
        await trio.sleep(6)
        third = await gate.connect()
        await third.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await rest(third)).startswith(b"HTTP/1.1 200")
        assert trio.current_time() == 6


async def test_a_body_that_nobody_reads_does_not_hold_the_connection(autojump_clock: object) -> None:
    async with front() as gate, trio.open_nursery() as nursery:
        stream = await gate.connect()
        await stream.send_all(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        nursery.start_soon(pour, stream, b"x" * 10_000, 0.1)
        answer = await rest(stream)
        assert answer.endswith(b"0 bytes by http")
        assert b"connection: close" in answer.lower()
        await trio.sleep(1.9)
        assert gate.connected == 1, "what it still sends is dropped for a while"
        await trio.sleep(0.2)
        assert gate.connected == 0


async def test_the_end_is_told_in_the_last_answer(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        await stream.send_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        gate.accept.cancel()
        assert b"connection: close" in (await rest(stream)).lower()
        assert trio.current_time() == 5


async def test_an_offer_of_a_websocket_is_not_taken(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        await stream.send_all(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await rest(stream)).endswith(b"0 bytes by http")
        client = await speak(gate)
        client.wire.send_headers(
            1,
            [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "x"), (":path", "/")],
            end_stream=False,
        )
        await client.flush()
        assert (await client.answer(1))[0][b":status"] == b"501"
        await client.request(3, "/")
        assert (await client.answer(3))[1] == b"0 bytes by http"


async def test_http2_is_spoken_to_who_begins_with_it(autojump_clock: object) -> None:
    async with front() as gate:
        client = await speak(gate)
        await client.request(1, "/")
        await client.request(3, "/slow", method="POST", end=False)
        client.wire.send_data(3, b"xyz", end_stream=True)
        await client.flush()
        head, body = await client.answer(1)
        assert (head[b":status"], body) == (b"200", b"0 bytes by http")
        assert (await client.answer(3))[1] == b"3 bytes by http"
        assert trio.current_time() == 5


async def test_an_upgrade_to_http2_is_ignored_and_the_request_answered(autojump_clock: object) -> None:
    async with front() as gate:
        stream = await gate.connect()
        await stream.send_all(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        assert (await rest(stream)).startswith(b"HTTP/1.1 200")


async def test_a_body_that_goes_on_after_its_answer_costs_neither_the_connection_nor_its_window(autojump_clock: object) -> None:
    async with front() as gate:
        client = await speak(gate)
        await client.request(1, "/early", method="POST", end=False)
        await client.answer(1)
        for _ in range(60):
            await client.read() if client.wire.outbound_flow_control_window < 10_000 else None
            client.wire.send_data(1, b"x" * 2000)
            await client.flush()
        client.wire.end_stream(1)
        while client.wire.outbound_flow_control_window < 16_000:
            await client.read()
        await client.request(3, "/", method="POST", end=False)
        client.wire.send_data(3, b"x" * 16_000, end_stream=True)
        await client.flush()
        assert (await client.answer(3))[1] == b"16000 bytes by http"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/é".encode(), b"400"), ("CONNECT", "", b"501")],
)
async def test_what_the_application_cannot_be_asked_is_refused_and_the_connection_goes_on(
    method: str, path: str | bytes, status: bytes, autojump_clock: object, caplog: Any
) -> None:
    async with front() as gate:
        client = await speak(gate)
        if path:
            await client.request(1, path, method=method)
        else:
            client.wire.send_headers(1, [(":method", method), (":authority", "localhost:1")], end_stream=True)
            await client.flush()
        head, body = await client.answer(1)
        assert status == head[b":status"]
        assert body in (b"malformed target\n", b"no tunnels here\n")
        await client.request(3, "/")
        assert (await client.answer(3))[1] == b"0 bytes by http"
    assert "a connection failed" not in caplog.text


async def test_the_drain_says_goodbye_and_refuses_what_comes_after(autojump_clock: object) -> None:
    async with front() as gate:
        busy, idle = await speak(gate), await speak(gate)
        await busy.request(1, "/slow")
        await idle.request(1, "/")
        await idle.answer(1)
        gate.accept.cancel()
        await idle.wait_for(h2.events.ConnectionTerminated)
        assert not await idle.read()
        assert trio.current_time() == 0
        await busy.request(3, "/")
        assert (await busy.wait_for(h2.events.StreamReset, 3)).error_code == 7
        assert (await busy.answer(1))[1] == b"0 bytes by http"
        await busy.wait_for(h2.events.ConnectionTerminated)
        assert not await busy.read()
        assert trio.current_time() == 5


async def test_a_window_that_never_opens_again_ends_the_connection(autojump_clock: object) -> None:
    async with front() as gate:
        client = await speak(gate)
        await client.request(1, "/large")
        while await client.read():
            pass
        assert trio.current_time() == 32
        await trio.sleep(1000)
        assert gate.connected == 0


async def test_a_client_that_took_back_its_request_is_idle_like_any_other(autojump_clock: object) -> None:
    async with front() as gate:
        client = await speak(gate)
        await client.request(1, "/large")
        client.wire.reset_stream(1)
        await client.flush()
        while await client.read():
            pass
        assert trio.current_time() == 60


async def test_requests_that_are_taken_back_at_once_are_not_started_without_end(autojump_clock: object) -> None:
    async with front() as gate:
        client = await speak(gate)
        with pytest.raises(trio.BrokenResourceError):
            await client.change_its_mind()
        await trio.testing.wait_all_tasks_blocked()
        assert gate.begun == 511


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("fault", [HangUp(), ExceptionGroup("", [HangUp()]), ZeroDivisionError()], ids=["hang-up", "in-group", "bug"])
async def test_an_application_that_breaks_off_says_so_on_its_stream_alone(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, fault: Exception, *, begun: bool
) -> None:
    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/break":
            await app(scope, receive, send)
            return
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise fault

    is_bug = isinstance(fault, ZeroDivisionError)
    async with front(application=breaking) as gate:
        client = await speak(gate)
        await client.request(1, "/break")
        if is_bug and not begun:
            assert (await client.answer(1))[0][b":status"] == b"500"
        else:
            await client.wait_for(h2.events.StreamReset, 1)
            assert any(isinstance(event, h2.events.ResponseReceived) for event in client.events) == begun
        await client.request(3, "/")
        assert (await client.answer(3))[1] == b"0 bytes by http"
        plain = await gate.connect()
        await plain.send_all(b"GET /break HTTP/1.1\r\nHost: a\r\n\r\n")
        said = await rest(plain)
        assert said.count(b"HTTP/1.1") == int(begun or is_bug)
        assert not said.endswith(b"0\r\n\r\n")
    assert bool([record for record in caplog.records if record.levelname == "ERROR"]) == is_bug


async def test_an_idle_connection_makes_room_for_a_new_one(autojump_clock: object) -> None:
    async with front(ServerSettings(max_connections=5)) as gate:
        idle = [await gate.connect() for _ in range(5)]
        for _ in range(3):
            stream = await gate.connect()
            await stream.send_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked()
        assert [is_readable(end) for end in idle].count(True) == 3
        assert (await rest(stream)).startswith(b"HTTP/1.1 200")

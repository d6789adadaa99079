"""What ``sluicegate help limits`` promises, against a gateway that was told nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from tests.kit.front import HandClient

import sluicegate
from sluicegate import Builder
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.stdio import StdioConnector
from sluicegate.config.backends import BackendConfig, TimeoutSettings
from sluicegate.config.listen import ListenConfig
from sluicegate.config.model import ProxyConfig, SecurityConfig
from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.modern.parking import MOST_ASKED_BYTES
from sluicegate.http1.server.request_head import HeadLimits
from sluicegate.http1.server.settings import ServerSettings
from sluicegate.outside import Outside
from sluicegate.protocol.sizes import LONGEST_URI
from sluicegate.routing.lengths import LONGEST_NAME
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork

# The numbers that are promised. Taken from the source they would move with it.
MOST_GARBAGE = 10_000
MOST_REQUESTS = 1000
WINDOW_SECONDS = 10.0
MOST_MEMBERS = 512

PAGE = (Path(sluicegate.__file__).parent / "help" / "limits.rst").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
UNITS = {"MiB": 1 << 20, "KiB": 1 << 10, "minutes": 60}


def row(what: str) -> list[int]:
    """The numbers of a row of the table, in bytes and seconds."""
    first, *following = PAGE[PAGE.index(f"\n{what} ") + 1 :].splitlines()
    lines = [first]
    for line in following:
        if not line.startswith("  "):
            break
        lines.append(line)
    text = " ".join(line[37:] for line in lines)
    return [int(number) * UNITS.get(unit, 1) for number, unit in re.findall(r"\b(\d+)\b(?: (\w+))?", text)]


def said(pattern: str) -> list[int]:
    """The numbers of a sentence."""
    found = re.search(pattern, TEXT)
    assert found is not None, pattern
    return [int(number.replace(" ", "")) for number in found.groups()]


def test_what_is_promised_is_what_a_file_that_says_nothing_of_it_means() -> None:
    security, listen, proxy = SecurityConfig(), ListenConfig(), ProxyConfig("x")
    assert row("a client's request") == [security.max_body_size]
    assert row("one message from a backend") == [security.max_message_size]
    assert row("sessions of clients") == [security.max_sessions, security.session_idle_seconds]
    assert row("open streams of one session") == [security.max_streams_per_session]
    assert row("a call with all its attempts") == [TimeoutSettings().seconds]
    assert row("start and handshake of a backend") == [BackendConfig("b", "stdio", command="x").connect_timeout_seconds]
    assert row("drain") == [proxy.shutdown_timeout_seconds]
    assert row("connections of clients") == [listen.max_connections]
    assert row("headers of a request")[2] == listen.head_seconds
    assert row("a client that sends or reads slowly")[0] == listen.body_seconds == listen.write_seconds
    assert row("a client that asks for nothing") == [listen.idle_seconds]


def test_what_is_promised_holds_for_the_parts_of_a_gateway_alone_as_well() -> None:
    """Who builds on them, or tests with them, has the same limits as who runs a file."""
    limits, head, settings = Limits(), HeadLimits(), ServerSettings()
    assert row("a client's request") == [limits.max_body_size]
    assert row("one message from a backend") == [StdioConnector("b", "x").max_message_size]
    assert row("one message from a backend") == [HttpConnector("b", "http://x/").max_message_size]
    assert row("sessions of clients") == [limits.max_sessions, limits.session_idle_seconds]
    assert limits.share_of_sessions * 4 == limits.max_sessions
    assert row("open streams of one session") == [limits.max_streams_per_session]
    assert row("open calls of one session") == [limits.max_calls_per_session]
    assert row("connections of clients") == [limits.max_streams] == [settings.max_connections]
    assert row("headers of a request") == [head.head, head.headers, settings.head_seconds]
    assert row("a client that sends or reads slowly") == [settings.body_seconds, settings.min_rate]
    assert settings.write_seconds == settings.body_seconds
    assert row("a client that asks for nothing") == [settings.idle_seconds]


def test_what_is_promised_of_names_and_floods() -> None:
    assert said(r"A name may have (\d+) KiB, a URI (\d+) KiB") == [LONGEST_NAME >> 10, LONGEST_URI >> 10]
    assert (LONGEST_NAME % 1024, LONGEST_URI % 1024) == (0, 0)
    assert said(r"an object that the gateway reads (\d+) members") == [MOST_MEMBERS]
    assert said(r"more than (\d+) requests or ([\d ]+) unusable messages within (\d+) seconds") == [
        MOST_REQUESTS,
        MOST_GARBAGE,
        WINDOW_SECONDS,
    ]
    assert said(r"to come back have (\d+) MiB together") == [MOST_ASKED_BYTES >> 20]


@asynccontextmanager
async def running() -> AsyncGenerator[MemoryNetwork]:
    """A gateway in front of one backend, with nothing set."""
    network = MemoryNetwork()
    outside = Outside(listen=network.listen, open_stream=network.open_stream)
    async with trio.open_nursery() as nursery:
        async with (
            Builder("x").listen("127.0.0.1", 8080).backend("b", ScriptedBackend(name="b").connector).open(outside=outside) as gateway
        ):
            await gateway.settled()
            await nursery.start(gateway.serve)
            yield network
        nursery.cancel_scope.cancel()


async def dial(network: MemoryNetwork) -> HandClient:
    return HandClient(await network.open_stream("127.0.0.1", 8080))


def post(size: int) -> bytes:
    """A handshake of so many bytes."""
    params = b'{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}'
    body = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":%b}' % params
    head = (
        b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        b"Content-Length: %d\r\n\r\n" % size
    )
    return head + body.ljust(size)


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
async def test_a_request_may_be_as_large_as_is_promised(more: int, status: int, autojump_clock: trio.testing.MockClock) -> None:
    async with running() as network, trio.open_nursery() as nursery:
        client = await dial(network)
        nursery.start_soon(client.say, post(row("a client's request")[0] + more))
        assert (await client.answer("POST")).status == status
        nursery.cancel_scope.cancel()


LINES = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"


def of_lines(count: int) -> bytes:
    """A request with so many headers."""
    return LINES + b"X: y\r\n" * (count - 1) + b"\r\n"


def of_bytes(size: int) -> bytes:
    """A request with so many bytes of head, its first line and its end included."""
    return LINES + b"X: " + b"y" * (size - len(LINES) - 7) + b"\r\n\r\n"


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
async def test_a_request_may_have_as_many_headers_as_is_promised(more: int, status: int, autojump_clock: trio.testing.MockClock) -> None:
    size, count, _ = row("headers of a request")
    async with running() as network:
        for request in (of_lines(count + more), of_bytes(size + more)):
            client = await dial(network)
            await client.say(request)
            assert (await client.answer()).status == status


@pytest.mark.parametrize(("what", "begin"), [("headers of a request", LINES), ("a client that asks for nothing", b"")])
async def test_a_client_may_take_as_long_as_is_promised(what: str, begin: bytes, autojump_clock: trio.testing.MockClock) -> None:
    seconds = row(what)[-1]
    async with running() as network:
        for late in (-0.5, 0.5):
            client = await dial(network)
            began = trio.current_time()
            await client.say(begin)
            await trio.sleep(seconds + late)
            if late < 0:
                await client.say(LINES.removeprefix(begin) + b"\r\n")
                assert (await client.answer()).status == 200
            else:
                answer = await client.rest()
                assert answer.startswith(b"HTTP/1.1 408 ") if begin else not answer
            assert trio.current_time() - began == seconds + late

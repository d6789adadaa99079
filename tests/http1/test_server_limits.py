"""What a client may ask of the server in bytes, time and connections. In memory, on the mock clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import trio
import trio.testing
from tests.kit.front import GET, HandClient, open_front

from sluicegate.http1.asgi import ASGIApp, Receive, Scope, Send
from sluicegate.http1.server.connection_limit import ConnectionLimit
from sluicegate.http1.server.forwarded import PeerAddress
from sluicegate.http1.server.request_head import HeadLimits
from sluicegate.http1.server.response_writer import DateLine
from sluicegate.http1.server.server import HangUp, ServerSettings
from sluicegate.http1.server.shared import Serving
from sluicegate.testing.memory_wire import MemoryNetwork


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and answers with its length."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("no whole body")
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


def only_http(handler: Callable[[Scope, Receive, Send], Awaitable[None]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await handler(scope, receive, send)

    return app


async def drip(client: HandClient, data: bytes, *, seconds: float, size: int = 1) -> None:
    """Send slowly until the server has enough of it."""
    for start in range(0, len(data), size):
        try:
            await client.stream.send_all(data[start : start + size])
        except trio.BrokenResourceError:
            return
        await trio.sleep(seconds)


async def test_an_idle_connection_ends_without_a_word(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    async with open_front(only_http(ok)) as front:
        silent, used = await front.dial(), await front.dial()
        await trio.sleep(50)
        await used.say(GET)
        await used.answer()
        assert await silent.rest() == b""
        assert trio.current_time() == 75
        assert await used.rest() == b""
        assert trio.current_time() == 125
    assert caplog.records == []


async def test_a_client_that_has_gone_is_refused_nothing(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody hears it, so it is not counted either."""
    refusals: list[tuple[int, str]] = []
    settings = ServerSettings(on_refused=lambda status, reason: refusals.append((status, reason)))

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(1)
        await ok(scope, receive, send)

    async with open_front(only_http(slow), settings) as front:
        for gone in (True, False):
            client = await front.dial()
            await client.say(GET + b"nonsense\r\n\r\n")
            if gone:
                await client.close()
            await trio.sleep(1000)
    assert [status for status, _ in refusals] == [400]
    assert caplog.records == []


async def test_a_head_that_drips_is_refused_in_time(autojump_clock: object, nursery: trio.Nursery) -> None:
    async with open_front(only_http(ok)) as front:
        client = await front.dial()
        await trio.sleep(20)
        nursery.start_soon(lambda: drip(client, GET * 100, seconds=1))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"], trio.current_time()) == (408, "close", 30)
        assert await client.rest() == b""
        await trio.testing.wait_all_tasks_blocked(0.1)
        await client.close()


async def test_the_time_for_a_head_begins_when_the_answer_before_it_has_left(autojump_clock: object) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(100)
        await ok(scope, receive, send)

    async with open_front(only_http(slow)) as front:
        client = await front.dial()
        await client.say(GET + GET[:10])
        assert (await client.answer()).status == 200
        assert trio.current_time() == 100
        assert (await client.answer()).status == 408
        assert trio.current_time() == 110


async def test_a_body_that_drips_is_refused_in_time(
    autojump_clock: object, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_front(only_http(ok)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
        nursery.start_soon(lambda: drip(client, b"a" * 10_000, seconds=1))
        assert (await client.answer()).status == 408
        assert trio.current_time() == 30
        await client.close()
    assert caplog.records == []


async def test_a_body_that_is_slow_but_not_too_slow_arrives(autojump_clock: object, nursery: trio.Nursery) -> None:
    async with open_front(only_http(ok)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
        nursery.start_soon(lambda: drip(client, b"a" * 60_000, seconds=1, size=600))
        assert (await client.answer()).body == b"60000"
        assert trio.current_time() == 99


async def test_a_body_that_starts_fast_and_then_stops_is_refused(autojump_clock: object) -> None:
    async with open_front(only_http(ok)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", b"a" * 50_000)
        assert (await client.answer()).status == 408
        assert trio.current_time() == 30


async def test_the_time_that_an_application_takes_is_not_the_clients(autojump_clock: object) -> None:
    async def dawdling(scope: Scope, receive: Receive, send: Send) -> None:
        async def slowly() -> object:
            await trio.sleep(20)
            return await receive()

        await ok(scope, slowly, send)  # type: ignore[arg-type]

    async with open_front(only_http(dawdling)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            await client.say(b"a")
            await trio.sleep(20)
        assert (await client.answer()).body == b"4"


async def test_the_time_in_which_a_body_has_to_come_stands_still_while_the_application_works(autojump_clock: object) -> None:
    """It has waited for the first piece; what it does with it takes longer than the client would have for the next."""

    async def working(scope: Scope, receive: Receive, send: Send) -> None:
        async def slowly() -> object:
            message = await receive()
            await trio.sleep(100)
            return message

        await ok(scope, slowly, send)  # type: ignore[arg-type]

    async with open_front(only_http(working)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        for _ in range(2):
            await trio.sleep(1)
            await client.say(b"a")
            await trio.sleep(50)
        assert (await client.answer()).body == b"2"


def endless(pieces: list[int], ends: list[float], size: int = 10_000) -> ASGIApp:
    """Sends until it is told that nobody listens."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"a" * size, "more_body": True})
                pieces.append(size)
        except OSError:
            ends.append(trio.current_time())
            raise

    return only_http(app)


async def test_a_client_that_stops_reading_is_cut_in_time(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    pieces, ends = list[int](), list[float]()
    async with open_front(endless(pieces, ends)) as front:
        client = await front.dial()
        await client.say(GET)
        await trio.sleep(29)
        assert (sum(pieces), ends) == (60_000, []), "what fits into the buffer of the connection, and no more"
        await trio.sleep(100)
        assert ends == [30]
    assert caplog.records == []


async def test_what_else_a_client_asked_for_that_was_cut_is_not_made(autojump_clock: object) -> None:
    for _ in range(10):  # its reader and its writer are woken in any order
        made = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal made
            made += 1
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a" * 300_000})

        async with open_front(only_http(app)) as front:
            client = await front.dial()
            await client.say(GET * 8)
            await trio.sleep(100)
        assert made == 1


async def test_what_a_client_asks_while_an_answer_leaves_waits_for_its_end(autojump_clock: object) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a" * 300_000})

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(GET, GET, GET)
        await trio.sleep(1)
        for _ in range(3):
            assert len((await client.answer()).body) == 300_000


async def test_a_client_that_drips_what_it_reads_is_cut_in_time(autojump_clock: object) -> None:
    pieces, ends = list[int](), list[float]()
    async with open_front(endless(pieces, ends, 1_000_000)) as front:
        client = await front.dial()
        await client.say(GET)
        while not ends:
            await trio.sleep(1)
            await client.stream.receive_some(1)
        assert ends == [30]


async def test_a_client_that_reads_slowly_but_not_too_slowly_gets_everything(autojump_clock: object) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a" * 300_000})

    async with open_front(only_http(app)) as front:
        client, got = await front.dial(), 0
        await client.say(GET)
        while got < 300_000:
            got += len(await client.stream.receive_some(600))
            await trio.sleep(1)
    assert trio.current_time() >= 500


async def test_a_body_that_nobody_takes_is_not_read_further(autojump_clock: object) -> None:
    sent, taken = 0, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal taken
        await trio.sleep(100)
        taken = sent
        await ok(scope, receive, send)

    async with open_front(only_http(app), ServerSettings(read_ahead=1000), network=MemoryNetwork(buffer=1000)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(1000):
            await client.say(b"a" * 100)
            sent += 100
        assert (await client.answer()).body == b"100000"
    assert 2000 <= taken <= 3000


async def test_requests_are_not_read_further_than_a_few_ahead(autojump_clock: object) -> None:
    sent = 0
    taken: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(1)
        taken.append(sent)
        await ok(scope, receive, send)

    async def read(client: HandClient) -> None:
        for _ in range(100):
            await client.answer()

    settings = ServerSettings(HeadLimits(ahead=16))
    async with open_front(only_http(app), settings, network=MemoryNetwork(buffer=len(GET))) as front, trio.open_nursery() as reading:
        client = await front.dial()
        reading.start_soon(read, client)
        for _ in range(100):
            await client.say(GET)
            sent += 1
    assert taken[:3] == [18, 19, 20], "one is answered, 16 are parsed, one is on its way"


async def test_a_request_with_too_large_a_body_is_refused(autojump_clock: object) -> None:
    async with open_front(only_http(ok), ServerSettings(HeadLimits(body=10)), network=MemoryNetwork(resets=True)) as front:
        client = await front.dial()
        await client.say(GET + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n" + b"a" * 11)
        assert [(await client.answer()).status for _ in range(2)] == [200, 413]
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 100 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd", 400),
    ],
)
async def test_what_came_before_a_broken_request_is_answered_first(autojump_clock: object, broken: bytes, status: int) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(1)
        await ok(scope, receive, send)

    async with open_front(only_http(slow), network=MemoryNetwork(resets=True)) as front:
        client = await front.dial()
        await client.say(GET + GET + broken)
        assert [(await client.answer()).status for _ in range(3)] == [200, 200, status]
        assert await client.rest() == b""


async def test_a_body_that_breaks_while_the_application_reads_it_is_refused(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_front(only_http(ok)) as front:
        client = await front.dial()
        await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"nonsense")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await client.rest() == b""
    assert caplog.records == []


async def test_the_last_answer_is_not_lost_to_a_reset(autojump_clock: object) -> None:
    """Closing with unread bytes resets a connection; so the rest is read for a while."""
    async with open_front(only_http(ok), network=MemoryNetwork(resets=True)) as front:
        client = await front.dial()
        await client.say(b"nonsense\r\n\r\n", b"more" * 10_000, b"and more" * 10_000)
        await trio.sleep(1)
        assert (await client.answer()).status == 400
        assert await client.rest() == b""
        assert trio.current_time() == 1


@pytest.mark.parametrize(("size", "until"), [(1000, 2.1), (1_000_000, 0)])
async def test_dropping_what_still_comes_is_bounded(autojump_clock: object, size: int, until: float) -> None:
    async with open_front(only_http(ok)) as front:
        client = await front.dial()
        await client.say(b"nonsense\r\n\r\n")
        await drip(client, b"a" * 10_000_000, seconds=0 if size > 1000 else 0.3, size=size)
        assert trio.current_time() == until


async def test_a_server_that_is_full_turns_clients_away(autojump_clock: object) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(5)
        await ok(scope, receive, send)

    async with open_front(only_http(slow), ServerSettings(max_connections=2)) as front:
        busy = [await front.dial() for _ in range(2)]
        for client in busy:
            await client.say(GET)
        await trio.testing.wait_all_tasks_blocked()
        third = await front.dial()
        assert (await third.answer()).status == 503
        assert await third.rest() == b""
        assert [(await client.answer()).status for client in busy] == [200, 200]


async def test_an_idle_connection_makes_room_for_a_new_one(autojump_clock: object) -> None:
    async with open_front(only_http(ok), ServerSettings(max_connections=100)) as front:
        idle = [await front.dial() for _ in range(100)]
        await idle[0].say(GET[:10])
        for _ in range(50):
            client = await front.dial()
            await client.say(GET)
            assert (await client.answer()).status == 200
        await trio.testing.wait_all_tasks_blocked()
        assert [end.stream.is_readable for end in idle] == [False] + [True] * 50 + [False] * 49


def test_one_peer_cannot_take_all_places() -> None:
    connection_limit = ConnectionLimit(5, 2)
    peers = [PeerAddress((host, port)) for port, host in enumerate(["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"])]
    assert [connection_limit.enter(peer) for peer in peers] == [True, True, False, True, True]
    connection_limit.leave(peers[0])
    assert [connection_limit.enter(peers[0]), connection_limit.enter(peers[0]), connection_limit.inside, connection_limit.refused] == [
        True,
        False,
        4,
        2,
    ]


def test_an_ipv6_network_is_one_peer() -> None:
    connection_limit = ConnectionLimit(5, 2)
    hosts = ["2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1", "2001:db8::2"]
    assert [connection_limit.enter(PeerAddress((host, 1))) for host in hosts] == [True, True, True, False]


def test_peers_without_an_address_and_proxies_are_not_counted() -> None:
    connection_limit = ConnectionLimit(5, 1)
    assert [connection_limit.enter(peer) for peer in [PeerAddress(), PeerAddress(), PeerAddress(("10.0.0.1", 1), is_proxy=True)] * 2] == [
        True
    ] * 5 + [False]


def test_counting_leaves_nothing_behind() -> None:
    connection_limit, peer = ConnectionLimit(5, 2), PeerAddress(("10.0.0.1", 1))
    for _ in range(2):
        assert connection_limit.enter(peer)
    for _ in range(2):
        connection_limit.leave(peer)
    assert (connection_limit.inside, connection_limit._peers) == (0, {})


@pytest.mark.parametrize("how", ["hangs up", "answers", "refused"])
async def test_nothing_is_left_of_a_connection_that_was_not_read_to_the_end(autojump_clock: object, how: str) -> None:
    """Whoever waits for room to read on must hear of the end, too."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep(1)
        if how == "hangs up":
            raise HangUp
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"a" * 5000})

    settings = ServerSettings(read_ahead=100)
    async with open_front(only_http(app), settings, network=MemoryNetwork(buffer=500)) as front:
        client = await front.dial()
        if how == "refused":
            await client.say(GET * 3 + b"nonsense\r\n\r\n")
        else:
            await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"a" * 300)
        await trio.sleep(200)
        front.accepting.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not front.connections.child_tasks


async def test_requests_that_will_not_be_answered_do_not_keep_a_connection(autojump_clock: object) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"bye"})

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(GET * 3)
        assert (await client.answer()).body == b"bye"
        await trio.sleep(3)
        with pytest.raises(trio.BrokenResourceError):
            await client.say(GET)


async def test_bodies_that_do_not_end_are_bounded_together(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n"
    async with open_front(only_http(ok), ServerSettings(most_held=1_000_000)) as front:
        clients = [await front.dial() for _ in range(20)]
        for client in clients:
            await client.say(head + b"a" * 100_000)
            await trio.testing.wait_all_tasks_blocked()
        refused = [client for client in clients if client.stream.is_readable]
        assert len(refused) == 10
        assert [(await client.answer()).status for client in refused] == [503] * 10
        small = await front.dial()
        await small.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe", b"llo")
        assert (await small.answer()).body == b"5"
        others = [client for client in clients if client not in refused]
        await others[0].close()
        for client in others[1:]:
            await client.say(b"a" * 50_000)
            assert (await client.answer()).body == b"150000"
        for client in others[1:]:
            await client.say(head + b"a" * 100_000)
            await trio.testing.wait_all_tasks_blocked()
        assert not any(client.stream.is_readable for client in others[1:]), "nothing of those that have ended is counted any more"
    assert caplog.records == []


def test_one_network_may_hold_half_of_all_bodies_and_the_next_one_half_of_the_rest() -> None:
    serving = Serving(cast("Any", None), ServerSettings(most_held=1000), DateLine(lambda: 0.0), cast("Any", None))
    for network, most in (("10.0.0.1", 501), ("10.0.0.2", 250)):
        while not serving.is_full(network):
            serving.hold(network, 1)
        assert serving.held_by[network] == most
    for network, held in list(serving.held_by.items()):
        serving.hold(network, -held)
    assert (serving.held, serving.held_by) == (0, {})

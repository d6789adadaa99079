"""The client and its connections: what is sent, what comes back, which connection is used again. In memory, on the mock clock."""

import gc
import tracemalloc
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
from tests.kit.farside import FarSide, Talk

from sluicegate.http1.client.failures import Broken, TooLarge, Unreachable
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.http1.client.response import ClientResponse
from sluicegate.http1.client.settings import ClientSettings

Play = Callable[[Talk], Awaitable[None]]


@asynccontextmanager
async def client_of(far: FarSide, settings: ClientSettings | None = None) -> AsyncGenerator[HttpClient]:
    """A client of the far side; afterwards no connection may be open."""
    async with open_client(parse_address("http://far.test").origin, open_stream=far.open_stream, settings=settings) as client:
        yield client
    assert far.open == 0


async def get(client: HttpClient, target: bytes = b"/") -> bytes:
    """Read a small resource."""
    response = await client.request(b"GET", target)
    return await response.read(1000)


async def settle() -> None:
    """Let everything happen that can happen now."""
    await trio.testing.wait_all_tasks_blocked()


async def answer_all(far: FarSide) -> None:
    """Answer each request with the number of its connection."""

    async def carry(talk: Talk, number: int) -> None:
        with trio.CancelScope() as scope:
            while not scope.cancelled_caught:
                try:
                    await talk.hear()
                except (AssertionError, trio.BrokenResourceError):
                    return
                await talk.answer(b"%d" % number)

    async with trio.open_nursery() as nursery:
        number = 0
        while True:
            talk = await far.accept()
            number += 1
            nursery.start_soon(carry, talk, number)


async def test_a_request_leaves_in_one_piece_and_its_answer_comes_back(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            sent = bytes(await talk.stream.receive_some())
            assert sent == b"POST /mcp?x=1 HTTP/1.1\r\nHost: far.test\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello"
            await talk.answer(b"world", headers=b"Content-Type: text/plain\r\nX-Two: \xe4\r\nX-Two: 3\r\n")

        nursery.start_soon(play)
        response = await client.request(b"POST", b"/mcp?x=1", b"X-One: 1\r\n", b"hello")
        assert (response.status, response.is_success, response.complete) == (200, True, True)
        assert (response.header(b"content-type"), response.header(b"x-two"), response.header(b"missing")) == ("text/plain", "ä", "")
        assert await response.read(5) == b"world"
    assert far.dialled == [("far.test", 80)]


async def test_an_empty_body_has_a_length_and_no_body_has_none(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    heard = list[bytes]()

    async def play() -> None:
        talk = await far.accept()
        while True:
            heard.append(await talk.hear())
            await talk.answer()

    nursery.start_soon(play)
    async with open_client(parse_address("http://far.test:8080").origin, open_stream=far.open_stream) as client:
        await client.request(b"POST", b"/", b"", b"")
        await client.request(b"DELETE", b"/")
        await settle()
        nursery.cancel_scope.cancel()
    assert heard == [
        b"POST / HTTP/1.1\r\nHost: far.test:8080\r\nContent-Length: 0\r\n\r\n",
        b"DELETE / HTTP/1.1\r\nHost: far.test:8080\r\n\r\n",
    ]


async def test_one_connection_carries_one_request_after_the_other(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    nursery.start_soon(answer_all, far)
    async with client_of(far) as client:
        assert [await get(client) for _ in range(5)] == [b"1"] * 5
        assert (client.idle, client.busy) == (1, 0)
    nursery.cancel_scope.cancel()


async def test_requests_at_once_have_a_connection_each_and_the_last_used_is_used_next(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    got = list[bytes]()
    nursery.start_soon(answer_all, far)
    async with client_of(far) as client:

        async def one() -> None:
            got.append(await get(client))

        async with trio.open_nursery() as requests:
            for _ in range(10):
                requests.start_soon(one)
        assert sorted(got) == sorted(b"%d" % number for number in range(1, 11))
        assert (client.idle, far.open) == (10, 10)
        await trio.sleep(3)
        assert await get(client) == got[-1]
        await trio.sleep(3)
        assert (client.idle, far.open) == (1, 1)
    nursery.cancel_scope.cancel()


async def test_an_idle_connection_is_closed_after_four_seconds(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            for pause in (3, 0):
                await talk.hear()
                await trio.sleep(pause)
                await talk.answer()
            await talk.wait_gone()
            assert trio.current_time() == 3 + 3.5 + 4

        nursery.start_soon(play)
        await get(client)
        await trio.sleep(3.5)
        await get(client)


async def test_no_more_connections_are_kept_than_the_settings_say(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    nursery.start_soon(answer_all, far)
    async with client_of(far, ClientSettings(most_idle=3)) as client:
        async with trio.open_nursery() as requests:
            for _ in range(10):
                requests.start_soon(get, client)
        await settle()
        assert (client.idle, far.open) == (3, 3)
    nursery.cancel_scope.cancel()


async def closes(talk: Talk) -> None:
    await talk.answer(b"1")
    await talk.close()


async def speaks_up(talk: Talk) -> None:
    await talk.answer(b"1")
    await trio.sleep(1)
    await talk.stream.send_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")


async def says_more(talk: Talk) -> None:
    await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")


async def says_close(talk: Talk) -> None:
    await talk.answer(b"1", headers=b"Connection: x, Close\r\n")


async def is_old(talk: Talk) -> None:
    await talk.stream.send_all(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1")


async def ends_by_closing(talk: Talk) -> None:
    await talk.stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n1")
    await talk.close()


@pytest.mark.parametrize("play", [closes, speaks_up, says_more, says_close, is_old, ends_by_closing])
async def test_a_connection_that_has_more_to_say_or_ends_is_not_used_again(
    play: Play, far: FarSide, autojump_clock: trio.testing.MockClock
) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def serve() -> None:
            talk = await far.accept()
            await talk.hear()
            await play(talk)
            await talk.wait_gone()
            talk = await far.accept()
            await talk.hear()
            await talk.answer(b"again")

        nursery.start_soon(serve)
        assert await get(client) == b"1"
        await trio.sleep(2)  # less than an idle connection is kept
        assert await get(client) == b"again"
    assert len(far.ends) == 2


async def test_a_body_is_handed_out_as_it_comes(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"one", b"two"):
                await trio.sleep(1)
                await talk.stream.send_all(b"3\r\n%b\r\n" % piece)
            await trio.sleep(1)
            await talk.stream.send_all(b"0\r\n\r\n")

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        came = []
        while piece := await response.receive():
            came.append((trio.current_time(), piece, response.complete))
        assert came == [(1, b"one", False), (2, b"two", False)]
        assert (trio.current_time(), response.complete, client.idle) == (3, True, 1)
        assert await response.receive() == b""


async def test_receiving_can_be_cancelled_and_taken_up_again(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await trio.sleep(5)
            await talk.stream.send_all(b"ok")

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        with trio.move_on_after(1):
            await response.receive()
        assert await response.receive() == b"ok"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
        (b"GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_a_response_without_a_body_is_complete_at_once(
    method: bytes, answer: bytes, far: FarSide, autojump_clock: trio.testing.MockClock
) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(answer)

        nursery.start_soon(play)
        response = await client.request(method, b"/")
        assert (response.complete, await response.read(0), client.idle) == (True, b"", 1)


async def test_a_body_over_the_limit_is_not_read_to_its_end(autojump_clock: trio.testing.MockClock) -> None:
    far, sent = FarSide(buffer=1000), 0
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            nonlocal sent
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            with suppress(trio.BrokenResourceError):
                while True:
                    await talk.stream.send_all(b"x" * 500)
                    sent += 500

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        with pytest.raises(TooLarge):
            await response.read(10_000)
        await settle()
        assert (client.idle, far.open) == (0, 0)
    assert 10_000 < sent < 14_000


async def test_a_small_body_over_the_limit_is_refused_as_well(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    nursery.start_soon(answer_all, far)
    async with client_of(far) as client:
        response = await client.request(b"GET", b"/")
        with pytest.raises(TooLarge):
            await response.read(0)
    nursery.cancel_scope.cancel()


async def test_closing_a_response_that_is_not_complete_closes_its_connection(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(b"HTTP/1.1 202 Accepted\r\n\r\n")
            await talk.wait_gone()

        nursery.start_soon(play)
        response = await client.request(b"POST", b"/", b"", b"x")
        assert (response.status, response.is_framed, response.complete) == (202, False, False)
        response.close()
        response.close()
        with pytest.raises(Broken, match="closed"):
            await response.receive()
        assert (client.busy, client.idle) == (0, 0)


async def test_nobody_at_the_address_means_that_nothing_was_sent(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(down=True)
    async with client_of(far) as client:
        with pytest.raises(Unreachable, match="Connection refused"):
            await client.request(b"GET", b"/")
        assert client.busy == 0


async def test_a_response_keeps_its_head_when_its_connection_goes_on(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    nursery.start_soon(answer_all, far)
    async with client_of(far) as client:
        first = await client.request(b"GET", b"/")
        second: ClientResponse = await client.request(b"GET", b"/")
        assert (first.header(b"content-length"), await first.read(9), await second.read(9)) == ("1", b"1", b"1")
    nursery.cancel_scope.cancel()


async def test_a_body_in_small_pieces_takes_no_more_memory_than_its_size(autojump_clock: trio.testing.MockClock) -> None:
    far, size = FarSide(buffer=2), 20_000
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            await talk.stream.send_all(b"ab" * (size // 2))

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        assert await response.read(size) == b"ab" * (size // 2)
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        assert peak < 5 * size


async def test_the_answer_to_another_request_may_take_longer_than_a_connection_is_kept(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The time of an idle connection is over when it is used again, also where the request left at once and no other time began."""

    async def play() -> None:
        talk = await far.accept()
        for pause in (0, 0, 100):
            await talk.hear()
            await trio.sleep(pause)
            await talk.answer(b"%d" % pause)

    nursery.start_soon(play)
    async with client_of(far) as client:
        assert [await get(client) for _ in range(3)] == [b"0", b"0", b"100"]
        assert (len(far.ends), client.idle) == (1, 1)


async def test_whoever_waits_on_a_connection_whose_time_is_over_is_told_why(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Whatever the time was for; without a reason he would ask again, and again."""

    async def play() -> None:
        talk = await far.accept()
        await talk.hear()
        await talk.answer()
        await talk.hear()

    nursery.start_soon(play)
    async with client_of(far) as client:
        await get(client)
        (kept,) = client._idle
        request = partial(client.request, b"GET", b"/")
        async with trio.open_nursery() as waiting:
            waiting.start_soon(expect_broken, request)
            await settle()
            client.keeper.watch(kept, trio.current_time())


async def expect_broken(request: Callable[[], Awaitable[ClientResponse]]) -> None:
    with pytest.raises(Broken, match=r"\w"):
        await request()


@pytest.mark.parametrize(("status", "is_success"), [(199, False), (200, True), (299, True), (300, False)])
def test_a_success_is_a_status_from_200_to_299(status: int, is_success: bool) -> None:
    assert ClientResponse(status, [], None).is_success is is_success


async def test_each_piece_of_a_body_is_handed_out_once(far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    async with client_of(far) as client:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.answer(b"world")

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        assert [await response.receive() for _ in range(3)] == [b"world", b"", b""]


async def test_nothing_is_held_of_a_connection_that_has_ended(
    far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Nor is anything of it left to the garbage collector, which would find a hundred objects each time."""
    nursery.start_soon(answer_all, far)
    async with client_of(far) as client:
        await get(client)
        (kept,) = client._idle
        held: list[Callable[[], object]] = [weakref.ref(kept), weakref.ref(kept.parser)]
        gc.disable()
        try:
            await trio.sleep(40)  # it is closed after four seconds, and would have had thirty to take its request
            assert (client.idle, far.open) == (0, 0)
            del kept
            assert [one() for one in held] == [None, None]
        finally:
            gc.enable()
    nursery.cancel_scope.cancel()

"""The client when things go wrong: time limits, broken connections, cuts, cancellation. In memory, on the mock clock."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from tests.kit.farside import FarSide, Talk

from sluicegate.http1.client.failures import Broken, Unreachable
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.http1.client.settings import ClientSettings
from sluicegate.testing.memory_wire import memory_pair
from sluicegate.testing.scissors import cut_after

Pair = Callable[[int], tuple[trio.abc.Stream, trio.abc.Stream]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


@asynccontextmanager
async def client_of(far: FarSide, settings: ClientSettings | None = None) -> AsyncGenerator[HttpClient]:
    """A client of the far side; afterwards no connection may be open."""
    async with open_client(parse_address("http://far.test").origin, open_stream=far.open_stream, settings=settings) as client:
        yield client
    assert far.open == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed without an answer"),
        (b"HTTP/1.1 2", "closed without an answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "closed without an answer"),
        (b"SSH-2.0-OpenSSH_9\r\n", "no HTTP"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "no HTTP"),
    ],
)
async def test_what_is_no_answer_leaves_the_outcome_unknown_and_is_not_sent_again(
    said: bytes, why: str, far: FarSide, autojump_clock: trio.testing.MockClock
) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            with suppress(trio.BrokenResourceError):
                await talk.stream.send_all(said)
            await talk.close()

        nursery.start_soon(play)
        with pytest.raises(Broken, match=why):
            await client.request(b"POST", b"/", b"", b"x")
        assert (client.busy, client.idle, len(far.ends)) == (0, 0, 1)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (HEAD + b"12345", "closed in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", "closed in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n", "no HTTP"),
    ],
)
async def test_what_came_before_the_break_is_handed_out_first(
    said: bytes, why: str, far: FarSide, autojump_clock: trio.testing.MockClock
) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(said)
            await talk.close()

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        assert await response.receive() == b"12345"
        for _ in range(2):
            with pytest.raises(Broken, match=why):
                await response.receive()
        assert not response.complete


async def test_connecting_has_thirty_seconds(autojump_clock: trio.testing.MockClock) -> None:
    async def never(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    async with open_client(parse_address("http://far.test").origin, open_stream=never) as client:
        with pytest.raises(Unreachable, match="no connection within 30 s"):
            await client.request(b"GET", b"/")
    assert trio.current_time() == 30.0


async def test_a_server_that_does_not_read_breaks_the_request_in_time(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(buffer=1000)
    async with client_of(far, ClientSettings(send_seconds=10)) as client:
        with pytest.raises(Broken, match="did not take the request in time"):
            await client.request(b"POST", b"/", b"", b"x" * 65536)
        assert trio.current_time() == 11.0
        assert client.busy == 0


async def test_an_answer_may_take_any_time(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.hear()
            await trio.sleep(80_000)
            await talk.stream.send_all(HEAD)
            await trio.sleep(80_000)
            await talk.stream.send_all(b"0123456789")

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        assert await response.read(10) == b"0123456789"


@pytest.mark.parametrize("size", [10, 65_536, 300_000])
async def test_the_answer_to_a_request_that_had_to_be_sent_in_time_may_take_any_time(
    size: int, far: FarSide, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The time for sending is over when all is sent, whichever way it went."""

    async def play() -> None:
        talk = await far.accept()
        await talk.hear()
        await trio.sleep(80_000)
        await talk.answer(b"late")

    nursery.start_soon(play)
    async with client_of(far) as client:
        response = await client.request(b"POST", b"/", b"", b"x" * size)
        assert await response.read(10) == b"late"
        assert trio.current_time() == 80_000


@pytest.mark.parametrize("whole", [False, True])
async def test_an_answer_to_a_request_that_is_not_read_to_its_end_is_not_lost(whole: bool, autojump_clock: trio.testing.MockClock) -> None:
    """A server that refuses a large body answers and closes; what it said stands in the buffer."""
    far = FarSide(buffer=1000)
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.stream.receive_some(500)
            length = b"" if whole else b"1"
            await talk.stream.send_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4%b\r\n\r\nlong" % length)
            await talk.close()

        nursery.start_soon(play)
        response = await client.request(b"POST", b"/", b"", b"x" * 100_000)
        assert response.status == 413
        assert await response.receive() == b"long"
        if not whole:
            with pytest.raises(Broken, match="middle of the answer"):
                await response.receive()
        assert (client.idle, client.busy) == (0, 0)


@pytest.mark.parametrize("size", [65_535, 1_000_000])
async def test_a_refusal_that_comes_while_the_request_is_being_sent_ends_the_sending(
    size: int, pair: Pair, autojump_clock: trio.testing.MockClock
) -> None:
    """Some servers refuse and neither read on nor close. In memory nothing can be sent now, so only a body that goes apart is listened to."""
    if pair is memory_pair and size < 65_536:
        size = 65_536
    far = FarSide(buffer=1000, pair=pair)
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.stream.receive_some(500)
            await talk.answer(b"x" * 5000, b"413 Content Too Large")
            await talk.wait_gone()

        nursery.start_soon(play)
        response = await client.request(b"POST", b"/", b"", b"x" * size)
        assert (response.status, await response.read(5000), trio.current_time()) == (413, b"x" * 5000, 0.0)
        assert (client.idle, client.busy) == (0, 0)


async def test_an_answer_that_begins_while_the_request_is_being_sent_does_not_end_the_sending(
    autojump_clock: trio.testing.MockClock,
) -> None:
    far = FarSide(buffer=1000)
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked()
            await talk.hear()
            await talk.stream.send_all(b"done")

        nursery.start_soon(play)
        response = await client.request(b"POST", b"/", b"", b"x" * 100_000)
        assert (response.status, await response.read(4)) == (200, b"done")
        assert (client.idle, client.busy) == (1, 0)


async def test_what_is_no_http_ends_the_sending(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(buffer=1000)
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.stream.receive_some(500)
            await talk.stream.send_all(b"SSH-2.0-OpenSSH_9\r\n")
            await talk.wait_gone()

        nursery.start_soon(play)
        with pytest.raises(Broken, match="no HTTP"):
            await client.request(b"POST", b"/", b"", b"x" * 100_000)
        assert (trio.current_time(), client.busy) == (0.0, 0)


async def test_a_request_that_did_not_leave_and_has_no_answer_is_broken(autojump_clock: trio.testing.MockClock) -> None:
    far = FarSide(buffer=1000)
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.stream.receive_some(500)
            await talk.close()

        nursery.start_soon(play)
        with pytest.raises(Broken, match="before the request had been sent"):
            await client.request(b"POST", b"/", b"", b"x" * 100_000)


async def test_what_is_hurried_breaks_in_time_unless_it_ends(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            for pause in (1, 3):
                await talk.hear()
                await talk.stream.send_all(HEAD)
                await trio.sleep(pause)
                with suppress(trio.BrokenResourceError):
                    await talk.stream.send_all(b"0123456789")

        nursery.start_soon(play)
        response = await client.request(b"GET", b"/")
        response.hurry(2)
        assert await response.read(10) == b"0123456789"
        response.hurry(2)
        response = await client.request(b"GET", b"/")
        response.hurry(5)
        response.hurry(2)
        with pytest.raises(Broken, match="took too long"):
            await response.read(10)
        assert trio.current_time() == 3.0


async def test_a_cut_breaks_what_was_for_that_purpose_and_nothing_else(autojump_clock: trio.testing.MockClock) -> None:
    far, ends = FarSide(), list[str]()
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def one(purpose: str) -> None:
            try:
                response = await client.request(b"GET", b"/", purpose=purpose)
                ends.append(f"{purpose}: {response.status}")
            except Broken as error:
                ends.append(f"{purpose}: {error}")

        async def play(pause: float) -> None:
            talk = await far.accept()
            await talk.hear()
            await trio.sleep(pause)
            with suppress(trio.BrokenResourceError):
                await talk.answer()

        for purpose in ("a", "b", "a"):
            nursery.start_soon(one, purpose)
            nursery.start_soon(play, 5)
        await trio.sleep(1)
        client.cut("a", "enough of a")
        await trio.sleep(1)
        assert ends == ["a: enough of a"] * 2
        await trio.sleep(5)
        client.cut("b", "it is done already")
        await trio.testing.wait_all_tasks_blocked()
        assert (ends[2:], client.idle) == (["b: 200"], 1)


async def test_a_cut_reaches_who_is_connecting(autojump_clock: trio.testing.MockClock) -> None:
    async def slowly(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep(10)
        raise OSError("no")

    async with open_client(parse_address("http://far.test").origin, open_stream=slowly) as client, trio.open_nursery() as nursery:

        async def one() -> None:
            with pytest.raises(Unreachable, match="enough"):
                await client.request(b"GET", b"/", purpose=1)

        nursery.start_soon(one)
        await trio.sleep(1)
        client.cut(2, "another")
        client.cut(1, "enough")
        await trio.testing.wait_all_tasks_blocked()
        assert (client.busy, trio.current_time()) == (0, 1.0)


async def test_a_cut_that_comes_just_when_the_connection_stands_is_not_lost(far: FarSide, autojump_clock: trio.testing.MockClock) -> None:

    async def and_then_cut(host: str, port: int) -> trio.abc.Stream:
        stream = await far.open_stream(host, port)
        client.cut(1, "enough")
        return stream

    async with open_client(parse_address("http://far.test").origin, open_stream=and_then_cut) as client:
        with pytest.raises(Unreachable, match="enough"):
            await client.request(b"GET", b"/", purpose=1)
        await trio.testing.wait_all_tasks_blocked()
        assert far.open == 0


async def test_leaving_the_client_breaks_what_is_under_way_and_refuses_what_comes(autojump_clock: trio.testing.MockClock) -> None:
    far, failures = FarSide(), list[str]()

    async def one(target: bytes) -> None:
        try:
            response = await client.request(b"GET", target)
            await response.read(10)
        except (Broken, Unreachable) as error:
            failures.append(str(error))

    async def play() -> None:
        for said in (b"", HEAD + b"1"):
            talk = await far.accept()
            await talk.hear()
            await talk.stream.send_all(said)

    async with trio.open_nursery() as nursery:
        async with client_of(far) as client:
            nursery.start_soon(play)
            nursery.start_soon(one, b"/1")
            await trio.sleep(1)
            nursery.start_soon(one, b"/2")
            await trio.sleep(1)
        await one(b"/3")
    assert failures == ["the client is closed"] * 3
    assert len(far.ends) == 2


async def test_leaving_the_client_reaches_who_is_connecting(autojump_clock: trio.testing.MockClock) -> None:
    async def never(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    async def one() -> None:
        with pytest.raises(Unreachable, match="the client is closed"):
            await client.request(b"GET", b"/")

    async with trio.open_nursery() as nursery, open_client(parse_address("http://far.test").origin, open_stream=never) as client:
        nursery.start_soon(one)
        await trio.sleep(1)
    assert trio.current_time() == 1.0


async def slow_peer(far: FarSide) -> None:
    """Reads and writes in small pieces, so that the client has to wait everywhere."""

    async def carry(talk: Talk) -> None:
        with suppress(AssertionError, trio.BrokenResourceError):
            while True:
                await talk.hear()
                for piece in (b"HTTP/1.1 200", b" OK\r\nContent-Length: 10\r\n\r\n", b"01234", b"56789"):
                    await talk.stream.send_all(piece)
                    await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(carry, await far.accept())


@pytest.mark.parametrize("size", [5000, 100_000])
async def test_a_cut_at_any_step_leaves_no_connection_in_an_unknown_state(size: int, autojump_clock: trio.testing.MockClock) -> None:
    for step in range(1, 200):
        far = FarSide(buffer=2000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow_peer, far)
            async with client_of(far) as client:
                with cut_after(step) as scope:
                    response = await client.request(b"POST", b"/", b"", b"x" * size)
                    try:
                        assert await response.read(10) == b"0123456789"
                    finally:
                        response.close()
                await trio.testing.wait_all_tasks_blocked()
                assert client.busy == 0
                assert far.open == client.idle == (0 if scope.cancelled_caught else 1)
                response = await client.request(b"POST", b"/", b"", b"y" * 5000)
                assert await response.read(10) == b"0123456789"
            nursery.cancel_scope.cancel()
        if not scope.cancelled_caught:
            break
    assert 5 < step < 199


@pytest.mark.parametrize(("status", "goes_on"), [(200, True), (399, True), (400, False), (500, False)])
async def test_a_large_answer_that_begins_early_ends_the_sending_only_where_it_is_a_refusal(
    status: int, goes_on: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """A server that answers while it reads takes the rest; one that refuses may not."""
    far = FarSide(buffer=1000)
    async with client_of(far) as client, trio.open_nursery() as nursery:

        async def play() -> None:
            talk = await far.accept()
            await talk.stream.send_all(b"HTTP/1.1 %d X\r\nContent-Length: 166000\r\n\r\n" % status + b"x" * 66_000)
            if goes_on:
                await talk.hear()
            await talk.stream.send_all(b"x" * 100_000)

        nursery.start_soon(play)
        response = await client.request(b"POST", b"/", b"", b"y" * 100_000)
        assert (response.status, len(await response.read(166_000))) == (status, 166_000)
        assert trio.current_time() == 0
        assert client.idle == int(goes_on)

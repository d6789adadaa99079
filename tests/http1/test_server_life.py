"""How connections begin and end: clients that go, servers that stop, applications that go on. In memory, on the mock clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio
import trio.testing
from tests.kit.front import GET, HandClient, open_front

from sluicegate.http1.asgi import ASGIApp, Receive, Scope, Send
from sluicegate.http1.server.server import ON_DISCONNECT, ServerSettings, StartUpFailed
from sluicegate.testing.memory_wire import MemoryNetwork

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


def only_http(handler: Handler) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await handler(scope, receive, send)

    return app


async def answer(send: Send, data: bytes = b"ok") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": data})


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("leave", ["close", "half-close"])
async def test_an_application_hears_at_once_that_its_client_has_gone(autojump_clock: object, leave: str) -> None:
    heard: list[tuple[str, float]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope["extensions"][ON_DISCONNECT](lambda: heard.append(("callback", trio.current_time())))
        heard.append(((await receive())["type"], trio.current_time()))
        with pytest.raises(OSError, match="nobody waits"):
            await answer(send)
        scope["extensions"][ON_DISCONNECT](lambda: heard.append(("late callback", trio.current_time())))

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(POST)
        await trio.sleep(3)
        await (client.close() if leave == "close" else client.stream.send_eof())
        await settle()
        assert heard == [("callback", 3), ("http.disconnect", 3), ("late callback", 3)]
        if leave == "half-close":
            assert await client.rest() == b""
    assert trio.current_time() == 3


async def test_nobody_is_called_back_after_the_answer(autojump_clock: object) -> None:
    heard: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][ON_DISCONNECT](lambda: heard.append(trio.current_time()))
        await answer(send)

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(GET)
        await client.answer()
        await client.close()
        await settle()
    assert heard == []


async def test_a_client_that_goes_in_mid_body_is_a_disconnect(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not heard or heard[-1] != "http.disconnect":
            heard.append((await receive())["type"])
        raise ConnectionError

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(POST[:-2])
        await settle()
        await client.close()
        await settle()
    assert heard == ["http.request", "http.disconnect"]
    assert caplog.records == []


async def test_a_request_that_came_whole_is_served_although_its_client_has_gone(autojump_clock: object) -> None:
    bodies: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        bodies.append((await receive())["body"])
        await receive()

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(POST + POST + POST + POST[:-1])
        await client.close()
        await settle()
    assert bodies == [b"hello"] * 3


async def test_receive_ends_with_the_answer(autojump_clock: object) -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def listen() -> None:
                heard.append((await receive())["type"])

            await settle()
            await answer(send)

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(GET)
        await client.answer()
        await settle()
    assert heard == ["http.disconnect"]


async def test_an_application_that_goes_on_after_its_answer_holds_up_nobody(autojump_clock: object) -> None:
    ended: list[tuple[str, float]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["path"].encode())
        await trio.sleep(10)
        ended.append((scope["path"], trio.current_time()))

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.answer()).body == b"/1"
        await trio.sleep(1)
        await client.say(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [(await client.answer()).body for _ in range(2)] == [b"/2", b"/3"]
        assert trio.current_time() == 1
        await client.close()
        front.accepting.cancel()
        await trio.sleep(20)
    assert sorted(ended) == [("/1", 10), ("/2", 11), ("/3", 11)]


async def test_applications_that_go_on_are_bounded(autojump_clock: object) -> None:
    running = most = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await answer(send)
        await trio.sleep(10)
        running -= 1

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        for _ in range(10):
            await client.say(GET * 10)
            for _ in range(10):
                await client.answer()
        ended_at = trio.current_time()
    assert most == 17
    assert ended_at == 50, "places are free again when an application has ended"


async def test_the_end_of_the_accepting_ends_idle_connections_at_once_and_others_after_their_answer(autojump_clock: object) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await trio.sleep(5)
        await answer(send)

    async with open_front(only_http(app)) as front:
        idle, busy, coming = [await front.dial() for _ in range(3)]
        await busy.say(GET)
        await coming.say(GET[:10])
        await trio.sleep(1)
        front.accepting.cancel()
        assert await idle.rest() == b""
        assert trio.current_time() == 1
        await coming.say(GET[10:])
        for client, moment in ((busy, 5), (coming, 6)):
            reply = await client.answer()
            assert (reply.status, reply.headers["connection"], trio.current_time()) == (200, "close", moment)
            assert await client.rest() == b""
        with pytest.raises(OSError, match="nothing listens"):
            await front.dial()
        await settle()
        assert not front.connections.child_tasks, "nothing of the server is left"


async def test_a_connection_that_was_not_looked_at_before_the_end_is_closed(autojump_clock: object) -> None:
    async with open_front(only_http(always_ok)) as front:
        client = await front.dial()
        front.accepting.cancel()
        assert await client.rest() in (b"", b"<reset>")
        await settle()
        assert not front.connections.child_tasks


async def always_ok(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send)


async def test_cancelling_the_connections_cuts_everything(autojump_clock: object) -> None:
    cancelled: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(trio.current_time())

    async with open_front(only_http(app)) as front:
        idle, busy = await front.dial(), await front.dial()
        await busy.say(GET)
        await trio.sleep(1)
        front.connections.cancel_scope.cancel()
        assert [await client.rest() for client in (idle, busy)] == [b"", b""]
    assert cancelled == [1]


@attrs.define(eq=False)
class Lived:
    """An application with a lifespan."""

    heard: list[str] = attrs.field(factory=list)
    says: str = "lifespan.startup.complete"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"]["counter"].append(len(scope["state"]["counter"]))
            scope["state"]["own"] = True
            await answer(send, str(scope["state"]["counter"]).encode() + str("shared" in scope["state"]).encode())
            return
        scope["state"]["counter"] = []
        self.heard.append((await receive())["type"])
        await trio.sleep(1)
        await send({"type": self.says, "message": "no database"})
        scope["state"]["shared"] = True
        self.heard.append((await receive())["type"])
        self.heard.append(f"at {trio.current_time()}")
        await send({"type": "lifespan.shutdown.complete"})


async def test_an_application_hears_when_its_server_starts_and_ends(autojump_clock: object) -> None:
    app = Lived()
    async with open_front(app) as front:
        assert (trio.current_time(), front.urls) == (1, ["http://memory"])
        client = await front.dial()
        for expected in (b"[0]True", b"[0, 1]True"):
            await client.say(GET)
            assert (await client.answer()).body == expected
        await trio.sleep(1)
        front.accepting.cancel()
        await settle()
    assert app.heard == ["lifespan.startup", "lifespan.shutdown", "at 2.0"]


async def test_a_lifespan_ends_after_the_last_answer(autojump_clock: object) -> None:
    app = Lived()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await trio.sleep(5)
        await app(scope, receive, send)

    async with open_front(slow) as front:
        client = await front.dial()
        await client.say(GET)
        await settle()
        front.accepting.cancel()
        assert (await client.answer()).body == b"[0]True"
        await trio.sleep(1)
    assert app.heard[1:] == ["lifespan.shutdown", "at 6.0"]


async def test_an_application_that_cannot_start_is_not_served(autojump_clock: object) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(StartUpFailed, match="no database"), flatten_subgroups=True):
        async with open_front(Lived(says="lifespan.startup.failed")):
            pass


async def test_a_lifespan_that_breaks_later_costs_nobody_an_answer(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await trio.sleep(1)
        raise ZeroDivisionError

    async with open_front(app) as front:
        await trio.sleep(2)
        client = await front.dial()
        await client.say(GET)
        assert (await client.answer()).status == 200
    assert [record.message for record in caplog.records] == ["an application's lifespan failed"]


async def test_a_send_that_was_cut_in_the_middle_is_the_last(autojump_clock: object) -> None:
    """An application may put limits on its own sends; what it says afterwards must not be taken for the rest of the answer."""
    errors: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with trio.move_on_after(1):
            await send({"type": "http.response.body", "body": b"a" * 5000, "more_body": True})
        try:
            await send({"type": "http.response.body", "body": b"b" * 10})
        except OSError as error:
            errors.append(str(error))
            raise

    async with open_front(only_http(app), network=MemoryNetwork(buffer=1000)) as front:
        client = await front.dial()
        await client.say(GET + GET)
        await trio.sleep(2)
        rest = await client.rest()
    assert len(errors) == 1
    assert rest.endswith(b"aaa")
    assert rest.count(b"HTTP/1.1") == 1


@attrs.define(eq=False)
class CancelAfter(trio.abc.Instrument):
    """Cancels a scope when any task has taken so many steps."""

    steps: int
    scope: trio.CancelScope

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps -= 1
        if self.steps == 0:
            self.scope.cancel()


async def converse(client: HandClient) -> None:
    """Everything that a connection can be at."""
    await client.say(GET, POST[:10], POST[10:] + GET)
    for _ in range(3):
        await client.answer()
    await client.say(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
    assert (await client.answer()).status == 100
    await client.say(b"3\r\nabc\r\n", b"0\r\n\r\n")
    assert (await client.answer()).status == 200
    await client.say(b"nonsense\r\n\r\n")
    assert (await client.answer()).status == 400


@pytest.mark.parametrize("what", ["connections", "accepting"])
async def test_a_server_can_be_ended_at_every_step(
    autojump_clock: object, what: str, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is left behind, and whoever is not cut off gets a whole answer."""

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        await trio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a" * 3000, "more_body": True})
        await send({"type": "http.response.body"})

    finished = False
    for steps in range(1, 400):
        async with open_front(only_http(echo), ServerSettings(), network=MemoryNetwork(buffer=1000)) as front:
            client = await front.dial()
            scope = front.connections.cancel_scope if what == "connections" else front.accepting
            instrument = CancelAfter(steps, scope)
            trio.lowlevel.add_instrument(instrument)
            try:
                await converse(client)
            except (AssertionError, trio.BrokenResourceError):
                assert instrument.steps <= 0
            else:
                finished = finished or instrument.steps > 0
            finally:
                trio.lowlevel.remove_instrument(instrument)
            await client.close()
            front.accepting.cancel()
            await trio.sleep(3)
            assert not front.connections.child_tasks
        if finished:
            break
    assert finished
    assert caplog.records == []


@pytest.mark.parametrize("asked", [GET, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"], ids=["whole", "half"])
async def test_whoever_could_not_send_hears_at_once_that_nobody_waits(autojump_clock: object, asked: bytes) -> None:
    """Its client is there and does not read; an application that asks once more must not wait for it."""
    heard: list[tuple[str, float]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"a" * 10_000, "more_body": True})
        except OSError:
            failed_at = trio.current_time()
        heard.append(((await receive())["type"], trio.current_time() - failed_at))
        with pytest.raises(OSError, match="nobody waits"):
            await send({"type": "http.response.body"})

    async with open_front(only_http(app)) as front:
        client = await front.dial()
        await client.say(asked)
        await trio.sleep(1000)
        assert heard == [("http.disconnect", 0)]


async def test_only_a_first_request_is_waited_for_when_the_accepting_ends(autojump_clock: object) -> None:
    """Who has just connected may be about to ask; who had his answer asks somewhere else."""
    async with open_front(only_http(always_ok)) as front:
        fresh, answered = await front.dial(), await front.dial()
        await answered.say(GET)
        assert (await answered.answer()).status == 200
        front.accepting.cancel()
        assert await answered.rest() == b""
        assert trio.current_time() == 0
        await fresh.say(GET)
        assert (await fresh.answer()).status == 200

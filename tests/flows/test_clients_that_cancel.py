"""A client may change its mind at any moment: its cancellation arrives after the first, second, third … step of its call."""

from __future__ import annotations

import json

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.asgi import AsgiTransport
from tests.kit.messages import HELLO

from sluicegate import Builder
from sluicegate.frontends.exchange import Exchange
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, Note, Step

MOST_STEPS = 60


@attrs.define(eq=False)
class CancelsAfter(trio.abc.Instrument):
    """Cancels the next tool call, as ``notifications/cancelled`` would, when its task has taken so many steps."""

    steps: int
    exchange: Exchange | None = None
    task: trio.lowlevel.Task | None = None
    cancelled: bool = False

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        frame = getattr(task.coro, "cr_frame", None)
        owner = None if frame is None else frame.f_locals.get("self")
        if isinstance(owner, Exchange) and owner.call.method == "tools/call":
            self.exchange, self.task = owner, task

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task and self.exchange is not None:
            self.steps -= 1
            if self.steps == 0 and not self.exchange.ended:
                self.cancelled = True
                self.exchange.cancel()


@attrs.define
class Client:
    """A client with one session."""

    http: httpx2.AsyncClient
    session: str = ""
    last_id: int = 0

    async def post(self, method: str, params: dict[str, object], *, answered: bool = True) -> httpx2.Response:
        self.last_id += 1
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": f"c{self.last_id}"} if answered else {})
        headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        return await self.http.post("/mcp", json=message, headers=headers | ({"Mcp-Session-Id": self.session} if self.session else {}))

    async def open(self) -> None:
        self.session = (await self.post("initialize", dict(HELLO))).headers["mcp-session-id"]
        assert (await self.post("notifications/initialized", {}, answered=False)).status_code == 202

    async def call(self, name: str) -> dict[str, object]:
        """The last message of the answer, which must be the only reply."""
        response = await self.post("tools/call", {"name": name, "arguments": {}, "_meta": {"progressToken": "p"}})
        if response.headers["content-type"] == "application/json":
            messages: list[dict[str, object]] = [response.json()]
        else:
            messages = [json.loads(line[5:]) for line in response.text.splitlines() if line.startswith("data:") and line[5:].strip()]
        replies = [message for message in messages if "id" in message]
        assert [reply["id"] for reply in replies] == [f"c{self.last_id}"], "exactly one reply, under its own id"
        assert messages[-1] is replies[0], "and nothing after it"
        return replies[0]


@pytest.mark.parametrize("step", [Delay(1), Note(0.5, Delay(1, Note(0.7)))])
async def test_a_client_can_cancel_its_call_at_every_step(step: Step, autojump_clock: trio.testing.MockClock) -> None:
    scripted, backup = ScriptedBackend(step), ScriptedBackend()
    builder = Builder("x").backend("b", scripted.connector).backend("spare", backup.connector, failover_for="b")
    async with builder.open() as gateway, trio.open_nursery() as nursery:
        await gateway.settled()
        async with httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://localhost") as http:
            client = Client(http)
            await client.open()
            for steps in range(1, MOST_STEPS):
                instrument = CancelsAfter(steps)
                trio.lowlevel.add_instrument(instrument)
                try:
                    reply = await client.call("b_echo")
                finally:
                    trio.lowlevel.remove_instrument(instrument)
                await trio.testing.wait_all_tasks_blocked()
                error = reply.get("error")
                assert instrument.cancelled == (error is not None)
                assert error is None or (isinstance(error, dict) and error["code"] == -32800)
                assert (gateway.backends["b"].in_flight, scripted.sessions[0].in_flight) == (0, 0)
                if not instrument.cancelled:
                    break
            assert not instrument.cancelled, "no call came to its end"
            assert steps > 1, "no call was cancelled"
            told = [message.method for message in scripted.received].count("notifications/cancelled")
            assert told == len(scripted.cancelled), "a call that had not left yet is taken back, any other is told to the backend"
            assert backup.calls == 0, "a call that its caller cancelled goes nowhere else"
        nursery.cancel_scope.cancel()


async def test_a_cancellation_reaches_the_backend_that_has_the_call_and_no_other(autojump_clock: trio.testing.MockClock) -> None:
    busy, other = ScriptedBackend(Delay(10)), ScriptedBackend(Delay(10))
    replies: dict[str, dict[str, object]] = {}

    async with (
        Builder("x").backend("busy", busy.connector).backend("other", other.connector).open() as gateway,
        trio.open_nursery() as nursery,
    ):
        await gateway.settled()
        async with httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://localhost") as http:
            client = Client(http)
            await client.open()

            async def use(name: str) -> None:
                replies[name] = await Client(http, client.session, last_id=ord(name[0])).call(name)

            async with trio.open_nursery() as users:
                users.start_soon(use, "busy_echo")
                users.start_soon(use, "other_echo")
                await trio.sleep(1)
                await client.post("notifications/cancelled", {"requestId": f"c{ord('b') + 1}"}, answered=False)
            assert trio.current_time() == 10
        nursery.cancel_scope.cancel()
    assert "error" in replies["busy_echo"]
    assert "result" in replies["other_echo"]
    assert (busy.cancelled, other.cancelled) == ([1], [])


async def test_a_cancellation_that_comes_during_the_drain_shortens_it(autojump_clock: trio.testing.MockClock) -> None:
    scripted, replies = ScriptedBackend(Delay(20)), list[dict[str, object]]()
    async with trio.open_nursery() as nursery:
        async with Builder("x").backend("b", scripted.connector).open() as gateway:
            await gateway.settled()
            http = httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://localhost")
            client = Client(http)
            await client.open()

            async def use() -> None:
                replies.append(await Client(http, client.session, last_id=6).call("b_echo"))

            async def change_its_mind() -> None:
                await trio.sleep(5)
                refused = await client.post("ping", {})
                assert refused.status_code == 503
                note = await client.post("notifications/cancelled", {"requestId": "c7"}, answered=False)
                assert note.status_code == 202

            nursery.start_soon(use)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(change_its_mind)
        assert trio.current_time() == 5
        await trio.testing.wait_all_tasks_blocked()
        await http.aclose()
    assert "error" in replies[0]
    assert scripted.cancelled == [1]

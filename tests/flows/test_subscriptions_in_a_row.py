"""Subscriptions of clients with and without a session, through two gateways that speak with or without one to each other: all four pairs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import httpx2
import msgspec
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import HttpClient, Json, visitor
from tests.kit.asgi import AsgiTransport
from tests.kit.watched import WatchedBackend

from sluicegate import Builder, Gateway
from sluicegate.outside import Outside
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.testing import Trial, cancel_at_every_checkpoint
from sluicegate.testing.memory_wire import MemoryNetwork

Clock = trio.testing.MockClock
NEW = "2026-07-28"
A, B = "far+deep+file:///a", "far+deep+file:///b"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
UPDATED = "notifications/resources/updated"
revisions = pytest.mark.parametrize("revision", ["2025-11-25", NEW])


@attrs.define(eq=False)
class Row:
    near: Gateway
    far: Gateway
    backend: WatchedBackend
    nursery: trio.Nursery

    def left(self) -> tuple[int, ...]:
        """What is subscribed to: by clients and on links of both."""
        gates = (self.near, self.far)
        links = [sum(len(link.watched) for backend in gate.backends.values() for link in backend.links()) for gate in gates]
        return (*(gate._endpoint.subscriptions.total for gate in gates), *links)


@asynccontextmanager
async def row(revision: str) -> AsyncGenerator[Row]:
    network, backend = MemoryNetwork(), WatchedBackend("deep")
    outside = Outside(listen=network.listen, open_stream=network.open_stream)
    far = Builder("far").listen("127.0.0.1", 8081).backend("deep", backend.connector)
    near = Builder("near").listen("127.0.0.1", 8080).backend("far", "http://127.0.0.1:8081/mcp", revision=revision)
    async with trio.open_nursery() as nursery:
        async with far.open(strict=True, outside=outside) as behind:
            await nursery.start(behind.serve)
            async with near.open(strict=True, outside=outside) as gateway, trio.open_nursery() as clients:
                yield Row(gateway, behind, backend, clients)
                clients.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class Listening:
    """A client of 2026-07-28 that listens."""

    heard: list[Json] = attrs.field(factory=list)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def run(self, gateway: Gateway, nursery: trio.Nursery, wishes: Json, id: object = "mine") -> None:
        meta = {"io.modelcontextprotocol/protocolVersion": NEW, "io.modelcontextprotocol/clientCapabilities": {}}
        body = {"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": {"_meta": meta, "notifications": wishes}}
        headers = {"mcp-protocol-version": NEW, "mcp-method": "subscriptions/listen", "content-type": "application/json"}
        headers["accept"] = "application/json, text/event-stream"
        parser = EventParser(1 << 20)
        with self.scope:
            async with (
                httpx2.AsyncClient(
                    transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://127.0.0.1:8080", timeout=None
                ) as http,
                http.stream("POST", "/mcp", content=msgspec.json.encode(body), headers=headers) as response,
            ):
                assert response.status_code == 200, await response.aread()
                async for chunk in response.aiter_raw():
                    for event in parser.feed(chunk):
                        assert isinstance(event, Event)
                        self.heard += [msgspec.json.decode(event.data)] if event.data else []


def listen(here: Row, *uris: str) -> Listening:
    listening = Listening()
    here.nursery.start_soon(listening.run, here.near, here.nursery, {"resourceSubscriptions": list(uris)})
    return listening


@revisions
async def test_a_listener_hears_of_the_resources_that_it_has_named(revision: str, autojump_clock: Clock) -> None:
    async with row(revision) as here:
        one, other = listen(here, A, "far+deep+file:///nowhere", "nobody+file:///a", A), listen(here, B, A)
        await trio.sleep(2)
        mine = {"_meta": {SUBSCRIPTION: "mine"}}
        known = [uri for uri in (A, "far+deep+file:///nowhere") if uri in one.heard[0]["params"]["notifications"]["resourceSubscriptions"]]
        assert A in known
        assert (one.heard[0]["method"], one.heard[0]["params"]["_meta"]) == ("notifications/subscriptions/acknowledged", mine["_meta"])
        assert "nobody+file:///a" not in one.heard[0]["params"]["notifications"]["resourceSubscriptions"]
        assert other.heard[0]["params"] == mine | {"notifications": {"resourceSubscriptions": [B, A]}}
        assert {"file:///a", "file:///b"} <= set(here.backend.watched)
        assert len(here.backend.watched) == len(set(here.backend.watched))
        here.backend.update("file:///b", title="new", _meta={"x": 1})
        await trio.sleep(2)
        assert other.heard[1:] == [
            {"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": B, "title": "new", "_meta": {"x": 1, SUBSCRIPTION: "mine"}}}
        ]
        assert one.heard[1:] == []
        one.scope.cancel()
        await trio.sleep(2)
        assert here.backend.watched == ["file:///a", "file:///b"]
        other.scope.cancel()
        await trio.sleep(2)
        assert (here.left(), here.backend.watched) == ((0, 0, 0, 0), [])


@revisions
async def test_a_client_with_a_session_subscribes_in_front_of_either(revision: str, autojump_clock: Clock) -> None:
    async with row(revision) as here, visitor("http", here.near, {}) as client, visitor("http", here.near, {}) as other:
        for one in (client, other):
            assert isinstance(one, HttpClient)
            here.nursery.start_soon(one.listen)
            for uri in (A, B):
                await one.say(id=uri, method="resources/subscribe", params={"uri": uri})
                assert await one.hear() == {"jsonrpc": "2.0", "id": uri, "result": {}}
        assert here.backend.watched == ["file:///a", "file:///b"]
        assert here.left()[0] == 4
        here.backend.update("file:///a", title="new")
        for one in (client, other):
            assert await one.hear() == {"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": A, "title": "new"}}
        for one in (client, other):
            await one.say(id=1, method="resources/unsubscribe", params={"uri": A})
            assert (await one.hear())["result"] == {}
        await trio.sleep(2)
        assert (here.backend.watched, here.left()) == (["file:///b"], (2, 1, 1, 1))
        for one in (client, other):
            assert isinstance(one, HttpClient)
            assert (await one.http.delete("/mcp", headers={"mcp-session-id": one.session})).status_code == 200
        await trio.sleep(2)
        assert (here.backend.watched, here.left()) == ([], (0, 0, 0, 0))


@revisions
async def test_what_may_have_changed_while_the_backend_was_away_is_told(revision: str, autojump_clock: Clock) -> None:
    async with row(revision) as here:
        listening = listen(here, A)
        await trio.sleep(2)
        here.backend.crash()
        await trio.sleep(20)
        assert here.backend.watched == ["file:///a"]
        assert listening.heard[1:]
        assert {message["params"]["uri"] for message in listening.heard[1:]} == {A}


async def test_a_listening_stream_that_breaks_is_opened_again(autojump_clock: Clock) -> None:
    """The gateway behind ends all streams as it drains; what was wanted is asked for again where it comes back."""
    network, backend = MemoryNetwork(), WatchedBackend("deep")
    outside = Outside(listen=network.listen, open_stream=network.open_stream)
    near = Builder("near").listen("127.0.0.1", 8080).backend("far", "http://127.0.0.1:8081/mcp", revision=NEW)
    async with trio.open_nursery() as nursery, near.open(outside=outside) as gateway:
        listening = Listening()
        for _ in range(2):
            far = Builder("far").listen("127.0.0.1", 8081).backend("deep", backend.connector)
            async with far.open(strict=True, outside=outside) as behind:
                await nursery.start(behind.serve)
                await gateway.ready("far")
                await trio.sleep(2)
                if not listening.heard:
                    nursery.start_soon(listening.run, gateway, nursery, {"resourceSubscriptions": [A]})
                await trio.sleep(60)
                assert backend.watched == ["file:///a"]
            await trio.sleep(5)
        assert {message["params"]["uri"] for message in listening.heard[1:]} == {A}
        listening.scope.cancel()
        await trio.sleep(1)
        assert gateway._endpoint.subscriptions.total == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("wished", ["file:///a", [7], ["x"] * 1 + [f"u:{number}" for number in range(256)]])
async def test_wishes_that_are_no_list_of_uris_are_refused(wished: object, autojump_clock: Clock) -> None:
    async with row(NEW) as here:
        listening = Listening()
        with pytest.RaisesGroup(pytest.RaisesExc(AssertionError), flatten_subgroups=True, allow_unwrapped=True):
            await listening.run(here.near, here.nursery, {"resourceSubscriptions": wished})
        assert here.left() == (0, 0, 0, 0)


@revisions
async def test_who_listens_may_vanish_after_any_step_and_nothing_is_left(revision: str, autojump_clock: Clock) -> None:
    async with row(revision) as here:

        async def once() -> bool:
            listening = Listening()
            with trio.move_on_after(1):
                await listening.run(here.near, here.nursery, {"resourceSubscriptions": [A, B]})
            return bool(listening.heard)

        async def check(trial: Trial[bool]) -> None:
            await trio.sleep(20)
            assert (here.left(), here.backend.watched, len(here.near._app.sessions.listeners)) == ((0, 0, 0, 0), [], 0)
            assert trial.cut or trial.results == (True,)

        assert await cancel_at_every_checkpoint(once, check) > 3

"""What clients bring back to another process with the same keys: states of questions, ids of tasks; and nothing that is something else."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.flows.asked_clients import HttpClient, Json
from tests.flows.test_tasks_extension import NEW, ask, begun
from tests.kit.asgi import AsgiTransport
from tests.kit.offices import WallClock
from tests.kit.tasking import TaskServer

from sluicegate import Outside, open_gateway
from sluicegate.backends.channel import ChannelSession
from sluicegate.config.model import BackendConfig, Config, ListenConfig, ProxyConfig
from sluicegate.protocol.eras import DISCOVER, HANDSHAKE
from sluicegate.protocol.messages import Request, encode, encode_error, encode_result
from sluicegate.sources import Sources
from sluicegate.testing import run_inline
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Result

Clock = trio.testing.MockClock
ASKS: Json = {"elicitation": {"form": {}}}
QUESTION = {"q": {"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {"type": "object"}}}}
ASKED = {"resultType": "input_required", "inputRequests": QUESTION, "requestState": "mine"}
DONE = {"resultType": "complete", "content": []}


class Asking(ScriptedBackend):
    """Of the newest revision: asks with an answer, and is done when its client is back."""

    def __init__(self) -> None:
        super().__init__(Result(encode(ASKED)), Result(encode(DONE)), name="b", version=NEW)

    def administer(self, request: Request, session: ChannelSession) -> bytes:
        if request.method == DISCOVER:
            return encode_result(request.id, encode({"supportedVersions": [NEW], "capabilities": {"tools": {}}}))
        if request.method == HANDSHAKE:
            return encode_error(request.id, encode({"code": -32601, "message": "no such method"}))
        return super().administer(request, session)


@attrs.define(eq=False)
class Process:
    """One gateway that ends and begins again with each client, in a folder for its keys."""

    folder: Path
    backend: ScriptedBackend
    wall: Callable[[], float] = attrs.field(factory=WallClock)
    tickets: bool = True
    revision: Literal["2025-11-25", "2026-07-28"] = "2026-07-28"

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[HttpClient, None]:
        """A client of its next life."""
        listen = ListenConfig(session_tickets=self.tickets, session_keys=str(self.folder) if self.tickets else None)
        config = Config(ProxyConfig("x", listen=listen), (BackendConfig("b", "inprocess", revision=self.revision),))
        outside, sources = Outside(run_blocking=run_inline), Sources(self.wall, secret=os.urandom)
        async with (
            open_gateway(config, servers={"b": self.backend.connector}, outside=outside, sources=sources) as gateway,
            trio.open_nursery() as nursery,
        ):
            await gateway._app.prepare()
            await gateway.ready("b")
            transport = AsgiTransport(gateway.asgi_app, nursery, client=("192.0.2.1", 5000))
            yield HttpClient(httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None), nursery)
            nursery.cancel_scope.cancel()


def keys(folder: Path) -> int:
    return len(list(folder.glob("*.key")))


def call(client: HttpClient, **params: Any) -> Any:
    return ask(client, "tools/call", ASKS, name="b_echo", arguments={}, **params)


async def state_of(process: Process) -> str:
    async with process.client() as client:
        return str((await call(client))["result"]["requestState"])


async def come_back(client: HttpClient, state: str) -> Json:
    answer: Json = await call(client, inputResponses={"q": {"action": "decline"}}, requestState=state)
    return answer


async def test_who_was_asked_by_one_process_comes_back_to_another(tmp_path: Path, autojump_clock: Clock) -> None:
    process = Process(tmp_path, Asking())
    state = await state_of(process)
    async with process.client() as client:
        assert (await come_back(client, state))["result"]["resultType"] == "complete"
        assert bytes(process.backend.received[-1].params["requestState"]) == b'"mine"'
        for changed in (state[:-1] + ("0" if state[-1] != "0" else "1"), ("A" if state[0] != "A" else "B") + state[1:]):
            assert (await come_back(client, changed))["error"]["code"] == -32602


async def test_without_tickets_or_with_other_keys_a_state_holds_as_long_as_its_process(tmp_path: Path, autojump_clock: Clock) -> None:
    for process, other in (
        (Process(tmp_path / "a", Asking(), tickets=False), tmp_path / "a"),
        (Process(tmp_path / "b", Asking()), tmp_path / "c"),
    ):
        state = await state_of(process)
        async with attrs.evolve(process, folder=other, backend=Asking()).client() as client:
            assert (await come_back(client, state))["error"]["code"] == -32602


async def test_a_replica_whose_key_is_younger_is_understood_by_one_that_has_not_seen_it(tmp_path: Path, autojump_clock: Clock) -> None:
    backend, wall = Asking(), WallClock()
    async with Process(tmp_path, backend, wall).client() as old:
        await trio.sleep(5)
        state = await state_of(Process(tmp_path, backend, WallClock(3 * 86_400)))
        assert keys(tmp_path) == 2
        assert (await come_back(old, state))["result"]["resultType"] == "complete"


async def test_no_ticket_is_a_state_and_no_state_is_a_ticket_or_an_id(tmp_path: Path, autojump_clock: Clock) -> None:
    process = Process(tmp_path, Asking())
    state = await state_of(process)
    async with process.client() as client:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        await client.say(id=0, method="initialize", params=hello)
        await client.hear()
        ticket = client.session
        assert ticket[-8:] == state[-8:], "one key has both made"
        assert (await come_back(client, ticket))["error"]["code"] == -32602
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        for session, status in ((ticket, 200), (state, 404)):
            answer = await client.http.post("/mcp", json=body, headers=client._headers() | {"mcp-session-id": session})
            assert answer.status_code == status


@pytest.mark.parametrize("tickets", [True, False])
async def test_a_task_of_the_extension_is_known_to_the_next_process(tickets: bool, tmp_path: Path, autojump_clock: Clock) -> None:
    process = Process(tmp_path, TaskServer(version=NEW), tickets=tickets)
    async with process.client() as client:
        task = await begun(client)
    async with process.client() as client:
        answer = await ask(client, "tasks/get", taskId=task)
        if tickets:
            assert (answer["result"]["taskId"], answer["result"]["status"]) == (task, "working")
        else:
            assert answer["error"]["code"] == -32602


async def test_a_task_keeps_its_id_when_there_is_another_key(tmp_path: Path, autojump_clock: Clock) -> None:
    backend, wall = TaskServer(version=NEW), WallClock()
    async with Process(tmp_path, backend, wall).client() as client:
        task = await begun(client)
        wall.ahead = 3 * 86_400
        await trio.sleep(120)
        assert keys(tmp_path) == 2
        assert (await ask(client, "tasks/get", taskId=task))["result"]["taskId"] == task
        assert (await begun(client))[-40:] != task[-40:]


async def test_a_task_of_a_session_is_asked_for_again_after_a_restart_and_is_no_other(tmp_path: Path, autojump_clock: Clock) -> None:
    """A backend that keeps its tasks knows it still; one that counts anew has another of that name, which is somebody else's."""
    backend = TaskServer()
    process = Process(tmp_path, backend, revision="2025-11-25")
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with process.client() as client:
        task = await _begin(client, hello)
    async with process.client() as client:
        client.session = ""
        await client.say(id=0, method="initialize", params=hello)
        await client.hear()
        await client.say(id=3, method="tasks/get", params={"taskId": task})
        assert (await client.hear())["result"]["status"] == "working"
        backend.jobs.clear()
        other = await _begin(client, hello)
        assert other != task
        await client.say(id=4, method="tasks/get", params={"taskId": task})
        assert (await client.hear())["error"]["code"] == -32602


async def _begin(client: HttpClient, hello: Json) -> str:
    if not client.session:
        await client.say(id=0, method="initialize", params=hello)
        await client.hear()
    await client.say(id=2, method="tools/call", params={"name": "b_work", "arguments": {}, "task": {}})
    return str((await client.hear())["result"]["task"]["taskId"])

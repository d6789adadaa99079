"""What a backend writes and what is known of this machine are for the operator: no caller reads them in an error."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.site import open_site

from sluicegate import BackendSession, Builder, Call, ConnectFailed, Fault, Gateway, Inbox, Outside, State
from sluicegate.backends.channel import ChannelSession
from sluicegate.outside import ProcessSpec
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.why import Why
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.processes import ProcessTable
from sluicegate.testing.script import RpcError

SECRET = "hunter2-of-another-caller"

Clock = trio.testing.MockClock


async def talkative(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
    """A server that complains about its work by name and dies of the second call."""
    calls = 0
    async for line in stdin:
        message = json.loads(bytes(line))
        if "id" not in message:
            continue
        result: dict[str, object] = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}
        if message["method"] == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
        elif message["method"] == "tools/call":
            calls += 1
            await stderr.send_all(f"login with {SECRET}\n".encode())
            result = {"content": []}
        if calls == 2:
            return 3
        await stdout.send_all(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode() + b"\n")
    return 0


@asynccontextmanager
async def desk(table: ProcessTable) -> AsyncGenerator[Gateway, None]:
    builder = Builder("x").backend("b", ["server"], restart={"initial_seconds": 30.0, "max_seconds": 60.0})
    async with builder.open(outside=Outside(open_process=table.open_process)) as gateway:
        await gateway.settled()
        yield gateway


async def fault_of(gateway: Gateway, name: str) -> Fault:
    fault = (await gateway.call_tool(name)).fault
    assert fault is not None
    return fault


async def test_the_last_words_of_a_child_reach_the_operator_and_no_caller(
    nursery: trio.Nursery, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    table = ProcessTable(nursery)
    table.add("server", talkative)
    async with desk(table) as gateway:
        assert (await gateway.call_tool("b_t")).fault is None
        during = await fault_of(gateway, "b_t")
        await gateway.backends["b"].wait_for(lambda backend: backend.state is State.RESTARTING)
        after = await fault_of(gateway, "b_t")
        told = gateway.skipped[0].error

    for fault in (during, after):
        assert SECRET.encode() not in fault.encode()
        assert "exited with status 3" in fault.message
    assert SECRET in told
    assert SECRET in caplog.text or any(SECRET in str(vars(record)) for record in caplog.records)


async def test_where_a_program_was_looked_for_is_no_callers_business(
    nursery: trio.Nursery, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/home/of/somebody")

    async def open_process(spec: ProcessSpec) -> object:
        await trio.lowlevel.checkpoint()
        raise FileNotFoundError(2, "No such file or directory")

    builder = Builder("x").backend("b", ["secret-server"]).backend("other", ScriptedBackend().connector)
    async with builder.open(outside=Outside(open_process=open_process)) as gateway:  # type: ignore[arg-type]
        await gateway.settled()
        fault = gateway.backends["b"].link.absence()
    assert "could not be started" in fault.message
    assert b"/home/of/somebody" not in fault.encode()
    assert b"secret-server" not in fault.encode()
    assert "PATH searched: /home/of/somebody" in fault.told


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_an_error_page_is_for_the_operator(status: int, autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async def page(answer: Answer) -> None:
        await answer.send(status, f"you sent Authorization: Bearer {SECRET}".encode())

    endpoint = ScriptedEndpoint()
    async with open_site(endpoint) as site:
        outside = Outside(open_stream=site.open_stream)
        async with Builder("x").backend("web", "http://backend.test/mcp").open(outside=outside) as gateway:
            await gateway.settled()
            endpoint.on["tools/call"] = page
            reply = await gateway.backends["web"](Call("tools/call", "t", {"name": Raw(b'"t"')}))
    fault = reply.fault
    assert fault is not None
    assert SECRET.encode() not in fault.encode()
    assert f"HTTP {status}" in fault.message
    assert SECRET in fault.told
    assert any(SECRET in str(vars(record)) for record in caplog.records), "the log has it"


async def test_an_error_in_answer_to_the_handshake_is_not_the_callers(autojump_clock: Clock) -> None:
    fault = (await ScriptedBackend(RpcError(-32000, f"no user {SECRET}"))(Call("tools/call", "t", {}))).fault
    assert fault is not None
    assert fault.why == Why("it answered with error -32000", f"no user {SECRET}")


async def test_an_error_in_answer_to_a_call_is_that_callers_unchanged(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(RpcError(-32000, "no user of that name"))
    async with Builder("x").backend("b", backend.connector).open() as gateway:
        await gateway.settled()
        fault = await fault_of(gateway, "b_echo")
    assert json.loads(fault.encode()) == {"code": -32000, "message": "no user of that name"}


async def test_what_an_own_connector_says_is_for_the_operator_unless_it_says_otherwise(autojump_clock: Clock) -> None:
    class Closed:
        transport = "own"

        def __init__(self, why: Why | str) -> None:
            self.why = why

        def __call__(self, inbox: Inbox) -> object:
            @asynccontextmanager
            async def opened() -> AsyncGenerator[BackendSession, None]:
                await trio.lowlevel.checkpoint()
                if self.why:
                    raise ConnectFailed(self.why)
                yield ChannelSession("own", inbox)

            return opened()

    plain = Closed(f"{SECRET} was refused")
    split = Closed(Why("it sleeps at night", f"{SECRET} sleeps"))
    async with Builder("x").backend("plain", plain).backend("split", split).open() as gateway:  # type: ignore[arg-type]
        await gateway.settled()
        faults = {name: backend.link.absence() for name, backend in gateway.backends.items()}
    assert all(SECRET.encode() not in fault.encode() and SECRET in fault.told for fault in faults.values())
    assert "it sleeps at night" in faults["split"].message


async def test_known_secrets_are_blotted_out_for_the_operator_too(
    nursery: trio.Nursery, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    table = ProcessTable(nursery)
    table.add("server", talkative)
    builder = Builder("x").backend("b", ["server"], env={"PASSWORD": SECRET})
    async with builder.open(outside=Outside(open_process=table.open_process)) as gateway:
        await gateway.settled()
        await gateway.call_tool("b_t")
        during = await fault_of(gateway, "b_t")
        await gateway.backends["b"].wait_for(lambda backend: backend.state is not State.READY)
        told = gateway.skipped[0].error

    assert "login with ***" in told
    assert "login with ***" in during.told
    lines = [str(vars(record)) for record in caplog.records]
    assert any("login with ***" in line for line in lines)
    assert not any(SECRET in line for line in lines)

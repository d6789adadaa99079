"""P-48: a tool that wants something repeated in headers that cannot be is left out where there are headers; all others stay."""

from __future__ import annotations

import pytest
import trio.testing
from tests.flows.asked_clients import AskedClient, asked_client
from tests.flows.lone_clients import NEW
from tests.flows.test_lists_in_the_field import warned

from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.transports import Transport

Clock = trio.testing.MockClock


def tool(name: str, header: object, kind: str = "string") -> dict[str, object]:
    return {"name": name, "inputSchema": {"type": "object", "properties": {"a": {"type": kind, "x-mcp-header": header}}}}


def field() -> ScriptedBackend:
    return ScriptedBackend(name="b", tools=[tool("good", "A"), tool("bad", "a b"), "echo", tool("worse", "A", "number")])


async def listed(client: AskedClient) -> list[str]:
    await client.client.say(id="list", method="tools/list", params={})
    return [one["name"] for one in (await client.hear())["result"]["tools"]]


async def answer_to(client: AskedClient, name: str) -> str:
    await client.client.say(id="call", method="tools/call", params={"name": name, "arguments": {"a": "x"}})
    answer = await client.hear()
    return "result" if "result" in answer else str(answer["error"]["message"])


async def test_over_http_it_is_neither_listed_nor_called_and_all_others_are(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    backend = field()
    async with asked_client("http", Transport.HTTP, backend=backend, one_client=False, revision=NEW) as client:
        assert await listed(client) == ["b_good", "b_echo"]
        assert [await answer_to(client, name) for name in ("b_good", "b_echo")] == ["result", "result"]
        assert "bad" in await answer_to(client, "b_bad")
        told = {
            ("b", "bad", "x-mcp-header of 'a' is not the name of a header; it is left out"),
            ("b", "worse", "x-mcp-header is at 'a', whose type is none of string, integer, boolean; it is left out"),
        }
        assert told <= set(warned(caplog))
        number = len(warned(caplog))
        backend.lists["tools"].append(tool("late", "late"))
        backend.notify("notifications/tools/list_changed")
        await trio.sleep(5)
        assert await listed(client) == ["b_good", "b_echo", "b_late"]
        assert len(warned(caplog)) == number, "told once"


@pytest.mark.parametrize(("back", "revision"), [(Transport.HTTP, "2025-11-25"), (Transport.CHILD, None)])
async def test_where_no_header_repeats_arguments_it_stays(back: Transport, revision: str | None, autojump_clock: Clock) -> None:
    async with asked_client("http", back, backend=field(), one_client=False, revision=revision) as client:
        assert await listed(client) == ["b_good", "b_bad", "b_echo", "b_worse"]

"""What a token or a role does not allow is in no list, and cannot be used, whatever way leads to it (AUTH-4, RBAC-5, RBAC-6, LIM-25)."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest
import trio
import trio.testing
from tests.kit.desk import ERAS, Client, Json, desk, role, token

from sluicegate.config.model import BearerAuth
from sluicegate.protocol.messages import Raw
from sluicegate.settings.composite_tools import CompositeConfig
from sluicegate.settings.keeping import CacheSettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer

Clock = trio.testing.MockClock
READ = {"readOnlyHint": True}
LISTED: Json = {
    "tools": [{"name": name, "inputSchema": {"type": "object"}, "annotations": READ} for name in ("look", "drop")],
    "resources": ["file:///docs/a", "file:///etc/passwd"],
    "templates": ["file:///docs/{name}", "file:///{path}"],
    "prompts": ["ask", "draft"],
}
AUTH = BearerAuth(
    tokens=("the-token-of-root",),
    scoped_tokens=(
        token("ada", allow_tools=["a_look"], allow_resources=["file:///docs/**"], allow_prompts=["*_ask"]),
        token("bob", deny_tools=["a_drop"], deny_resources=["file:///etc/**"], deny_prompts=["*_draft"]),
        token("eve", roles=("reader",)),
    ),
    roles=(role("reader", allow_tools=["*_look"], allow_resources=["a+file:///docs/*"], allow_prompts=["a_as?"]),),
)
LIMITED = ["ada", "bob", "eve"]


def backend(*steps: Any) -> ScriptedBackend:
    made = ScriptedBackend(*steps, name="a", instructions="Be careful.", **LISTED)
    made.subscribe = True
    return made


def denied(answer: Json, what: str, who: str = "Token is") -> None:
    assert (answer["error"]["code"], answer["error"]["message"]) == (-32602, f"{who} not authorized to {what}")
    assert answer["error"]["data"]["reason"] == "not_permitted"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("who", LIMITED)
async def test_lists_show_what_may_be_used_and_nothing_else(who: str, era: str, autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, AUTH) as here:
        client = await here.client(who, era)
        assert await client.tools() == ["a_look"]
        assert await client.names("resources/list", "resources", "uri") == ["a+file:///docs/a"]
        assert "a+file:///docs/{name}" in await client.names("resources/templates/list", "resourceTemplates", "uriTemplate")
        assert await client.names("prompts/list", "prompts") == ["a_ask"]
        root = await here.client("root", era)
        assert await root.tools() == ["a_look", "a_drop"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("who", LIMITED)
async def test_what_may_not_be_used_is_refused_before_any_backend_sees_it(who: str, era: str, autojump_clock: Clock) -> None:
    async with desk({"a": backend(Answer("done"))}, AUTH) as here:
        client = await here.client(who, era)
        before = len(here.backends["a"].received)
        denied(await client.call("a_drop"), "call tool: a_drop")
        denied(await client.ask("resources/read", uri="a+file:///etc/passwd"), "read resource: a+file:///etc/passwd")
        denied(await client.ask("resources/read", uri="a+file:///etc/../etc/passwd"), "read resource: a+file:///etc/../etc/passwd")
        denied(await client.ask("prompts/get", name="a_draft"), "get prompt: a_draft")
        ref: Json = {"type": "ref/prompt", "name": "a_draft"}
        denied(await client.ask("completion/complete", ref=ref, argument={"name": "x", "value": ""}), "get prompt: a_draft")
        assert len(here.backends["a"].received) == before
        assert (await client.call("a_look"))["result"]["content"][0]["text"] == "done"
        assert "result" in await client.ask("resources/read", uri="a+file:///docs/new")
        assert "result" in await client.ask("prompts/get", name="a_ask")


@pytest.mark.parametrize("era", ERAS)
async def test_a_role_is_named_where_it_does_not_allow_something(era: str, autojump_clock: Clock) -> None:
    """RBAC-6. A token with roles is a token all the same, so its words are those of tokens; whose only rules are roles is told which."""
    auth = BearerAuth(scoped_tokens=(token("ada", roles=("reader", "asker")),), roles=(*AUTH.roles, role("asker", allow_prompts=["*"])))
    async with desk({"a": backend()}, auth) as here:
        client = await here.client("ada", era)
        denied(await client.call("a_drop"), "call tool: a_drop")
        assert await client.names("prompts/list", "prompts") == ["a_ask", "a_draft"]
        assert await client.tools() == ["a_look"]


@pytest.mark.parametrize("era", ERAS)
async def test_whether_there_is_such_a_thing_is_not_said(era: str, autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, AUTH) as here:
        client = await here.client("ada", era)
        there, not_there = await client.call("a_drop"), await client.call("a_nothing")
        assert there["error"]["message"].replace("a_drop", "x") == not_there["error"]["message"].replace("a_nothing", "x")
        assert there["error"]["data"] == not_there["error"]["data"]


# -- what is kept, shared or given at once


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("settings", [{"cache": CacheSettings(tool_ttl_seconds=60, resource_ttl_seconds=60)}, {"coalesce_requests": True}])
async def test_what_is_kept_for_others_is_not_given_to_who_may_not_ask(era: str, settings: Json, autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, AUTH, **settings) as here:
        root, ada = await here.client("root", era), await here.client("ada", era)
        for _ in range(3):
            assert "result" in await root.call("a_drop")
            denied(await ada.call("a_drop"), "call tool: a_drop")
            assert "result" in await root.ask("resources/read", uri="a+file:///etc/passwd")
            denied(await ada.ask("resources/read", uri="a+file:///etc/passwd"), "read resource: a+file:///etc/passwd")
            assert "result" in await ada.call("a_look")


# -- subscriptions


async def test_a_resource_that_may_not_be_read_cannot_be_subscribed_to(autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, AUTH) as here:
        client = await here.client("ada", "2025-11-25")
        denied(await client.ask("resources/subscribe", uri="a+file:///etc/passwd"), "read resource: a+file:///etc/passwd")
        assert await client.ask("resources/subscribe", uri="a+file:///docs/a") == {"jsonrpc": "2.0", "id": _id(client), "result": {}}


def _id(client: Client) -> int:
    return int(client.body("ping")["id"]) - 1


async def test_a_stream_without_a_session_honours_only_resources_that_may_be_read(autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, AUTH) as here:
        client = await here.client("ada", ERAS[1])
        wishes: Json = {"resourceSubscriptions": ["a+file:///etc/passwd", "a+file:///docs/a"], "toolsListChanged": True}
        body = client.body("subscriptions/listen", notifications=wishes)
        headers = client.headers | {"mcp-method": "subscriptions/listen"}
        async with (
            client.http.stream("POST", "/mcp", content=json.dumps(body).encode(), headers=headers) as stream,
            aclosing(stream.aiter_bytes()) as pieces,
        ):
            first = json.loads((await anext(pieces)).partition(b"data: ")[2])
            assert first["params"]["notifications"] == {"toolsListChanged": True, "resourceSubscriptions": ["a+file:///docs/a"]}
            a = here.backends["a"]
            for uri in ("file:///etc/passwd", "file:///docs/a"):
                a.notify("notifications/resources/updated", {"uri": Raw(json.dumps(uri).encode())})
            told = json.loads((await anext(pieces)).partition(b"data: ")[2])
            assert told["params"]["uri"] == "a+file:///docs/a"


# -- tools of the gateway's own


SEARCH = {"tool_exposure": "search"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_search_finds_what_its_caller_may_use(era: str, autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, AUTH, proxy=SEARCH) as here:
        ada, root = await here.client("ada", era), await here.client("root", era)
        assert len(await ada.tools()) == 5, "those that find others show nobody more than he may see"
        for client, found in ((ada, ["look"]), (root, ["look", "drop"])):
            answer = await client.call("proxy_search_tools", query="look drop")
            assert sorted(one["name"] for one in answer["result"]["structuredContent"]["tools"]) == sorted(f"a_{name}" for name in found)
        assert (await ada.call("proxy_get_tool", tool_id="a_drop"))["result"]["isError"]
        denied(await ada.call("proxy_call_tool", name="a_drop", arguments={}), "call tool: a_drop")
        denied(await ada.call("proxy_call_tool", name="a:drop", arguments={}), "call tool: a:drop")
        assert "result" in await ada.call("proxy_call_tool", name="a_look", arguments={})


@pytest.mark.parametrize("era", ERAS)
async def test_tools_that_find_others_can_be_denied(era: str, autojump_clock: Clock) -> None:
    auth = BearerAuth(scoped_tokens=(token("ada", allow_tools=["a_*"], deny_tools=["proxy_call_*"]), token("bob", allow_prompts=["*"])))
    async with desk({"a": backend()}, auth, proxy=SEARCH) as here:
        ada, bob = await here.client("ada", era), await here.client("bob", era)
        assert len(await ada.tools()) == 4
        denied(await ada.call("proxy_call_tool", name="a_look", arguments={}), "call tool: proxy_call_tool")
        assert await bob.tools() == []


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_composite_calls_is_called_with_the_rights_of_its_caller(era: str, autojump_clock: Clock) -> None:
    both = CompositeConfig("both", "Asks two.", ("a_look", "a_drop"))
    auth = BearerAuth(scoped_tokens=(token("ada", allow_tools=["both", "a_look"]), token("bob", allow_tools=["a_*"])))
    async with desk({"a": backend()}, auth, config={"composite_tools": (both,)}) as here:
        ada, bob = await here.client("ada", era), await here.client("bob", era)
        assert (await ada.tools(), await bob.tools()) == (["a_look", "both"], ["a_look", "a_drop"])
        denied(await bob.call("both"), "call tool: both")
        answer = await ada.call("both")
        rows = answer["result"]["_meta"]["sluicegate/composite"]
        assert [(row["tool"], row["outcome"]) for row in rows] == [("a_look", "ok"), ("a_drop", "not_permitted")]
        assert answer["result"]["isError"] is True


# -- who has no rights anywhere, and pages


async def test_the_pages_of_the_gateway_are_not_for_who_has_limits(autojump_clock: Clock) -> None:
    auth = BearerAuth(("the-token-of-root",), (token("ada", allow_tools=["*"]), token("ops", allow_tools=["*"], pages=True)))
    async with desk({"a": backend()}, auth) as here:
        status = {
            who: (await here.http(authorization=f"Bearer the-token-of-{who}").get("/mirror")).status_code for who in ("root", "ada", "ops")
        }
    assert status == {"root": 200, "ada": 403, "ops": 200}


@pytest.mark.parametrize("era", ERAS)
async def test_what_backends_say_of_themselves_is_told_to_who_may_use_them(era: str, autojump_clock: Clock) -> None:
    auth = BearerAuth(scoped_tokens=(token("ada", allow_tools=["b_*"]),))
    b = ScriptedBackend(name="b", tools=["look"], instructions="Look around.")
    async with desk({"a": backend(), "b": b}, auth) as here:
        client = await here.client("ada", era)
        answer = await client.ask(*(("server/discover",) if era == ERAS[1] else ("ping",)))
        if era == ERAS[1]:
            assert answer["result"]["instructions"] == "MCP proxy aggregating 1 backend servers.\n\n[b] Look around."

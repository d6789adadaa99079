"""Tokens and roles become others while a gateway runs: what their callers may do is that from one moment to the next, and they hear of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.desk import ERAS, Client, Desk, Json, desk, role, token

from sluicegate.config.model import BearerAuth
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock
ROOT = "the-token-of-root"
CHANGED = "notifications/tools/list_changed"


def may(*names: str) -> BearerAuth:
    """``ada`` may use these, and everybody with a role that."""
    return BearerAuth((ROOT,), (token("ada", allow_tools=list(names)), token("eve", roles=("some",))), (role("some", allow_tools=names),))


def backend() -> ScriptedBackend:
    return ScriptedBackend(name="a", tools=("look", "drop"))


async def change(here: Desk, auth: BearerAuth | None) -> tuple[str, ...]:
    return await here.gateway.reconfigure(attrs.evolve(here.gateway.config, auth=auth))


@asynccontextmanager
async def listening(client: Client) -> AsyncGenerator[Any, None]:
    """The pieces of a stream on which a client hears of changes."""
    wishes: Json = {"notifications": {"toolsListChanged": True}}
    body = json.dumps(client.body("subscriptions/listen", **wishes)).encode()
    headers = client.headers | {"mcp-method": "subscriptions/listen"}
    request: Json = {"method": "GET"} if client.session else {"method": "POST", "content": body}
    if client.session:
        headers |= {"accept": "text/event-stream"}
    async with client.http.stream(url="/mcp", headers=headers, **request) as stream, aclosing(stream.aiter_bytes()) as pieces:
        if not client.session:
            await anext(pieces)
        yield pieces


async def heard(pieces: Any) -> bool:
    """Whether a change of the tools is told of within a second."""
    with trio.move_on_after(1):
        while CHANGED.encode() not in await anext(pieces):
            pass
        return True
    return False


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("who", ["ada", "eve"])
async def test_what_somebody_may_use_is_another_at_once_and_he_hears_of_it(who: str, era: str, autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, may("a_look")) as here:
        client, root = await here.client(who, era), await here.client("root", era)
        assert await client.tools() == ["a_look"]
        async with listening(client) as pieces, listening(root) as roots:
            assert await change(here, may("a_drop")) == ()
            assert await heard(pieces)
            assert not await heard(roots), "nothing is new to who may use all"
        assert await client.tools() == ["a_drop"]
        assert (await client.call("a_look"))["error"]["code"] == -32602
        assert "result" in await client.call("a_drop")


@pytest.mark.parametrize("era", ERAS)
async def test_where_the_rules_are_the_same_for_somebody_nothing_is_told(era: str, autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, may("a_look")) as here:
        client = await here.client("ada", era)
        assert await client.tools() == ["a_look"]
        async with listening(client) as pieces:
            await change(here, attrs.evolve(may("a_look"), roles=(role("some", allow_tools=["a_drop"]),)))
            assert not await heard(pieces)


@pytest.mark.parametrize("era", ERAS)
async def test_tokens_keep_their_rules_when_others_come_before_them(era: str, autojump_clock: Clock) -> None:
    """What is one token's alone does not go by its place in the file."""
    async with desk({"a": backend()}, may("a_look")) as here:
        ada = await here.client("ada", era)
        other = attrs.evolve(may("a_look"), scoped_tokens=(token("bob", allow_tools=["a_drop"]), token("ada", allow_tools=["a_look"])))
        await change(here, other)
        assert await ada.tools() == ["a_look"]
        assert await (await here.client("bob", era)).tools() == ["a_drop"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_that_is_not_in_the_file_any_more_opens_nothing(era: str, autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, may("a_look")) as here:
        ada = await here.client("ada", era)
        await change(here, BearerAuth((ROOT,)))
        answer = await ada.post(ada.body("tools/list"))
        assert answer.status_code == 401
        assert await (await here.client("root", era)).tools() == ["a_look", "a_drop"]


async def test_whose_role_is_gone_may_do_nothing_and_not_all(autojump_clock: Clock) -> None:
    """Its own requests are refused; what began with it goes by the role that it had."""
    async with desk({"a": backend()}, may("a_look")) as here:
        await here.client("ada", ERAS[0])
        (known,) = [session.caller for session in here.gateway._app.sessions._sessions.values()]
        assert set(here.gateway._endpoint.directory.seen_by(known).names(TOOLS)) == {"a_look"}
        await change(here, BearerAuth((ROOT,)))
        assert list(here.gateway._endpoint.directory.seen_by(known).names(TOOLS)) == []


async def test_that_nobody_has_to_show_who_he_is_needs_a_restart(autojump_clock: Clock) -> None:
    async with desk({"a": backend()}, may("a_look")) as here:
        assert await change(here, None) == ("auth",)
        assert here.gateway.config.auth == may("a_look")

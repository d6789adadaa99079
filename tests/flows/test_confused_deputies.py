"""Nobody gets at what is somebody else's with a token of his own, and nobody keeps what his token has lost (RBAC-4, P-61)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.asgi import AsgiTransport
from tests.kit.desk import ERAS, Client, Json, desk, token
from tests.kit.issuer import AUDIENCE, ISSUER, Issuer
from tests.kit.tasking import TaskServer

from sluicegate import Gateway, open_gateway
from sluicegate.config.model import BackendConfig, BearerAuth, Config, JwtAuth, ProxyConfig
from sluicegate.protocol.messages import Raw
from sluicegate.settings.entitlements import RoleConfig, RoleMappingSettings
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import open_outside

Clock = trio.testing.MockClock
LEGACY, MODERN = ERAS
AUTH = BearerAuth(scoped_tokens=(token("ada", allow_tools=["*"]), token("bob", allow_tools=["*"]), token("eve", allow_prompts=["*"])))


async def test_a_token_is_of_no_use_on_somebody_elses_session_or_stream(autojump_clock: Clock) -> None:
    """Requests, batches, streams, what is kept of streams, and the end of the session."""
    async with desk({"b": ScriptedBackend(name="b")}, AUTH) as here:
        ada, bob = await here.client("ada", LEGACY), await here.client("bob", LEGACY)
        thief = attrs.evolve(bob, session=ada.session)
        call = thief.body("tools/call", name="b_echo", arguments={})
        for body in (call, [call], {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}):
            assert (await thief.post(body)).status_code == 404
        for headers in ({}, {"last-event-id": "0-0"}, {"last-event-id": "1-0"}):
            answer = await thief.http.get("/mcp", headers=thief.headers | {"accept": "text/event-stream"} | headers)
            assert answer.status_code == 404
        assert (await thief.http.request("DELETE", "/mcp", headers=thief.headers)).status_code == 404
        assert "result" in await ada.call("b_echo"), "and nothing has become of it"


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_is_of_no_use_on_somebody_elses_task(era: str, autojump_clock: Clock) -> None:
    server = TaskServer(version=era)
    can: Json = {"extensions": {"io.modelcontextprotocol/tasks": {}}} if era == MODERN else {"tasks": {}}
    async with desk({"b": server}, AUTH, revision=era) as here:
        ada, bob, eve = [await here.client(name, era, can) for name in ("ada", "bob", "eve")]
        wish: Json = {} if era == MODERN else {"task": {"ttl": 60_000}}
        begun = (await ada.ask("tools/call", name="b_work", arguments={}, **wish))["result"]
        task = begun["taskId"] if era == MODERN else begun["task"]["taskId"]
        assert "result" in await ada.ask("tasks/get", taskId=task)
        before = len(server.heard)
        for method in ("tasks/get", "tasks/cancel", *(("tasks/result",) if era == LEGACY else ())):
            for thief in (bob, eve):
                error = (await thief.ask(method, taskId=task))["error"]
                assert (error["code"], error["data"]["reason"]) == (-32602, "unknown_task")
        assert len(server.heard) == before, "no backend was asked"
        denied = (await eve.ask("tools/call", name="b_work", arguments={}, **wish))["error"]
        assert denied["data"]["reason"] == "not_permitted"


# -- roles that come and go with tokens

READER = RoleConfig(name="reader", allow_tools=("b_echo",), allow_resources=("file:///a",))
JWT = JwtAuth(
    issuer=ISSUER,
    audience=AUDIENCE,
    jwks_uri=f"{ISSUER}/jwks",
    roles=(READER,),
    role_mapping=RoleMappingSettings(claim="realm.roles", mapping={"r": "reader"}),
)


@attrs.define(eq=False)
class Company:
    """A gateway that believes an issuer."""

    gateway: Gateway
    backend: ScriptedBackend
    issuer: Issuer
    nursery: trio.Nursery

    def token(self, *roles: str, subject: str = "ann") -> str:
        return self.issuer.token(sub=subject, realm={"roles": list(roles)})

    async def client(self, era: str, *roles: str) -> Client:
        http = httpx2.AsyncClient(transport=AsgiTransport(self.gateway.asgi_app, self.nursery), base_url="http://127.0.0.1", timeout=None)
        return await Client(http, self.token(*roles), era).open()


@asynccontextmanager
async def company() -> AsyncGenerator[Company, None]:
    sources = Sources.virtual(1)
    backend = ScriptedBackend(name="b", tools=["echo", "drop"], resources=["file:///a"])
    backend.subscribe = True
    config = Config(ProxyConfig("x"), (BackendConfig("b", "inprocess"),), auth=JWT)
    async with open_outside() as world:
        issuer = Issuer(sources.wall)
        world.web.sites["id.example"] = issuer.site
        async with (
            open_gateway(config, servers={"b": backend.connector}, outside=world.outside, sources=sources) as gateway,
            trio.open_nursery() as nursery,
        ):
            await gateway.ready()
            await trio.sleep(2)
            yield Company(gateway, backend, issuer, nursery)
            nursery.cancel_scope.cancel()


METHODS: list[tuple[str, Json]] = [
    ("tools/list", {}),
    ("tools/call", {"name": "b_echo", "arguments": {}}),
    ("resources/list", {}),
    ("resources/read", {"uri": "b+file:///a"}),
    ("prompts/list", {}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "x", "value": ""}}),
]


@pytest.mark.parametrize("era", ERAS)
async def test_who_has_no_role_is_refused_whatever_he_asks(era: str, autojump_clock: Clock) -> None:
    async with company() as here:
        client = await here.client(era, "r")
        assert "result" in await client.call("b_echo")
        client.token = here.token("another")
        own: list[tuple[str, Json]] = (
            [("server/discover", {}), ("subscriptions/listen", {"notifications": {}})] if era == MODERN else [("ping", {})]
        )
        for method, params in [*METHODS, *own]:
            error = (await client.ask(method, **params))["error"]
            assert (error["code"], error["data"]["reason"]) == (-32602, "no_role"), method
            assert error["message"].endswith("access denied (rbac default_deny)")
        if era == LEGACY:
            stranger = await here.client(era)
            opened: Any = await stranger.post(
                {
                    "jsonrpc": "2.0",
                    "id": 0,
                    "method": "initialize",
                    "params": {"protocolVersion": era, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
                }
            )
            assert opened.json()["error"]["code"] == -32602
            assert "mcp-session-id" not in opened.headers


@pytest.mark.parametrize("era", ERAS)
async def test_roles_follow_the_token_of_each_request(era: str, autojump_clock: Clock) -> None:
    async with company() as here:
        client = await here.client(era, "r")
        for roles, allowed in ((("r",), True), ((), False), (("r",), True)):
            client.token = here.token(*roles)
            assert ("result" in await client.call("b_echo")) is allowed
        assert (await client.call("b_drop"))["error"]["message"] == "Role 'reader' is not authorized to call tool: b_drop"


async def test_a_session_whose_token_has_lost_its_roles_hears_no_more_of_what_they_allowed(autojump_clock: Clock) -> None:
    """The session goes on, as its subject is the same; its lists are others now, and its subscriptions have ended."""
    async with company() as here:
        client = await here.client(LEGACY, "r")
        assert "result" in await client.ask("resources/subscribe", uri="b+file:///a")
        headers = client.headers | {"accept": "text/event-stream"}
        async with client.http.stream("GET", "/mcp", headers=headers) as stream, aclosing(stream.aiter_bytes()) as pieces:
            here.backend.notify("notifications/resources/updated", {"uri": Raw(b'"file:///a"')})
            told = await anext(pieces)
            while b"resources/updated" not in told:
                told = await anext(pieces)
            client.token = here.token()
            assert (await client.ask("tools/list"))["error"]["data"]["reason"] == "no_role"
            here.backend.notify("notifications/resources/updated", {"uri": Raw(b'"file:///a"')})
            heard = b""
            with trio.move_on_after(5):
                while True:
                    heard += await anext(pieces)
        assert b"tools/list_changed" in heard
        assert b"resources/updated" not in heard


async def test_a_token_that_rotates_every_second_keeps_its_session(autojump_clock: Clock) -> None:
    async with company() as here:
        client = await here.client(LEGACY, "r")
        for second in range(30):
            client.token = here.token("r")
            assert "result" in await client.call("b_echo"), second
            await trio.sleep(1)
        client.token = here.token("r", subject="bob")
        assert (await client.post(client.body("ping"))).status_code == 404
        assert json.loads((await client.post(client.body("ping"))).content)["error"]["code"]

"""A real identity provider (oidc-provider of npm): clients find it through the gateway, log in by themselves, and come back with its tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import attrs
import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types import TextContent
from pydantic import AnyUrl
from tests.kit.identity_provider import Provider, browse, gate, providing

pytestmark = [
    pytest.mark.slow,
    # the SDK's client leaves streams half-read; our own does not, and tests without the SDK's client would say so
    pytest.mark.filterwarnings("ignore:Async generator '(httpx2|httpcore2|mcp)[.]:ResourceWarning"),
]
CALLBACK = "http://127.0.0.1:9/callback"
SCOPES = 'required_scopes = ["mcp:tools"]\ntool_scopes = [{ tools = ["one_fail"], scopes = ["mcp:write"] }]\n'
KINDS = pytest.mark.parametrize(
    ("format", "validation"), [("jwt", "jwt"), ("opaque", "introspection"), ("opaque", "both"), ("jwt", "both")]
)


@attrs.define
class Memory:
    """What the SDK's client keeps."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    seen: list[str] = attrs.field(factory=list)
    """Each access token that it got."""

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.seen.append(tokens.access_token)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@attrs.define
class User:
    """Logs the SDK's client in, in a browser."""

    url: str
    memory: Memory = attrs.field(factory=Memory)
    scopes: list[str] = attrs.field(factory=list)
    """What was asked for at each login."""
    address: str = ""

    def oauth(self) -> OAuthClientProvider:
        metadata = OAuthClientMetadata(
            client_name="test", redirect_uris=[AnyUrl(CALLBACK)], grant_types=["authorization_code", "refresh_token"]
        )
        return OAuthClientProvider(self.url, metadata, self.memory, self.redirect, self.come_back)

    async def redirect(self, address: str) -> None:
        (scope,) = parse_qs(urlsplit(address).query)["scope"]
        self.scopes.append(scope)
        self.address = await browse(address, CALLBACK)

    async def come_back(self) -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(self.address).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])


@asynccontextmanager
async def logged_in(user: User) -> AsyncGenerator[tuple[Client, OAuthClientProvider], None]:
    oauth = user.oauth()
    async with httpx2.AsyncClient(auth=oauth, timeout=60) as http, Client(streamable_http_client(user.url, http_client=http)) as client:
        yield client, oauth


async def echo(client: Client, text: str) -> str:
    (content,) = (await client.call_tool("one_echo", {"text": text})).content
    assert isinstance(content, TextContent)
    return content.text


@KINDS
async def test_the_sdks_client_logs_in_with_a_code_and_goes_on_with_refreshed_tokens(tmp_path: Path, format: str, validation: str) -> None:
    """Registration, PKCE, the resource's indicator, refresh: all of it found through the gateway's challenge."""
    with trio.fail_after(120):
        async with providing(tmp_path, format) as provider, gate(tmp_path, provider, f'token_validation = "{validation}"\n{SCOPES}') as url:
            user = User(url)
            async with logged_in(user) as (client, oauth):
                assert "hello" in await echo(client, "hello")
                assert [set(scope.split()) for scope in user.scopes] == [{"mcp:tools", "offline_access"}]
                for number in range(3):
                    oauth.context.token_expiry_time = time.time() - 1
                    assert f"again {number}" in await echo(client, f"again {number}")
                assert len(set(user.memory.seen)) == 4
                assert len(user.scopes) == 1


async def test_a_tool_that_needs_more_has_the_client_ask_for_it(tmp_path: Path) -> None:
    """P-141: the SDK's client steps up by what the 403 says, and the call comes through.

    The server knows the client: one that registers by itself does so for the scopes that it has heard of, and may have no others later.
    """
    with trio.fail_after(120):
        async with providing(tmp_path, "jwt") as provider, gate(tmp_path, provider, SCOPES) as url:
            user = User(url, Memory(client=OAuthClientInformationFull(client_id="desktop", redirect_uris=[AnyUrl(CALLBACK)])))
            async with logged_in(user) as (client, _oauth):
                await echo(client, "hello")
                assert (await client.call_tool("one_fail", {})).is_error
                assert [set(scope.split()) for scope in user.scopes] == [
                    {"mcp:tools", "offline_access"},
                    {"mcp:tools", "mcp:write", "offline_access"},
                ]


async def status(url: str, token: str) -> httpx2.Response:
    """What a ping of a program with this token gets; it needs no session."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/list",
        "authorization": f"Bearer {token}",
    }
    async with httpx2.AsyncClient(timeout=60) as http:
        return await http.post(url, json=message, headers=headers)


@KINDS
async def test_a_program_comes_in_with_its_own_credentials(tmp_path: Path, format: str, validation: str) -> None:
    """And with nobody else's: not with a token for another resource, nor for other scopes."""
    with trio.fail_after(120):
        async with providing(tmp_path, format) as provider, gate(tmp_path, provider, f'token_validation = "{validation}"\n{SCOPES}') as url:
            assert (await status(url, await provider.token(url))).status_code == 200
            assert (await status(url, await provider.token("https://other.example/mcp"))).status_code == 401
            assert (await status(url, await provider.token(url, "mcp:write"))).status_code == 403
            assert (await status(url, "x")).status_code == 401


async def test_a_token_that_was_withdrawn_is_refused_once_it_is_asked_about_again(tmp_path: Path) -> None:
    auth = 'token_validation = "introspection"\nintrospection_cache_seconds = 0\n'
    with trio.fail_after(120):
        async with providing(tmp_path, "opaque") as provider, gate(tmp_path, provider, auth) as url:
            token = await provider.token(url)
            assert (await status(url, token)).status_code == 200
            await provider.withdraw(token)
            assert (await status(url, token)).status_code == 401


@attrs.define
class Counted:
    """What calls got, one after the other."""

    statuses: list[int] = attrs.field(factory=list)
    _came: trio.Event = attrs.field(factory=trio.Event)

    async def load(self, url: str, token: str) -> None:
        """Calls until it is cancelled."""
        while True:
            self.statuses.append((await status(url, token)).status_code)
            self._came.set()

    async def more(self, number: int) -> None:
        """Wait for so many."""
        wanted = len(self.statuses) + number
        while len(self.statuses) < wanted:
            self._came = trio.Event()
            await self._came.wait()


@pytest.mark.parametrize(("format", "validation"), [("jwt", "jwt"), ("opaque", "introspection")])
async def test_killed_under_load_it_costs_no_call_of_who_is_known(tmp_path: Path, format: str, validation: str) -> None:
    """And who is not known yet is told when to come back, by 503 and never by 401; afterwards all is as it was."""
    with trio.fail_after(120):
        async with providing(tmp_path, format) as provider, gate(tmp_path, provider, f'token_validation = "{validation}"') as url:
            token, unknown = await provider.token(url), await provider.token(url)
            assert (await status(url, token)).status_code == 200
            found = Counted()
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(found.load, url, token)
                await found.more(50)
                await provider.kill()
                await found.more(200)
                late = await status(url, unknown)
                nursery.cancel_scope.cancel()
            assert set(found.statuses) == {200}
            assert late.status_code == (200 if validation == "jwt" else 503)
            assert validation == "jwt" or int(late.headers["retry-after"]) >= 1
            await provider.start()
            await trio.sleep(1.1)
            assert await comes_in(url, provider)


async def comes_in(url: str, provider: Provider) -> bool:
    """Whether a program with a new token gets an answer, after a while at the latest."""
    with trio.move_on_after(30):
        while True:
            if (await status(url, await provider.token(url))).status_code == 200:
                return True
            await trio.sleep(0.1)
    return False

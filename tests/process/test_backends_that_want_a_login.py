"""A gateway before another one that takes the tokens of a real identity provider (oidc-provider of npm) alone: it gets its own, and keeps them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio
from tests.kit.identity_provider import SECRET, browse, gate, providing

from sluicegate import Gateway
from sluicegate.config.load import load
from sluicegate.gateway.logging_in import keep_login, log_in
from sluicegate.gateway.opening import open_gateway
from sluicegate.identity.outward.stored_login import Login
from sluicegate.outside import Outside
from sluicegate.outside.loopback import Loopback, answer_in

pytestmark = pytest.mark.slow
SCOPES = 'token_validation = "jwt"\nrequired_scopes = ["mcp:tools"]\n'


def near(folder: Path, url: str, auth: str) -> Path:
    """The file of a gateway whose one backend is at that address."""
    folder.mkdir(exist_ok=True)
    file = folder / "near.toml"
    backend = f'[[backends]]\nname = "far"\ntransport = "http"\nurl = "{url}"\nauth = {{ {auth} }}\n'
    file.write_text(f'[proxy]\nname = "near"\nshutdown_timeout_seconds = 1\n{backend}')
    return file


@asynccontextmanager
async def opened(file: Path) -> AsyncGenerator[Gateway, None]:
    async with open_gateway(load(file).config) as gateway:
        await gateway.settled()
        yield gateway


async def echoes(gateway: Gateway, text: str) -> bool:
    return text in (await gateway.call_tool("far_one_echo", {"text": text})).text


async def allow(address: str, loopback: Loopback) -> None:
    """Everybody consents there; what the browser would be sent to is handed over as if it were pasted."""
    answer = answer_in(await browse(address, loopback.url))
    assert answer is not None
    loopback.take(answer)


async def test_a_secret_gets_a_token_of_a_real_provider(tmp_path: Path) -> None:
    with trio.fail_after(120):
        async with providing(tmp_path, "jwt") as provider, gate(tmp_path, provider, SCOPES) as url:
            auth = f'type = "client_credentials", client_id = "robot", client_secret = "{SECRET}", scopes = ["mcp:tools"]'
            async with opened(near(tmp_path / "near", url, f'{auth}, issuer = "{provider.issuer}"')) as gateway:
                assert gateway.backends["far"].error == ""
                assert await echoes(gateway, "hello")


async def test_one_secret_that_is_wrong_is_told_of_by_its_error(tmp_path: Path) -> None:
    with trio.fail_after(120):
        async with providing(tmp_path, "jwt") as provider, gate(tmp_path, provider, SCOPES) as url:
            auth = f'type = "client_credentials", client_id = "robot", client_secret = "wrong", issuer = "{provider.issuer}"'
            async with opened(near(tmp_path / "near", url, auth)) as gateway:
                assert "HTTP 401, invalid_client" in gateway.backends["far"].error


async def test_a_person_logs_it_in_and_refresh_tokens_go_from_hand_to_hand(tmp_path: Path) -> None:
    """The provider gives a new refresh token each time, and ends the grant where an old one is used again."""
    with trio.fail_after(120):
        async with providing(tmp_path, "jwt") as provider, gate(tmp_path, provider, SCOPES) as url:
            file = near(tmp_path / "near", url, 'type = "authorization_code", scopes = ["offline_access"]')
            async with opened(file) as gateway:
                assert "needs login: nobody has logged in; run 'sluicegate login far -c" in gateway.backends["far"].error
            config = load(file).config
            (backend,) = config.backends
            assert backend.auth is not None
            login = await log_in(url, backend.auth, Outside(), allow)
            assert login.refresh_token
            await keep_login(config, backend, login, Outside())
            assert config.logins is not None
            kept, seen = config.logins / "far.json", {login.refresh_token}
            for number in range(3):
                async with opened(file) as gateway:
                    assert gateway.backends["far"].error == ""
                    assert await echoes(gateway, f"hello {number}")
                now = msgspec.json.decode(kept.read_bytes(), type=Login)
                seen.add(now.refresh_token)
                kept.write_bytes(msgspec.json.encode(msgspec.structs.replace(now, expires_at=0.0)))
            assert len(seen) == 3
            assert json.loads(kept.read_text())["url"] == url

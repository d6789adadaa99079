"""A request whose token was refused: whatever becomes of the next token, the first answer holds no connection (P-140)."""

from __future__ import annotations

import time
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from tests.kit.site import open_site

from sluicegate.backends.http.authorized_wire import wire_with
from sluicegate.http1.client.origin import parse_address
from sluicegate.http1.client.pool import HttpClient, open_client
from sluicegate.http1.client.response import ClientResponse
from sluicegate.protocol.credential import Challenge
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.protocol.why import Why
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint

Clock = trio.testing.MockClock
ADDRESS = parse_address("http://backend.test/mcp")


@attrs.define
class Renewing:
    """A credential whose next one is what a test wants, after a second."""

    give: bytes | Why | Exception
    is_of_callers: bool = False
    hint: str = ""

    def at_hand(self, principal: Principal) -> bytes | None:
        del principal
        return b"authorization: Bearer old\r\n"

    async def have(self, principal: Principal) -> bytes | Why:
        raise NotImplementedError

    async def renewed(self, principal: Principal, shown: bytes, challenge: Challenge) -> bytes | Why:
        del principal, shown, challenge
        await trio.sleep(1)
        if isinstance(self.give, Exception):
            raise self.give
        return self.give

    async def run(self) -> None:
        raise NotImplementedError


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Takes the new token alone, and begins a page for any other that it does not end."""
    del receive
    is_new = dict(scope["headers"])[b"authorization"] == b"Bearer new"
    await send({"type": "http.response.start", "status": 200 if is_new else 401, "headers": []})
    await send({"type": "http.response.body", "body": b"page", "more_body": not is_new})
    if not is_new:
        await trio.sleep(3600)


async def status(client: HttpClient, give: bytes | Why | Exception) -> int:
    wire = wire_with(Renewing(give), "b", ADDRESS, b"", client, 10_000, time.time, NOBODY)
    answer = await wire.open(b"POST", b"", b"{}")
    assert isinstance(answer, ClientResponse)
    answer.close()
    return answer.status


@pytest.mark.parametrize(("give", "found"), [(b"authorization: Bearer new\r\n", 200), (Why("none"), 401)])
async def test_whoever_is_cut_while_a_token_is_renewed_leaves_no_connection(autojump_clock: Clock, give: bytes | Why, found: int) -> None:
    async with open_site(refusing) as site, open_client(ADDRESS.origin, open_stream=site.open_stream) as client:

        async def check(trial: Trial[int]) -> None:
            assert client.busy == 0
            assert trial.cut or trial.results == (found,)

        await cancel_at_every_checkpoint(lambda: status(client, give), check)


async def test_a_bug_while_a_token_is_renewed_leaves_no_connection(autojump_clock: Clock) -> None:
    async with open_site(refusing) as site, open_client(ADDRESS.origin, open_stream=site.open_stream) as client:
        with pytest.raises(RuntimeError, match="a bug"):
            await status(client, RuntimeError("a bug"))
        assert client.busy == 0

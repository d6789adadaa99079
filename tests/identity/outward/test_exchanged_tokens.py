"""A caller's token is exchanged for one that is for the backend alone (RFC 8693, LIM-1)."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.token_issuer import TokenIssuer

from sluicegate.identity.fetching import Fetcher
from sluicegate.identity.outward import exchanged_tokens
from sluicegate.identity.outward.exchanged_tokens import FAILED_SECONDS, MOST_OF_ONE, ExchangedTokens
from sluicegate.identity.outward.grants import ClientGrant, SecretProof
from sluicegate.identity.outward.server_search import ServerSearch
from sluicegate.identity.outward.token_keeper import TokenKeeper
from sluicegate.protocol.credential import Challenge
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.protocol.why import Why
from sluicegate.testing.memory_web import MemoryWeb

Clock = trio.testing.MockClock
URL = "https://backend.test/mcp"
ANNA = Principal("anna", "https://id.test", token=b"annas")
BERT = Principal("bert", "https://id.test", token=b"berts")
NONE = Challenge()


@asynccontextmanager
async def exchanging(server: TokenIssuer, site: Any = None) -> AsyncGenerator[ExchangedTokens, None]:
    fetcher = Fetcher(MemoryWeb({"id.test": site or server}).open_http)
    search = ServerSearch(URL, fetcher, issuer="https://id.test")
    proof = SecretProof("gate", "s3cret")
    own = TokenKeeper("b", ClientGrant(search, fetcher, proof), fetcher, random.Random(1))
    tokens = ExchangedTokens("b", own, search, fetcher, proof, ("read",))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tokens.run)
        yield tokens
        nursery.cancel_scope.cancel()


async def test_each_caller_gets_his_own_and_what_is_nobodys_the_gateways(autojump_clock: Clock) -> None:
    server = TokenIssuer()
    async with exchanging(server) as tokens:
        had = [await tokens.have(who) for who in (NOBODY, ANNA, BERT)]
        assert len(set(had)) == 3
        assert [form["grant_type"].rpartition(":")[2] for form in server.asked] == [
            "client_credentials",
            "token-exchange",
            "token-exchange",
        ]
        exchange = server.asked[1]
        assert (exchange["subject_token"], exchange["resource"], exchange["scope"]) == ("annas", URL, "read")
        assert exchange["subject_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert exchange["authorization"].startswith("Basic ")
        assert [tokens.at_hand(who) for who in (NOBODY, ANNA, BERT)] == had
        assert not any(b"annas" in lines or b"berts" in lines for lines in had if isinstance(lines, bytes))


async def test_many_calls_of_one_are_one_exchange_and_one_who_is_slow_holds_up_no_other(autojump_clock: Clock) -> None:
    server = TokenIssuer(pause=1)
    async with exchanging(server) as tokens, trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(tokens.have, ANNA)
        nursery.start_soon(tokens.have, BERT)
        await trio.sleep(3)
        assert len(server.asked) == 3
        assert server.most_under_way >= 2


async def test_it_is_exchanged_anew_before_it_ends_and_with_other_rights(autojump_clock: Clock) -> None:
    server = TokenIssuer(seconds=100)
    async with exchanging(server) as tokens:
        first = await tokens.have(ANNA)
        await trio.sleep(79)
        assert tokens.at_hand(ANNA) == first
        await trio.sleep(2)
        assert tokens.at_hand(ANNA) is None
        second = await tokens.have(attrs.evolve(ANNA, token=b"newer"))
        assert second != first
        assert server.asked[-1]["subject_token"] == "newer"
        assert await tokens.have(attrs.evolve(ANNA, scopes=frozenset({"x"}))) != second


@pytest.mark.parametrize("later", [0.01, 0.5, 5.0])
async def test_what_was_had_for_one_token_of_a_caller_is_not_shown_for_another(autojump_clock: Clock, later: float) -> None:
    """Not even where it is under way when the other comes, and whatever else is the same of both."""
    server = TokenIssuer(pause=1)
    wide = attrs.evolve(ANNA, scopes=frozenset({"read", "write"}), token=b"wide")
    others = [attrs.evolve(wide, token=b"same scopes"), attrs.evolve(wide, scopes=frozenset({"read"}), token=b"narrow")]
    others.append(attrs.evolve(wide, roles=frozenset({"limited"})))
    had: dict[Principal, bytes | Why] = {}
    async with exchanging(server) as tokens, trio.open_nursery() as nursery:

        async def one(who: Principal) -> None:
            had[who] = await tokens.have(who)

        nursery.start_soon(one, wide)
        await trio.sleep(later)
        assert [tokens.at_hand(who) for who in others] == [None] * 3
        for who in others:
            assert await tokens.have(who) != had.get(wide)
        assert len({await tokens.have(who) for who in (wide, *others)}) == 4
        assert sorted(form.get("subject_token", "") for form in server.asked) == ["", "narrow", "same scopes", "wide", "wide"]


async def test_tokens_of_one_caller_take_no_others_place(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-147."""
    monkeypatch.setattr(exchanged_tokens, "MOST_ASKED", 9)
    async with exchanging(TokenIssuer(pause=1)) as tokens:
        kept = await tokens.have(BERT)
        found: list[bytes | Why] = []

        async def one(number: int) -> None:
            found.append(await tokens.have(attrs.evolve(ANNA, token=b"t%d" % number)))

        for begin in range(0, 40, 20):
            async with trio.open_nursery() as nursery:
                for number in range(begin, begin + 20):
                    nursery.start_soon(one, number)
                await trio.sleep(0.5)
                nursery.start_soon(tokens.have, Principal(f"p{begin}", token=b"p"))
        assert sum(isinstance(one, bytes) for one in found) == 2 * MOST_OF_ONE
        assert len(tokens._had[ANNA.key]) == MOST_OF_ONE
        assert tokens.at_hand(BERT) == kept
        assert isinstance(tokens.at_hand(Principal("p0", token=b"p")), bytes)
        assert tokens._asking == {}


async def test_a_failure_is_that_callers_alone_and_is_told_to_all_of_his_calls_for_a_moment(autojump_clock: Clock) -> None:
    server = TokenIssuer()
    async with exchanging(server) as tokens:
        await tokens.have(BERT)
        server.refusal = (400, {"error": "invalid_request"})
        why = await tokens.have(ANNA)
        assert isinstance(why, Why)
        assert "invalid_request" in why.operator
        assert "annas" not in str(why)
        asked = len(server.asked)
        assert await tokens.have(ANNA) == why
        assert len(server.asked) == asked
        assert isinstance(tokens.at_hand(BERT), bytes)
        server.refusal = None
        await trio.sleep(FAILED_SECONDS)
        assert isinstance(await tokens.have(ANNA), bytes)


async def test_a_server_that_gives_the_callers_own_token_back_is_not_believed(autojump_clock: Clock) -> None:
    """P-143."""
    server = TokenIssuer()

    async def echo(request: httpx2.Request) -> httpx2.Response:
        if request.url.path != "/token" or b"subject_token" not in await request.aread():
            return await server(request)
        return httpx2.Response(200, json={"access_token": "annas", "token_type": "Bearer"})

    async with exchanging(server, echo) as tokens:
        why = await tokens.have(ANNA)
        assert isinstance(why, Why)
        assert "which no backend gets" in why.operator


async def test_who_has_shown_no_token_gets_none(autojump_clock: Clock) -> None:
    async with exchanging(TokenIssuer()) as tokens:
        assert isinstance(await tokens.have(Principal("carl")), Why)


async def test_a_refusal_has_it_exchanged_once_more(autojump_clock: Clock) -> None:
    async with exchanging(TokenIssuer()) as tokens:
        first = await tokens.have(ANNA)
        assert isinstance(first, bytes)
        assert isinstance(await tokens.renewed(ANNA, first, NONE), Why)
        await trio.sleep(10)
        second = await tokens.renewed(ANNA, first, NONE)
        assert isinstance(second, bytes)
        assert second != first


async def test_what_is_kept_and_begun_has_a_bound(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-147."""
    monkeypatch.setattr(exchanged_tokens, "MOST_KEPT", 8)
    monkeypatch.setattr(exchanged_tokens, "MOST_ASKED", 4)
    server = TokenIssuer(pause=1)
    async with exchanging(server) as tokens:
        await tokens.have(NOBODY)
        found: list[bytes | Why] = []

        async def one(number: int) -> None:
            found.append(await tokens.have(Principal(f"p{number}", token=b"t%d" % number)))

        for begin in range(0, 40, 10):
            async with trio.open_nursery() as nursery:
                for number in range(begin, begin + 10):
                    nursery.start_soon(one, number)
        assert sum(isinstance(one, bytes) for one in found) == 16
        assert len(tokens._had) <= 8
        assert tokens._asking == {}


@pytest.mark.parametrize("when", [0.0, 0.5, 1.5])
async def test_nobody_waits_for_what_will_not_come(autojump_clock: Clock, when: float) -> None:
    found: list[bytes | Why] = []

    async def one(tokens: ExchangedTokens) -> None:
        found.append(await tokens.have(ANNA))

    async with trio.open_nursery() as outer:
        async with exchanging(TokenIssuer(pause=1)) as tokens:
            outer.start_soon(one, tokens)
            await trio.sleep(when)
        with trio.fail_after(0.001):
            assert isinstance(await tokens.have(BERT), Why)
    assert len(found) == 1

"""Asking whose a token is: what is believed of the answer, and what happens where there is none."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import attrs
import httpx2
import pytest
import trio

from sluicegate.identity import kept_verdicts
from sluicegate.identity.active_claims import ActiveClaims
from sluicegate.identity.fetching import Fetcher
from sluicegate.identity.introspection import (
    AT_ONCE,
    FAILURES,
    FOR_KNOWN,
    LARGEST,
    MOST_ASKED,
    SECONDS,
    Introspection,
    IntrospectionClient,
)
from sluicegate.identity.issuer_discovery import ServerMetadata
from sluicegate.identity.kept_verdicts import KeptVerdicts
from sluicegate.identity.verifying import Denied
from sluicegate.protocol.principal import Principal

ISSUER, OURS = "https://id.example", "https://gate.example/mcp"
AWAY = "the identity provider cannot be reached; try again later"
GOOD = {"active": True, "sub": "ann", "aud": OURS, "scope": "a b"}


def wall() -> float:
    return 1_000_000.0 + trio.current_time()


@attrs.define
class Provider:
    """Answers questions about tokens, each by what the test says."""

    answer: dict[str, object] = attrs.field(factory=lambda: dict(GOOD))
    body: bytes | None = None
    """Instead of the answer."""
    status: int = 200
    seconds: float = 0.0
    asked: list[httpx2.Request] = attrs.field(factory=list)
    now: int = 0
    most: int = 0

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await trio.sleep(self.seconds)
        finally:
            self.now -= 1
        if self.status == 0:
            raise httpx2.ConnectError("connection refused", request=request)
        body = json.dumps(self.answer).encode() if self.body is None else self.body
        return httpx2.Response(self.status, stream=httpx2.ByteStream(body))


METADATA = ServerMetadata(ISSUER, None, "https://id.example/introspect")


@asynccontextmanager
async def asking(provider: Provider, *, seconds: float = 30.0, known: bool = True) -> AsyncGenerator[Introspection, None]:
    introspection = Introspection(
        lambda: METADATA if known else None,
        Fetcher(lambda: httpx2.MockTransport(provider), SECONDS, LARGEST),
        IntrospectionClient("gate way", "s:crét"),
        ActiveClaims(ISSUER, OURS, 60.0, wall),
        KeptVerdicts(seconds, wall),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(introspection.run)
        await trio.sleep(0.01)
        yield introspection
        nursery.cancel_scope.cancel()


async def test_an_active_token_is_its_subjects_with_what_he_was_granted(autojump_clock: object) -> None:
    provider = Provider()
    async with asking(provider) as introspection:
        found = await introspection.verify(b"opaque")
    assert isinstance(found, Principal)
    assert (found.key, found.scopes, found.how) == (f"{ISSUER} ann", frozenset({"a", "b"}), "introspection")
    assert found.claims["aud"] == OURS
    (request,) = provider.asked
    assert parse_qs(request.content.decode()) == {"token": ["opaque"], "token_type_hint": ["access_token"]}
    scheme, _, pair = request.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"gate%20way:s%3Acr%C3%A9t")


def test_an_issuer_that_takes_credentials_in_the_form_alone_gets_them_there() -> None:
    assert IntrospectionClient("a", "b").credentials(frozenset({"client_secret_post"})) == ({}, {"client_id": "a", "client_secret": "b"})
    assert "b" not in repr(IntrospectionClient("a", "bbbbb"))


NOW = 1_000_000.0
JUDGE = ActiveClaims(ISSUER, OURS, 60.0, lambda: NOW)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": ISSUER}, ""),
        ({"iss": "https://id.example/"}, "invalid token: another issuer gave it"),
        ({"iss": None}, "invalid token: another issuer gave it"),
        ({"aud": ["x", OURS]}, ""),
        ({"aud": "x"}, "token audience does not match"),
        ({"aud": OURS + "/"}, "token audience does not match"),
        ({"aud": []}, "token audience does not match"),
        ({"aud": None}, "token audience does not match"),
        ({"aud": {OURS: 1}}, "token audience does not match"),
        ({"exp": NOW - 59}, ""),
        ({"exp": NOW - 60}, "token has expired"),
        ({"exp": str(NOW + 60)}, "invalid token: its times are no numbers"),
        ({"exp": True}, "invalid token: its times are no numbers"),
        ({"exp": 10**400}, "invalid token: its times are no numbers"),
        ({"nbf": NOW + 60}, ""),
        ({"nbf": NOW + 61}, "invalid token: it does not hold yet"),
        ({"cnf": {"jkt": "x"}}, "invalid token: it is bound to a key, which is not looked at here"),
        ({"token_type": "DPoP"}, "invalid token: it is bound to a key, which is not looked at here"),
        ({"token_type": "Bearer"}, ""),
        ({"sub": 7}, "invalid token: it names nobody"),
        ({"sub": ""}, "invalid token: it names nobody"),
        ({"sub": "x" * 256}, ""),
        ({"sub": "x" * 257}, "invalid token: it names nobody"),
        ({"sub": "a\n2025 forged"}, "invalid token: it names nobody"),
        ({"sub": "client_id:robot"}, "invalid token: it names nobody"),
    ],
)
def test_an_active_token_has_to_be_for_us_and_of_now(claims: dict[str, object], why: str) -> None:
    """P-140, AUTH-9: at the edge and one beyond it."""
    found = JUDGE(GOOD | claims)
    assert (found.why if isinstance(found, Denied) else "") == why


def test_who_has_no_subject_is_his_client_and_nobody_who_is_called_like_it() -> None:
    found, person = (JUDGE({member: "robot", "aud": OURS}) for member in ("client_id", "sub"))
    assert isinstance(found, Principal)
    assert isinstance(person, Principal)
    assert (found.subject, found.name) == ("client_id:robot", "robot")
    assert found.key != person.key


async def test_the_answer_is_kept_for_a_while_and_not_beyond_the_end_of_the_token(autojump_clock: object) -> None:
    provider = Provider()
    async with asking(provider) as introspection:
        for seconds, asked in ((0, 1), (29, 1), (2, 2)):
            await trio.sleep(seconds)
            await introspection.verify(b"opaque")
            assert len(provider.asked) == asked
        provider.answer["exp"] = wall() + 10
        await introspection.verify(b"short")
        await trio.sleep(9)
        await introspection.verify(b"short")
        assert len(provider.asked) == 3
        await trio.sleep(2)
        await introspection.verify(b"short")
        assert len(provider.asked) == 4


async def test_what_is_no_good_is_refused_without_a_question_for_a_while(autojump_clock: object) -> None:
    provider = Provider({"active": False})
    async with asking(provider) as introspection:
        for seconds, asked in ((0, 1), (9, 1), (2, 2)):
            await trio.sleep(seconds)
            found = await introspection.verify(b"bad")
            assert isinstance(found, Denied)
            assert (found.why, found.retry_after) == ("invalid token: its issuer says that it is not active", None)
            assert len(provider.asked) == asked


async def many(introspection: Introspection, tokens: list[bytes]) -> list[Principal | Denied]:
    found: list[Principal | Denied] = []

    async def one(token: bytes) -> None:
        found.append(await introspection.verify(token))

    async with trio.open_nursery() as nursery:
        for token in tokens:
            nursery.start_soon(one, token)
    return found


async def test_all_who_show_one_token_wait_for_one_question(autojump_clock: object) -> None:
    provider = Provider(seconds=1)
    async with asking(provider) as introspection:
        found = await many(introspection, [b"same"] * 100)
    assert (len(provider.asked), all(isinstance(one, Principal) for one in found)) == (1, True)


async def test_who_goes_away_takes_nothing_from_the_others_who_wait(autojump_clock: object) -> None:
    provider = Provider(seconds=1)
    async with asking(provider) as introspection, trio.open_nursery() as nursery:
        impatient = trio.CancelScope()

        async def leave() -> None:
            with impatient:
                await introspection.verify(b"same")

        nursery.start_soon(leave)
        await trio.sleep(0.5)
        impatient.cancel()
        assert isinstance(await introspection.verify(b"same"), Principal)
        assert len(provider.asked) == 1


async def test_so_many_are_asked_at_a_time_and_who_makes_tokens_up_keeps_no_owner_out(autojump_clock: object) -> None:
    provider = Provider()
    async with asking(provider) as introspection:
        await introspection.verify(b"known")
        await trio.sleep(31)
        provider.seconds = 0.5
        async with trio.open_nursery() as nursery:
            made_up: list[Principal | Denied] = []

            async def flood() -> None:
                made_up.extend(await many(introspection, [b"made-up-%d" % number for number in range(400)]))

            nursery.start_soon(flood)
            await trio.sleep(0.1)
            assert isinstance(await introspection.verify(b"known"), Principal)
    refused = [one for one in made_up if isinstance(one, Denied)]
    assert (len(refused), {one.retry_after for one in refused}) == (400 - MOST_ASKED + FOR_KNOWN, {1})
    assert provider.most == AT_ONCE


@pytest.mark.parametrize("status", [0, 302, 401, 404, 429, 503])
async def test_an_issuer_that_is_away_is_left_alone_and_found_again(autojump_clock: object, status: int) -> None:
    """503 with a time, and what was kept goes on."""
    provider = Provider()
    async with asking(provider, seconds=1000) as introspection:
        await introspection.verify(b"kept")
        provider.status = status
        for number in range(FAILURES):
            found = await introspection.verify(b"t%d" % number)
            assert isinstance(found, Denied)
            assert (found.why, found.retry_after) == (AWAY, 2 if number == FAILURES - 1 else 1)
        asked = len(provider.asked)
        assert all(isinstance(one, Denied) for one in await many(introspection, [b"x%d" % number for number in range(50)]))
        assert len(provider.asked) == asked
        assert isinstance(await introspection.verify(b"kept"), Principal)
        await trio.sleep(2.1)
        await many(introspection, [b"x%d" % number for number in range(50)])
        assert len(provider.asked) == asked + 1
        provider.status = 200
        await trio.sleep(4.1)
        assert isinstance(await introspection.verify(b"t1"), Principal)
        assert all(isinstance(one, Principal) for one in await many(introspection, [b"x%d" % number for number in range(50)]))


async def test_an_issuer_that_never_answers_costs_a_request_five_seconds(autojump_clock: object) -> None:
    provider = Provider(seconds=1000)
    async with asking(provider) as introspection:
        begun = trio.current_time()
        assert await introspection.verify(b"t") == Denied(AWAY, 1)
        assert trio.current_time() - begun == pytest.approx(SECONDS)


@pytest.mark.parametrize(("status", "denied"), [(400, Denied("invalid token: its issuer refuses to look at it")), (500, Denied(AWAY, 1))])
async def test_no_token_keeps_others_from_their_answer(autojump_clock: object, status: int, denied: Denied) -> None:
    provider = Provider(status=status)
    async with asking(provider) as introspection:
        assert set(await many(introspection, [b"odd-%d" % number for number in range(3 * FAILURES)])) == {denied}
        provider.status = 200
        assert isinstance(await introspection.verify(b"plain"), Principal)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>down for maintenance</html>"),
        (200, b""),
        (200, b"[]"),
        (204, b""),
        (302, b""),
        (418, b"{}"),
        (400, b'{"error": "invalid_client"}'),
        (400, b'{"error": "unauthorized_client"}'),
    ],
)
async def test_an_answer_that_says_nothing_of_the_token_takes_it_from_nobody(autojump_clock: object, status: int, body: bytes) -> None:
    """A client that is told 401 throws its token away; and who asks in vain is to stop asking."""
    provider = Provider(status=status, body=body)
    async with asking(provider) as introspection:
        told = [await introspection.verify(b"t%d" % number) for number in range(FAILURES)]
        assert told == [*[Denied(AWAY, 1)] * (FAILURES - 1), Denied(AWAY, 2)]
        provider.status, provider.body = 200, None
        await trio.sleep(2.1)
        assert isinstance(await introspection.verify(b"t0"), Principal)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"active": true, "x": "' + b"x" * LARGEST + b'"}'),
        (400, b""),
        (400, b'{"error": "invalid_request"}'),
        (413, b""),
        (422, b'{"detail": "too long"}'),
        (431, b""),
    ],
)
async def test_an_answer_that_refuses_the_token_counts_for_it_alone(autojump_clock: object, status: int, body: bytes) -> None:
    provider = Provider(status=status, body=body)
    async with asking(provider) as introspection:
        refused = Denied("invalid token: its issuer refuses to look at it")
        assert set(await many(introspection, [b"odd-%d" % number for number in range(2 * FAILURES)])) == {refused}
        provider.status, provider.body = 200, None
        assert isinstance(await introspection.verify(b"plain"), Principal)


@pytest.mark.parametrize("active", ["true", 1, None])
async def test_only_true_means_active(autojump_clock: object, active: object) -> None:
    async with asking(Provider(GOOD | {"active": active})) as introspection:
        assert await introspection.verify(b"t") == Denied(AWAY, 1)


async def test_before_the_issuer_has_told_where_to_ask_nobody_can_tell(autojump_clock: object) -> None:
    async with asking(Provider(), known=False) as introspection:
        assert await introspection.verify(b"t") == Denied(AWAY, 1)


async def test_who_asks_when_nothing_runs_any_more_is_told_so(autojump_clock: object) -> None:
    async with asking(Provider()) as introspection:
        pass
    assert await introspection.verify(b"t") == Denied(AWAY, 1)


async def test_who_waits_at_the_end_is_told_so(autojump_clock: object) -> None:
    found: list[Principal | Denied] = []
    async with trio.open_nursery() as nursery, asking(Provider(seconds=1000)) as introspection:

        async def wait() -> None:
            found.append(await introspection.verify(b"t"))

        nursery.start_soon(wait)
        await trio.sleep(0.1)
    assert found == [Denied(AWAY, 1)]


async def test_what_is_kept_is_bounded_and_bad_ones_push_no_good_one_out(monkeypatch: pytest.MonkeyPatch, autojump_clock: object) -> None:
    monkeypatch.setattr(kept_verdicts, "MOST_GOOD", 3)
    monkeypatch.setattr(kept_verdicts, "MOST_BAD", 2)
    kept = KeptVerdicts(30, wall)
    for number in range(4):
        kept.keep(b"good%d" % number, Principal("ann"))
        kept.find(b"good1")
    for number in range(100):
        kept.keep(b"bad%d" % number, Denied("no"))
    known: Callable[[bytes], Any] = kept.find
    assert [number for number in range(4) if known(b"good%d" % number)] == [1, 2, 3]
    assert [number for number in range(100) if known(b"bad%d" % number)] == [98, 99]


async def test_a_token_that_was_withdrawn_is_no_known_one_any_more(autojump_clock: object) -> None:
    kept = KeptVerdicts(30, wall)
    kept.keep(b"t", Principal("ann"))
    kept.keep(b"t", Denied("no"))
    assert (kept.find(b"t"), kept.knew(b"t")) == (Denied("no"), False)
    kept.keep(b"t", Principal("ann"))
    assert kept.find(b"t") == Principal("ann")

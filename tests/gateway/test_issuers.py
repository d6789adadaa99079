"""What becomes of calls while an issuer exchanges its keys, is slow, is away, or tells nonsense (AUTH-6)."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import attrs
import pytest
import trio
from tests.kit.believing import AUTH, Believing, fronting
from tests.kit.issuer import Issuer

from sluicegate.identity.signing_keys import SigningKey
from sluicegate.sources import Sources


def an_issuer(**settings: Any) -> Issuer:
    return Issuer(Sources.virtual(1).wall, **settings)


async def at_once(front: Believing, tokens: list[str]) -> Counter[int]:
    """How often which status came, of calls that come together."""
    told: Counter[int] = Counter()

    async def one(token: str) -> None:
        told[(await front.told(token))[0]] += 1

    async with trio.open_nursery() as nursery:
        for token in tokens:
            nursery.start_soon(one, token)
    return told


async def test_it_starts_without_its_issuer_and_says_when_to_come_back_until_that_is_there(autojump_clock: object) -> None:
    issuer = an_issuer(is_up=False)
    async with fronting(issuer=issuer, wait=0) as front:
        await trio.sleep(5)
        answer = await front.ask(f"Bearer {issuer.token()}")
        assert (answer.status_code, answer.headers.get("www-authenticate")) == (503, None)
        wait = int(answer.headers["retry-after"])
        assert 1 <= wait <= 8
        issuer.is_up = True
        await trio.sleep(wait)
        assert (await front.told(issuer.token()))[0] == 200


async def test_no_keys_are_asked_for_while_nobody_knows_where_they_are(autojump_clock: object) -> None:
    issuer = an_issuer(is_up=False)
    async with fronting(attrs.evolve(AUTH, jwks_uri=None), issuer=issuer, wait=5) as front:
        assert (await front.told(issuer.token()))[0] == 503
        issuer.is_up = True
        await trio.sleep(10)
        assert (await front.told(issuer.token()))[0] == 200


async def test_keys_serve_on_while_their_issuer_is_away(autojump_clock: object) -> None:
    async with fronting() as front:
        front.issuer.is_up = False
        await trio.sleep(24 * 3600)
        assert (await front.told(front.issuer.token()))[0] == 200
        front.issuer.rotate("k2")
        assert (await front.told(front.issuer.token()))[0] == 503


async def test_an_issuer_that_is_slow_costs_nobody_anything_whose_key_is_known(autojump_clock: object) -> None:
    async with fronting() as front:
        token = front.issuer.token()
        front.issuer.takes_seconds = 9
        front.issuer.rotate("k2", keep=True)
        async with trio.open_nursery() as nursery:
            await trio.sleep(10)
            nursery.start_soon(front.told, front.issuer.token())
            await trio.sleep(0.5)
            now = trio.current_time()
            assert (await front.told(token))[0] == 200
            assert trio.current_time() == now


async def test_who_shows_an_unknown_key_waits_for_a_second_at_most(autojump_clock: object) -> None:
    async with fronting() as front:
        await trio.sleep(10)
        front.issuer.takes_seconds = 9
        front.issuer.rotate("k2")
        now = trio.current_time()
        assert (await front.told(front.issuer.token()))[0] == 503
        assert trio.current_time() == now + 1


async def test_a_thousand_tokens_with_a_new_key_cost_the_issuer_one_question_and_no_call(autojump_clock: object) -> None:
    async with fronting() as front:
        await trio.sleep(10)
        front.issuer.rotate("k2", keep=True)
        before = len(front.issuer.asked_at)
        told = await at_once(front, [front.issuer.token(sub=f"s{number}") for number in range(64)])
        assert (told, len(front.issuer.asked_at)) == ({200: 64}, before + 1)


async def test_who_makes_names_of_keys_up_has_them_looked_for_every_ten_seconds_at_most(autojump_clock: object) -> None:
    async with fronting() as front:
        start = trio.current_time()
        front.issuer.asked_at.clear()
        told: Counter[int] = Counter()
        while trio.current_time() < start + 100:
            told += await at_once(front, [front.issuer.token(head={"kid": f"{trio.current_time()} {number}"}) for number in range(5)])
            assert (await front.told(front.issuer.token()))[0] == 200
            await trio.sleep(0.25)
        asked = front.issuer.asked_at
        assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(asked))
        assert 9 <= len(asked) <= 11
        assert told.keys() <= {401, 503}


async def test_a_name_that_was_looked_for_is_refused_at_once(autojump_clock: object) -> None:
    async with fronting() as front:
        await trio.sleep(10)
        token = front.issuer.token(head={"kid": "nobody's"})
        assert await front.told(token) == (401, "invalid token: its issuer has no such key")
        now = trio.current_time()
        assert (await front.told(token))[0] == 401
        assert trio.current_time() == now


async def test_a_key_that_came_later_is_found_though_it_was_looked_for_before(autojump_clock: object) -> None:
    async with fronting() as front:
        await trio.sleep(10)
        assert (await front.told(front.issuer.token(head={"kid": "k2"})))[0] == 401
        front.issuer.rotate("k2", keep=True)
        await trio.sleep(300)
        assert (await front.told(front.issuer.token()))[0] == 200


async def test_a_key_that_was_looked_for_too_early_is_looked_for_again(autojump_clock: object) -> None:
    """AUTH-6: its set may be fresh for an hour; and who guesses names of keys keeps nobody out."""
    async with fronting(issuer=an_issuer(max_age=3600)) as front:
        await trio.sleep(10)
        assert (await front.told(front.issuer.token(head={"kid": "k2"})))[0] == 401
        front.issuer.rotate("k2", keep=True)
        await trio.sleep(1)
        assert (await front.told(front.issuer.token()))[0] == 401
        await trio.sleep(9)
        assert (await front.told(front.issuer.token()))[0] == 200


async def test_tokens_of_a_key_that_was_withdrawn_are_good_no_more(autojump_clock: object) -> None:
    async with fronting(issuer=an_issuer(max_age=30)) as front:
        token = front.issuer.token()
        assert (await front.told(token))[0] == 200
        front.issuer.rotate("k2")
        await trio.sleep(31)
        assert (await front.told(token))[0] == 401


async def test_a_key_that_takes_the_name_of_another_is_the_one_from_then_on(autojump_clock: object) -> None:
    async with fronting(issuer=an_issuer(max_age=30)) as front:
        old = front.issuer.token()
        assert (await front.told(old))[0] == 200
        front.issuer.rotate("k1")
        new = front.issuer.token()
        assert (await front.told(new))[0] == 401
        await trio.sleep(30 - trio.current_time() % 1)
        assert ((await front.told(new))[0], (await front.told(old))[0]) == (200, 401)


@pytest.mark.parametrize(("max_age", "least", "most"), [(None, 240, 300), (0, 24, 30), (100, 80, 100), (86400, 2880, 3600)])
async def test_keys_are_fetched_again_when_their_answer_says_so_within_bounds(
    max_age: int | None, least: float, most: float, autojump_clock: object
) -> None:
    async with fronting(issuer=an_issuer(max_age=max_age)) as front:
        await trio.sleep(4000)
        first, second = front.issuer.asked_at[:2]
        assert least <= second - first <= most


async def test_one_bad_key_does_not_cost_the_others(autojump_clock: object) -> None:
    issuer = an_issuer()
    weak = {"kty": "RSA", "n": "_" * 171, "e": "AQAB"}
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}
    issuer.extra = [3, {}, {"kty": "RSA", "n": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": "!", "y": 3}, {**weak, "kid": "k1"}, shared]
    issuer.extra += [{"kty": "OKP", "crv": "X25519", "x": "AA"}, {"use": "enc"}, {"kty": "RSA", "alg": "HS256"}, {"kid": 7, "kty": "EC"}]
    async with fronting(issuer=issuer) as front:
        assert (await front.told(issuer.token()))[0] == 200


async def test_an_issuer_that_tells_nonsense_is_as_one_that_is_away(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = an_issuer()
    good = issuer.document()
    async with fronting(issuer=issuer) as front:
        several: list[dict[str, Any]] = [{"keys": []}, {"keys": {}}, {}, {"keys": [{"kty": "oct", "k": "AA"}]}]
        for nonsense in several:
            monkeypatch.setattr(Issuer, "document", lambda _self, nonsense=nonsense: nonsense)
            await trio.sleep(301)
            assert (await front.told(issuer.token()))[0] == 200
        monkeypatch.setattr(Issuer, "document", lambda _self: good)


async def test_keys_rotate_under_load_and_no_call_is_lost(autojump_clock: object) -> None:
    """Each minute for half an hour, without a word beforehand, while twenty callers get new tokens all the time."""
    told: Counter[int] = Counter()
    async with fronting() as front:

        async def caller(number: int) -> None:
            for _ in range(300):
                token = front.issuer.token(sub=f"s{number}")
                told[(await front.told(token))[0]] += 1
                await trio.sleep(6)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(caller, number)
            for minute in range(30):
                await trio.sleep(60)
                front.issuer.rotate(f"rotated{minute}", keep=minute % 2 == 0)
        assert told == {200: 20 * 300}


async def test_a_token_that_is_exchanged_every_second_keeps_its_session_under_load(autojump_clock: object) -> None:
    """AUTH-14: what a session belongs to is the issuer and the subject."""
    async with fronting() as front:

        async def caller(number: int) -> None:
            session = await front.open(front.issuer.token(sub=f"s{number}", jti=str(number)))
            for second in range(60):
                answer = await front.call(
                    front.issuer.token(sub=f"s{number}", jti=f"{number}.{second}", exp=front.issuer.wall() + 2), session
                )
                assert "result" in answer.json(), answer.text
                await trio.sleep(1)
            stranger = await front.call(front.issuer.token(sub=f"s{number}x"), session)
            assert stranger.status_code == 404

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(caller, number)


async def test_one_signature_is_looked_at_in_each_turn_of_the_loop(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends hundreds of tokens at a time keeps everybody waiting for one of them."""
    turns: list[int] = []
    turn = 0
    looked = SigningKey.has_signed

    def counting(key: SigningKey, token: Any) -> bool:
        turns.append(turn)
        return looked(key, token)

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await trio.lowlevel.checkpoint()

    async with fronting() as front, trio.open_nursery() as nursery:
        monkeypatch.setattr(SigningKey, "has_signed", counting)
        nursery.start_soon(count)
        token = front.issuer.token()
        forged = [f"{token[:-5]}{number:04}A" for number in range(200)]
        assert await at_once(front, forged) == {401: 200}
        assert max(Counter(turns).values()) <= 2  # the counter's task may come before or behind in a turn
        assert len(turns) == 200
        assert await at_once(front, forged) == {401: 200}
        assert len(turns) == 200
        nursery.cancel_scope.cancel()


async def test_cheap_tests_come_first(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    async with fronting() as front:
        monkeypatch.setattr(SigningKey, "has_signed", lambda *_: pytest.fail("a signature was looked at"))
        for changed in ({"aud": "x"}, {"iss": "x"}, {"exp": 1}, {"sub": ""}, {"head": {"kid": "x"}}, {"head": {"alg": "ES384"}}):
            assert (await front.told(front.issuer.token(**changed)))[0] in (401, 503)


async def test_who_comes_when_hundreds_wait_is_told_to_come_back(autojump_clock: object) -> None:
    async with fronting() as front:
        token = front.issuer.token()
        told = await at_once(front, [f"{token[:-5]}{number:04}A" for number in range(400)])
        assert told == {401: 257, 503: 143}
        assert (await front.told(token))[0] == 200


async def test_who_comes_with_a_good_token_waits_for_no_forged_ones(autojump_clock: object) -> None:
    """However many there are: he is next."""
    order: list[int] = []
    async with fronting() as front:
        good = front.issuer.token(sub="good")

        async def one(token: str) -> None:
            order.append((await front.told(token))[0])

        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(one, f"{good[:-5]}{number:04}A")
            for _ in range(8):
                await trio.lowlevel.checkpoint()
            nursery.start_soon(one, good)
        assert order.count(200) == 1
        assert order.index(200) < 60


def test_what_a_token_says_is_kept_as_it_was_written() -> None:
    from sluicegate.identity.token_rules import Claims

    claims = Claims(json.dumps({"sub": "ann", "groups": ["a"]}).encode())
    assert (dict(claims), len(claims), claims.get("x")) == ({"sub": "ann", "groups": ["a"]}, 2, None)

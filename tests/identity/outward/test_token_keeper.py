"""The token of a backend: had once for all, renewed ahead, and asked for seldom when it does not help (P-143, P-146)."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from sluicegate.identity.fetching import Fetcher
from sluicegate.identity.outward.token_keeper import ASK_SECONDS, DENIED_SECONDS, YOUNG_SECONDS, Token, TokenKeeper
from sluicegate.protocol.credential import MOST_SCOPES, Challenge
from sluicegate.protocol.principal import NOBODY
from sluicegate.protocol.why import Why
from sluicegate.testing.memory_web import MemoryWeb

Clock = trio.testing.MockClock
DENIED = Why("no", "no, and why")


@attrs.define
class Source:
    """Gives ``t1``, ``t2`` … or what a test wants."""

    seconds: float | None = 100.0
    pause: float = 0.0
    give: Callable[[int], Token | Why] | None = None
    denies: frozenset[str] = frozenset()
    """With any of these scopes it gives none."""
    trap: str = ""
    """So it is with a challenge that names this document."""
    asked: list[tuple[float, tuple[str, ...]]] = attrs.field(factory=list)
    running: int = 0

    async def fetch(self, scopes: tuple[str, ...], challenge: Challenge) -> Token | Why:
        self.asked.append((trio.current_time(), scopes))
        number = len(self.asked)
        self.running += 1
        assert self.running == 1
        try:
            await trio.sleep(self.pause)
        finally:
            self.running -= 1
        if not self.denies.isdisjoint(scopes) or (self.trap and challenge.metadata == self.trap):
            return DENIED
        return Token(f"t{number}", self.seconds) if self.give is None else self.give(number)


@asynccontextmanager
async def keeping(source: Source) -> AsyncGenerator[TokenKeeper, None]:
    keeper = TokenKeeper("b", source, Fetcher(MemoryWeb().open_http), random.Random(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        yield keeper
        nursery.cancel_scope.cancel()


def lines(number: int) -> bytes:
    return b"authorization: Bearer t%d\r\n" % number


async def test_who_comes_before_the_first_token_waits_for_it(autojump_clock: Clock) -> None:
    async with keeping(Source(pause=2)) as keeper:
        assert keeper.at_hand(NOBODY) is None
        assert await keeper.have(NOBODY) == lines(1)
        assert trio.current_time() == 2
        assert keeper.at_hand(NOBODY) == lines(1)


async def test_a_token_is_renewed_before_it_ends_and_the_old_one_serves_meanwhile(autojump_clock: Clock) -> None:
    source = Source(seconds=100, pause=5)
    async with keeping(source) as keeper:
        await trio.sleep(86)  # four fifths of its time have passed
        assert keeper.at_hand(NOBODY) in {lines(1), lines(2)}
        await trio.sleep(6)
        assert keeper.at_hand(NOBODY) == lines(2)
        assert 5 + 0.95 * 80 <= source.asked[1][0] <= 85


async def test_a_token_without_an_end_is_asked_for_once(autojump_clock: Clock) -> None:
    source = Source(seconds=None)
    async with keeping(source) as keeper:
        await trio.sleep(80_000)
        assert keeper.at_hand(NOBODY) == lines(1)
        assert len(source.asked) == 1


async def test_many_whose_token_is_refused_have_one_new_one(autojump_clock: Clock) -> None:
    source = Source(pause=1)
    async with keeping(source) as keeper:
        await keeper.have(NOBODY)
        await trio.sleep(YOUNG_SECONDS)
        got: list[bytes | Why] = []

        async def one() -> None:
            got.append(await keeper.renewed(NOBODY, lines(1), Challenge()))

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(one)
        assert got == [lines(2)] * 100
        assert len(source.asked) == 2
        assert await keeper.renewed(NOBODY, lines(1), Challenge()) == lines(2)  # somebody else had it renewed meanwhile
        assert len(source.asked) == 2


async def test_a_backend_that_refuses_every_token_does_not_cost_one_a_call(autojump_clock: Clock) -> None:
    source = Source()
    async with keeping(source) as keeper:
        shown = await keeper.have(NOBODY)
        for _ in range(100):
            assert isinstance(shown, bytes)
            renewed = await keeper.renewed(NOBODY, shown, Challenge())
            shown = renewed if isinstance(renewed, bytes) else shown
            await trio.sleep(0.1)
        assert len(source.asked) <= 2


async def test_more_scopes_are_asked_for_at_once_and_kept(autojump_clock: Clock) -> None:
    source = Source()
    async with keeping(source) as keeper:
        await keeper.have(NOBODY)
        assert await keeper.renewed(NOBODY, lines(1), Challenge("insufficient_scope", ("a",))) == lines(2)
        assert isinstance(await keeper.renewed(NOBODY, lines(2), Challenge("insufficient_scope", ("a",))), Why)
        await keeper.renewed(NOBODY, lines(2), Challenge("insufficient_scope", ("b", "a")))
        assert [scopes for _, scopes in source.asked] == [(), ("a",), ("a", "b")]
        for number in range(10):
            many = tuple(f"s{number}-{index}" for index in range(MOST_SCOPES))
            await keeper.renewed(NOBODY, lines(3), Challenge("insufficient_scope", many))
        assert len(source.asked[-1][1]) == MOST_SCOPES
        assert len(source.asked) == 4


@pytest.mark.parametrize("challenge", [Challenge("insufficient_scope", ("admin",)), Challenge("insufficient_scope", metadata="https://x")])
async def test_what_led_to_no_token_costs_nobody_the_next_ones(autojump_clock: Clock, challenge: Challenge) -> None:
    """One call for which a backend wants more than the gateway may have must not take its token from all others."""
    source = Source(denies=frozenset({"admin"}), trap="https://x")
    async with keeping(source) as keeper:
        assert await keeper.have(NOBODY) == lines(1)
        await trio.sleep(YOUNG_SECONDS)
        assert isinstance(await keeper.renewed(NOBODY, lines(1), challenge), Why)
        assert keeper.at_hand(NOBODY) == lines(1)
        for _ in range(500):
            await trio.sleep(1)
            assert isinstance(keeper.at_hand(NOBODY), bytes)
        assert len(source.asked) <= 2 + 1 + 500 // 76


async def test_what_was_denied_is_not_asked_for_with_each_call_and_may_be_allowed_later(autojump_clock: Clock) -> None:
    source = Source(seconds=None, denies=frozenset({"admin"}))
    wants_admin = Challenge("insufficient_scope", ("a", "admin"))
    async with keeping(source) as keeper:
        shown = await keeper.have(NOBODY)
        for _ in range(1000):
            assert isinstance(shown, bytes)
            assert isinstance(await keeper.renewed(NOBODY, shown, wants_admin), Why)
            await trio.sleep(0.05)
            shown = await keeper.have(NOBODY)
        assert [scopes for _, scopes in source.asked] == [(), ("a", "admin"), ()]
        assert isinstance(await keeper.renewed(NOBODY, lines(3), Challenge("insufficient_scope", ("b",))), bytes)
        source.denies = frozenset()
        await trio.sleep(DENIED_SECONDS)
        assert await keeper.renewed(NOBODY, lines(4), wants_admin) == lines(5)
        assert source.asked[-1][1] == ("b", "a", "admin")


async def test_whoever_wants_more_while_a_token_is_asked_for_gets_one_with_it(autojump_clock: Clock) -> None:
    source = Source(pause=1)
    async with keeping(source) as keeper:
        await keeper.have(NOBODY)
        await trio.sleep(YOUNG_SECONDS)
        got: dict[str, bytes | Why] = {}

        async def one(*scopes: str) -> None:
            got[" ".join(scopes)] = await keeper.renewed(NOBODY, lines(1), Challenge("insufficient_scope", scopes))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            for scopes in (("a",), ("b",), ("a", "b")):
                await trio.sleep(0.25)
                nursery.start_soon(one, *scopes)
        assert got == {"": lines(2), "a": lines(3), "b": lines(3), "a b": lines(3)}
        assert [scopes for _, scopes in source.asked] == [(), (), ("a", "b")]


async def test_a_failure_is_told_at_once_and_tried_again_by_itself(autojump_clock: Clock) -> None:
    source = Source(give=lambda number: DENIED if number < 4 else Token("t4"))
    async with keeping(source) as keeper:
        assert await keeper.have(NOBODY) == DENIED
        assert await keeper.have(NOBODY) == DENIED
        assert len(source.asked) == 1
        await trio.sleep(10)
        assert keeper.at_hand(NOBODY) == lines(4)


async def test_who_comes_after_a_failure_has_it_tried_again_soon(autojump_clock: Clock) -> None:
    source = Source(give=lambda number: DENIED if number < 8 else Token("t8"))
    async with keeping(source) as keeper:
        had = []
        for _ in range(9):
            had.append(await keeper.have(NOBODY))
            await trio.sleep(1)
        assert had[0] == DENIED
        assert had[-1] == lines(8)


async def test_the_old_token_serves_until_its_end_while_no_new_one_is_had(autojump_clock: Clock) -> None:
    async with keeping(Source(seconds=100, give=lambda number: Token("t1", 100) if number == 1 else DENIED)) as keeper:
        await trio.sleep(99.9)
        assert keeper.at_hand(NOBODY) == lines(1)
        await trio.sleep(0.2)
        assert keeper.at_hand(NOBODY) is None
        assert await keeper.have(NOBODY) == DENIED


async def test_a_source_that_hangs_or_has_a_bug_ends_nothing_else(autojump_clock: Clock) -> None:
    def broken(number: int) -> Token:
        raise RuntimeError("a bug")

    async with keeping(Source(pause=80_000)) as keeper:
        why = await keeper.have(NOBODY)
        assert isinstance(why, Why)
        assert trio.current_time() == ASK_SECONDS
        assert "no token within 30 seconds" in why.operator
    async with keeping(Source(give=broken)) as keeper:
        why = await keeper.have(NOBODY)
        assert isinstance(why, Why)
        assert "internal error" in why.operator


async def test_a_token_that_is_no_header_is_never_sent(autojump_clock: Clock) -> None:
    async with keeping(Source(give=lambda _: Token("a\r\nx: y"))) as keeper:
        why = await keeper.have(NOBODY)
        assert isinstance(why, Why)
        assert "x: y" not in why.operator


@pytest.mark.parametrize("when", [0.0, 0.5, 1.0, 1.5, 85.0, 86.0])
async def test_who_waits_is_told_when_it_is_over(autojump_clock: Clock, when: float) -> None:
    """However far a token was, nobody waits for one that will not come."""
    got: list[bytes | Why] = []

    async def one(keeper: TokenKeeper) -> None:
        got.append(await keeper.have(NOBODY))
        got.append(await keeper.renewed(NOBODY, lines(1), Challenge("", ("a",))))

    async with trio.open_nursery() as outer:
        async with keeping(Source(pause=1)) as keeper:
            outer.start_soon(one, keeper)
            await trio.sleep(when)
        with trio.fail_after(0.001):
            late = await keeper.have(NOBODY)
        assert isinstance(late, Why)
    assert len(got) == 2

"""Who gets a turn, when many want one."""

from __future__ import annotations

import trio
import trio.testing

from sluicegate.identity.newest_first import NewestFirst


async def test_the_newest_is_next_and_the_oldest_is_sent_away(autojump_clock: object) -> None:
    turns, order = NewestFirst(3), list[str]()

    async def work(name: str) -> None:
        async with turns.turn() as is_ours:
            order.append(name if is_ours else f"not {name}")

    async with trio.open_nursery() as nursery:
        async with turns.turn():
            for name in "abcde":
                nursery.start_soon(work, name)
                await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
    assert order == ["not a", "not b", "e", "d", "c"]
    await work("again")
    assert order[-1] == "again"


async def test_who_goes_while_he_waits_or_works_leaves_his_turn_to_others(autojump_clock: object) -> None:
    turns, order = NewestFirst(3), list[str]()

    async def work(name: str, scope: trio.CancelScope) -> None:
        with scope:
            async with turns.turn() as is_ours:
                order.append(name if is_ours else f"not {name}")

    async with trio.open_nursery() as nursery, turns.turn():
        scopes = [trio.CancelScope() for _ in "abc"]
        for name, scope in zip("abc", scopes, strict=True):
            nursery.start_soon(work, name, scope)
            await trio.testing.wait_all_tasks_blocked()
        scopes[2].cancel()
        await trio.testing.wait_all_tasks_blocked()
    assert order == ["b", "a"]
    cancelled = trio.CancelScope()
    cancelled.cancel()
    await work("cut", cancelled)
    with trio.CancelScope() as scope:
        async with turns.turn():
            scope.cancel()
            await trio.lowlevel.checkpoint()
    await work("last", trio.CancelScope())
    assert order == ["b", "a", "last"]

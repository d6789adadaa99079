"""A test that hangs fails, and says where: what tests/conftest.py promises."""

from __future__ import annotations

import re

import pytest
import trio
import trio.testing

from sluicegate.testing.playing import Play, play


async def wait_for_ever() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.Event().wait, name="who waits")


async def come_round_for_ever() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.Event().wait, name="who waits")
        while True:  # noqa: ASYNC110  what the test is about
            await trio.sleep(86_400)


def test_a_run_in_which_nobody_has_anything_left_to_do_fails_and_says_who_waits_where() -> None:
    with pytest.raises(AssertionError, match=r"did not end within 1e\+07 virtual seconds") as failed:
        trio.run(wait_for_ever, clock=trio.testing.MockClock(autojump_threshold=0))

    assert re.search(r"wait_for_ever\n *who waits\n *\| trio/_sync.py:\d+ wait\n", str(failed.value))


def test_a_run_in_which_something_comes_round_for_ever_fails_too() -> None:
    with pytest.raises(AssertionError, match="come_round_for_ever\n"):
        trio.run(come_round_for_ever, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_a_test_plays_has_an_end_too() -> None:
    async def scenario(_: Play) -> None:
        await wait_for_ever()

    with pytest.raises(AssertionError, match="who waits"):
        play(scenario)


def test_pytest_ends_whatever_does_not_come_back_to_the_loop_but_not_what_may_take_longest(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getini("faulthandler_exit_on_timeout") is True
    assert float(str(pytestconfig.getini("faulthandler_timeout"))) > 2 * pytestconfig.getoption("patience")

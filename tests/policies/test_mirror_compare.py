"""Copies whose answers are compared with those of the calls (LIM-21)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate.policies.mirror import Mirror, Shadow
from sluicegate.policies.mirror_tally import MOST_KEPT, MOST_NAMES, OTHERS, MirrorTally
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw, decode_object, encode

Clock = trio.testing.MockClock
Handler = Callable[[Call], Awaitable[Reply]]


@attrs.frozen
class Source:
    """A backend that lists these tools, of which one changes nothing."""

    tools: tuple[str, ...] = ("look", "write")

    def lists(self, method: str, local: str) -> bool:
        del method
        return local in self.tools

    def is_read_only(self, tool: str) -> bool:
        return tool == "look"


def says(text: str, seconds: float = 0) -> Handler:
    async def handler(_call: Call) -> Reply:
        await trio.sleep(seconds)
        return Reply.saying(text)

    return handler


def asks(name: str = "look", method: str = "tools/call", /, **params: Any) -> Call:
    raw = decode_object(encode({"uri" if method == "resources/read" else "name": name} | params))
    assert isinstance(raw, dict)
    return Call(method, f"b_{name}", raw)


def comparing(mirror: Handler, **settings: Any) -> Shadow:
    return Shadow("shadow", mirror, **{"ignored": (), **settings})


async def run(source: Handler, shadow: Shadow, *calls: Call) -> None:
    async with trio.open_nursery() as background:
        policy = Mirror(source, (shadow,), background, Source())
        for call in calls:
            await policy(call)


async def test_answers_that_are_the_same_are_counted_and_others_are_told_of_by_tool(autojump_clock: Clock) -> None:
    same, other = comparing(says("a", 2)), comparing(says("b", 2))
    await run(says("a"), same, asks(), asks())
    await run(says("a"), other, asks(), asks("write"), asks("look"))

    assert (same.tally.compared, same.tally.different, same.statistics().latest) == ({"same": 2}, {}, [])
    assert (other.tally.compared, other.tally.different) == ({"different": 3}, {"look": 2, "write": 1})
    latest = other.statistics().latest
    assert sorted(one.name for one in latest) == ["look", "look", "write"]
    assert [place.path for one in latest for place in one.places] == ["/content/0/text"] * 3


async def test_a_copy_that_has_ended_is_under_way_no_more_while_its_answer_waits(autojump_clock: Clock) -> None:
    async def fails(_call: Call) -> Reply:
        return Reply.failed(faults.client_mistake("no"))

    shadow = comparing(fails, slots=1)
    async with trio.open_nursery() as background:
        policy = Mirror(says("a", 3), (shadow,), background, Source())
        for _ in range(2):
            background.start_soon(policy, asks())
            await trio.sleep(1)
        assert (shadow.running, shadow.copies) == (0, {"ok": 0, "failed": 2, "dropped": 0})
    assert shadow.tally.compared == {"skipped": 1, "different": 1}, "one answer was kept at a time"


@pytest.mark.parametrize(("quick", "slow"), [(0, 3), (3, 0)])
async def test_whoever_answers_first_the_call_waits_for_nothing(quick: float, slow: float, autojump_clock: Clock) -> None:
    shadow = comparing(says("b", slow))
    async with trio.open_nursery() as background:
        began = trio.current_time()
        await Mirror(says("a", quick), (shadow,), background, Source())(asks())
        assert trio.current_time() - began == quick
    assert shadow.tally.compared == {"different": 1}


async def test_without_being_told_to_nothing_is_compared() -> None:
    shadow = Shadow("shadow", says("b"))
    await run(says("a"), shadow, asks())
    assert (shadow.copies["ok"], shadow.tally.compared) == (1, {})


async def test_what_is_ignored_does_not_count() -> None:
    shadow = comparing(says("b"), ignored=(("content", "*", "text"),))
    await run(says("a"), shadow, asks())
    assert shadow.tally.compared == {"same": 1}


async def test_a_call_that_was_cut_has_nothing_to_compare_with_and_its_copy_leaves_its_place(autojump_clock: Clock) -> None:
    shadow = comparing(says("b", 5), slots=1)
    async with trio.open_nursery() as background:
        policy = Mirror(says("a", 9), (shadow,), background, Source())
        with trio.move_on_after(1):
            await policy(asks())
        await trio.sleep(5)
        assert (shadow.running, shadow.tally.compared) == (0, {"skipped": 1})


async def test_a_call_in_which_a_person_was_asked_is_not_compared_since_the_mirror_can_ask_nobody() -> None:
    async def asking(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        call.trail.asked = True
        return Reply.saying("a")

    shadow = comparing(says("b"))
    await run(asking, shadow, asks())
    assert shadow.tally.compared == {"skipped": 1}


async def test_a_call_as_a_task_is_copied_and_not_compared() -> None:
    shadow = comparing(says("b"))
    await run(says("a"), shadow, asks("look", task={"ttl": 1}))
    assert (shadow.sent, shadow.tally.compared) == (1, {})


async def test_a_mirror_that_does_not_answer_in_time_differs_and_one_whose_source_takes_long_waits_only_so_long(
    autojump_clock: Clock,
) -> None:
    late, early = comparing(says("a", 50), seconds=10), comparing(says("a"), seconds=10)
    await run(says("a"), late, asks())
    assert [place.mirror for place in late.statistics().latest[0].places] == ["no_answer"]
    await run(says("a", 20), early, asks())
    assert (early.tally.compared, early.running) == ({"skipped": 1}, 0)


async def test_a_bug_while_comparing_costs_that_comparison(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    shadow = comparing(says("b"), ignored=(None,))
    await run(says("a"), shadow, asks(), asks())
    assert (shadow.running, shadow.tally.compared) == (0, {"skipped": 2})
    assert "bug while comparing" in caplog.text


async def test_a_name_that_no_list_has_is_not_counted_by_itself_and_a_uri_never_is() -> None:
    """A caller makes up as many as he likes, and what he writes may be a secret."""
    shadow = comparing(says("b"))
    await run(says("a"), shadow, asks("sk-secret"), asks("look", "resources/read"), asks("look", "prompts/get"))
    assert shadow.tally.different == {"tools/call": 1, "resources/read": 1, "look": 1}
    assert "secret" not in json.dumps(attrs.asdict(shadow.statistics()))


async def test_only_what_changes_nothing_is_copied_where_that_is_wanted() -> None:
    shadow = comparing(says("a"), read_only=True, percent=50)
    await run(
        says("a"), shadow, asks("write"), asks("look"), asks("write"), asks("look"), asks("x", "resources/read"), asks("x", "prompts/get")
    )
    assert shadow.sent == 2, "and what is not copied is none of the calls of which so many percent are"
    alone = comparing(says("a"), read_only=True)
    async with trio.open_nursery() as background:
        await Mirror(says("a"), (alone,), background)(asks("look"))
    assert alone.sent == 0, "nobody knows that it is"


async def test_what_is_kept_has_a_bound_in_names_answers_and_bytes(autojump_clock: Clock) -> None:
    tally = MirrorTally()
    wide = {f"{letter * 40}": number for number, letter in enumerate("abcdefghijkl")}
    shadow = comparing(lambda _call: _reply({"a": {"a" * 40: {"b" * 40: {"c" * 40: {"d" * 40: dict.fromkeys(wide, -1)}}}}}), tally=tally)
    names = [f"tool{number}_{'x' * 300}" for number in range(200)]
    async with trio.open_nursery() as background:
        for name in names:
            source = {"a": {"a" * 40: {"b" * 40: {"c" * 40: {"d" * 40: wide}}}}}
            await Mirror(lambda _call, source=source: _reply(source), (shadow,), background, Source(tuple(names)))(asks(name))  # type: ignore[misc]
            await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(1)
    assert (len(tally.different), tally.different[OTHERS]) == (MOST_NAMES + 1, 200 - MOST_NAMES)
    latest = shadow.statistics().latest
    assert (len(latest), latest[0].name) == (MOST_KEPT, names[-1][:128])
    assert [round(one.seconds_ago) for one in latest[:2]] == [1, 2]
    assert len(json.dumps(attrs.asdict(shadow.statistics()))) < 400_000


async def _reply(result: dict[str, Any]) -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply(Raw(encode(result)))

"""Answers that are given again."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, CacheSettings, Gateway
from sluicegate.policies.cache import CacheStatistics
from sluicegate.protocol.calls import Call, Caller, Handler, Reply
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.principal import Principal
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay, Hang, Result, RpcError, Step, ToolFails

Clock = trio.testing.MockClock
_SCHEMA: dict[str, object] = {"inputSchema": {"type": "object"}}
LOOK = _SCHEMA | {"name": "look", "annotations": {"readOnlyHint": True}}
PUT = _SCHEMA | {"name": "put", "annotations": {"idempotentHint": True}}
KEEP: dict[str, Any] = {"tool_ttl_seconds": 60, "resource_ttl_seconds": 60, "prompt_ttl_seconds": 60}


def scripted(*steps: Step) -> ScriptedBackend:
    return ScriptedBackend(*steps, tools=[LOOK, PUT, "act", "get_it"], resources=["file:///a", "file:///b"], prompts=["ask"])


def opened(backend: ScriptedBackend, **cache: Any) -> Any:
    return Builder("x").backend("b", backend.connector, cache=KEEP | cache).open(strict=True)


async def said(gateway: Gateway, tool: str = "look", /, **arguments: object) -> str:
    reply = await gateway.call_tool(f"b_{tool}", arguments)
    assert reply.fault is None, reply.fault
    return reply.text


async def read(gateway: Gateway, name: str) -> str:
    (uri,) = (str(entry["uri"]) for entry in gateway.list_resources() if str(entry["uri"]).endswith(name))
    return str((await gateway.read_resource(uri)).value["contents"])


def counted(gateway: Gateway) -> CacheStatistics:
    cache = gateway.policies["b"].cache
    assert cache is not None
    return cache.statistics()


async def test_the_same_call_is_answered_once(autojump_clock: Clock) -> None:
    """CACHE-9, TST-E16: under the caller's own id, which is none of the cache's business."""
    async with opened(backend := scripted()) as gateway:
        assert [await said(gateway, at=1), await said(gateway, at=1)] == ['look {"at":1} #1'] * 2
        assert (counted(gateway).hits, counted(gateway).misses, counted(gateway).hit_rate) == (1, 1, 0.5)
    assert backend.calls == 1


async def test_other_arguments_are_another_call_and_the_order_of_keys_is_none(autojump_clock: Clock) -> None:
    """TST-E17, COA-1."""
    async with opened(scripted()) as gateway:
        calls: list[dict[str, object]] = [
            {"a": 1, "b": {"x": 1, "y": 2}},
            {"b": {"y": 2, "x": 1}, "a": 1},
            {"a": 1.0, "b": {"x": 1, "y": 2}},
            {"a": 2},
        ]
        answers = [(await said(gateway, **call)).rpartition("#")[2] for call in calls]
    assert answers == ["1", "1", "2", "3"]


async def test_an_answer_holds_as_long_as_is_said(autojump_clock: Clock) -> None:
    """CFG-67."""
    async with opened(scripted(), tool_ttl_seconds=10) as gateway:
        answers = []
        for pause in (0, 9.9, 0.1, 9.9):
            await trio.sleep(pause)
            answers.append((await said(gateway))[-2:])
    assert answers == ["#1", "#1", "#2", "#2"]


async def test_each_kind_has_its_own_time_and_what_has_none_is_not_counted(autojump_clock: Clock) -> None:
    """CACHE-1, CFG-66."""
    async with opened(backend := scripted(), tool_ttl_seconds=0, prompt_ttl_seconds=0) as gateway:
        for _ in range(2):
            await said(gateway)
            await read(gateway, "a")
            await gateway.get_prompt("b_ask")
        assert (counted(gateway).hits, counted(gateway).misses) == (1, 1)
    assert backend.calls == 5


async def test_prompts_are_kept_where_that_is_asked_for(autojump_clock: Clock) -> None:
    async with opened(backend := scripted()) as gateway:
        for _ in range(2):
            await gateway.get_prompt("b_ask", {"x": "1"})
    assert backend.calls == 1


@pytest.mark.parametrize(
    ("tool", "cache", "calls"),
    [
        ("look", {}, 1),
        ("put", {}, 1),
        ("act", {}, 2),
        ("act", {"tools": ["a*"]}, 1),
        ("get_it", {"tools": ["get_*", "x"]}, 1),
        ("look", {"except_tools": ["look"]}, 2),
        ("get_it", {"tools": ["*"], "except_tools": ["get_*"]}, 2),
        ("put", {"clear_on_writes": False}, 2),
    ],
)
async def test_only_tools_that_say_they_are_harmless_are_kept_or_are_named(
    tool: str, cache: dict[str, Any], calls: int, autojump_clock: Clock
) -> None:
    """LIM-96. Of idempotent ones it has to be noticed when another write came in between."""
    async with opened(backend := scripted(), **cache) as gateway:
        for _ in range(2):
            await said(gateway, tool)
    assert backend.calls == calls


async def test_a_write_makes_all_be_forgotten_that_is_kept_of_its_backend(autojump_clock: Clock) -> None:
    async with opened(backend := scripted()) as gateway:
        for tool in ("look", "act", "look"):
            await said(gateway, tool)
        await read(gateway, "a")
        await said(gateway, "act")
        await read(gateway, "a")
    assert backend.calls == 6


async def test_the_same_again_after_another_write_is_no_repetition(autojump_clock: Clock) -> None:
    """Else the second of two who set the same would have set nothing."""
    async with opened(backend := scripted()) as gateway:
        for value in (1, 1, 2, 1):
            await said(gateway, "put", value=value)
    assert backend.calls == 3


async def test_what_was_asked_before_a_write_has_ended_is_not_kept(autojump_clock: Clock) -> None:
    async with opened(backend := scripted(Delay(5), Delay(1), Answer())) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(said, gateway, "look")
        await trio.sleep(0.5)
        await said(gateway, "act")
        await trio.sleep(10)
        await said(gateway, "look")
    assert backend.calls == 3


async def test_a_write_that_was_cut_may_have_been_done(autojump_clock: Clock) -> None:
    async with opened(backend := scripted(Answer(), Hang(), Answer())) as gateway:
        await said(gateway)
        with trio.move_on_after(1):
            await said(gateway, "act")
        await said(gateway)
    assert backend.calls == 3


async def test_who_knows_better_can_have_writes_ignored(autojump_clock: Clock) -> None:
    async with opened(backend := scripted(), clear_on_writes=False) as gateway:
        for tool in ("look", "act", "look"):
            await said(gateway, tool)
    assert backend.calls == 2


@pytest.mark.parametrize("step", [ToolFails("no"), RpcError(-32000, "no"), Result(b'{"content":[],"resultType":"input_required"}')])
async def test_what_is_no_answer_is_not_kept(step: Step, autojump_clock: Clock) -> None:
    """CACHE-2, P-85."""
    async with opened(backend := scripted(step)) as gateway:
        for _ in range(2):
            await gateway.call_tool("b_look")
    assert backend.calls == 2


@pytest.mark.parametrize("key", ["requestState", "inputResponses"])
async def test_a_part_of_something_longer_is_neither_kept_nor_answered_with_what_is(key: str, autojump_clock: Clock) -> None:
    """P-85."""
    async with opened(backend := scripted()) as gateway:
        await said(gateway)
        for _ in range(2):
            call = Call.tool("b_look")
            call.params[key] = Raw(b'{"x":1}')
            await gateway.handler(call)
    assert backend.calls == 3


async def test_metadata_about_one_call_is_no_part_of_it_and_other_is(autojump_clock: Clock) -> None:
    metas: list[dict[str, object]] = [{"progressToken": 1}, {"progressToken": "x", "sluicegate/cache": True}, {"tenant": 1}, {"tenant": 2}]
    async with opened(backend := scripted()) as gateway:
        for meta in metas:
            call = Call.tool("b_look")
            call.params["_meta"] = Raw(encode(meta))
            await gateway.handler(call)
    assert backend.calls == 3


async def test_a_key_that_comes_twice_is_like_no_other(autojump_clock: Clock) -> None:
    """A backend may take the first of the two, and its answer would be given to who means the last."""
    async with opened(backend := scripted()) as gateway:
        for arguments in (b'{"a":2}', b'{"a":1,"a":2}', b'{"a":2}', b'{"a":1,"a":2}'):
            call = Call.tool("b_look")
            call.params["arguments"] = Raw(arguments)
            await gateway.handler(call)
    assert backend.calls == 3


# -- what holds no more


@pytest.mark.parametrize(
    ("method", "params", "again"),
    [
        ("notifications/tools/list_changed", {}, {"look"}),
        ("notifications/resources/list_changed", {}, {"a", "b"}),
        ("notifications/resources/updated", {"uri": Raw(b'"file:///a"')}, {"a"}),
        ("notifications/resources/updated", {"uri": Raw(b'"file:///%61/below"')}, {"a"}),
        ("notifications/resources/updated", {"uri": Raw(b'"file:///"')}, {"a", "b"}),
        ("notifications/message", {"data": Raw(b'"x"')}, set()),
    ],
)
async def test_what_a_backend_says_has_changed_is_asked_for_anew(
    method: str, params: dict[str, Raw], again: set[str], autojump_clock: Clock
) -> None:
    """CACHE-8, LIM-96, P-85."""
    async with opened(backend := scripted()) as gateway:

        async def everything() -> dict[str, str]:
            return {"look": await said(gateway), "a": await read(gateway, "a"), "b": await read(gateway, "b")}

        before = await everything()
        backend.notify(method, params)
        await trio.sleep(2)
        after = await everything()
    assert {name for name, answer in after.items() if answer != before[name]} == again


async def test_an_answer_that_was_on_its_way_meanwhile_is_given_and_not_kept(autojump_clock: Clock) -> None:
    async with opened(backend := scripted(Delay(1))) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(read, gateway, "a")
        await trio.sleep(0.5)
        backend.notify("notifications/resources/updated", {"uri": Raw(b'"file:///a"')})
        await trio.sleep(1)
        await read(gateway, "a")
    assert backend.calls == 2


async def test_a_backend_that_was_started_again_is_asked_anew_and_meanwhile_what_is_kept_is_given(autojump_clock: Clock) -> None:
    async with opened(backend := scripted()) as gateway:
        await said(gateway)
        backend.refuse = "not now"
        backend.crash()
        await trio.sleep(0.1)
        assert await said(gateway) == "look {} #1"
        backend.refuse = ""
        await gateway.ready("b")
        assert await said(gateway) == "look {} #2"


async def test_a_backend_that_knows_its_session_no_more_is_asked_anew(autojump_clock: Clock) -> None:
    """P-65: it goes on with another one, and may be another program by now."""
    async with opened(backend := scripted()) as gateway:
        await said(gateway)
        gateway.backends["b"].link.renewed()
        await said(gateway)
    assert backend.calls == 2


async def test_by_hand_all_is_forgotten_and_counted_from_the_beginning(autojump_clock: Clock) -> None:
    """CACHE-7, TST-E18."""
    async with opened(backend := scripted()) as gateway:
        await said(gateway)
        await said(gateway)
        gateway.clear_caches("other")
        assert counted(gateway).hits == 1
        gateway.clear_caches()
        assert counted(gateway) == CacheStatistics(hits=0, misses=0, stale=0, entries=0, entry_bytes=0, hit_rate=0.0)
        await said(gateway)
        assert (counted(gateway).hits, counted(gateway).misses, counted(gateway).entries) == (0, 1, 1)
    assert backend.calls == 2


async def test_other_settings_of_the_backend_leave_it_and_its_own_or_another_connection_empty_it(autojump_clock: Clock) -> None:
    async with opened(backend := scripted()) as gateway:
        (config,) = gateway.config.backends
        await said(gateway)
        for settings in ({"progress": "off"}, {"cache": CacheSettings(tool_ttl_seconds=30)}, {"fidelity": "strict"}):
            config = attrs.evolve(config, **settings)
            await gateway.apply([config])
            await said(gateway)
    assert backend.calls == 3


# -- for whom


async def test_a_private_answer_is_its_principals_alone(autojump_clock: Clock) -> None:
    """CACHE-3, COA-3, P-85, TST-G15."""
    private = b'{"content":[],"resultType":"complete","ttlMs":30000,"cacheScope":"private"}'
    async with opened(backend := scripted(Result(private))) as gateway:
        for name in ("ann", "bob", "ann", "bob", ""):
            await gateway.handler(attrs.evolve(Call.tool("b_look"), caller=Caller("2025-11-25", principal=Principal(name))))
    assert backend.calls == 3


@pytest.mark.parametrize("before", ["public", "private"])
@pytest.mark.parametrize("scope", ["public", "private"])
@pytest.mark.parametrize("ttl", [60000, 0])
async def test_what_is_stale_goes_when_there_is_news_for_whomever_and_for_however_long(
    before: str, scope: str, ttl: int, autojump_clock: Clock
) -> None:
    """P-85: the old one would be given until its stale time is over, in spite of newer ones."""
    old = b'{"content":[],"ttlMs":10000,"cacheScope":"%b"}' % before.encode()
    new = b'{"content":[{"type":"text","text":"new"}],"ttlMs":%d,"cacheScope":"%b"}' % (ttl, scope.encode())
    steps = Result(old), Result(new)
    async with opened(scripted(*steps), stale_while_revalidate_seconds=1000) as gateway:
        for pause in (0, 11, 1):
            await trio.sleep(pause)
            last = await said(gateway)
        assert last == "new"


# -- how long


@pytest.mark.parametrize(("hint", "calls"), [(b'"ttlMs":0', 3), (b'"ttlMs":5000', 2), (b'"ttlMs":1e9', 1), (b'"ttlMs":"x"', 3)])
async def test_a_backend_makes_the_time_shorter_and_never_longer(hint: bytes, calls: int, autojump_clock: Clock) -> None:
    """P-84."""
    async with opened(backend := scripted(Result(b'{"content":[],%b}' % hint))) as gateway:
        for pause in (0, 4, 4):
            await trio.sleep(pause)
            await gateway.call_tool("b_look")
    assert backend.calls == calls


async def test_what_a_result_says_of_its_own_time_is_less_by_its_age(autojump_clock: Clock) -> None:
    async with opened(scripted(Result(b'{"content":[],"ttlMs":30000}'))) as gateway:
        await gateway.call_tool("b_look")
        await trio.sleep(12)
        assert (await gateway.call_tool("b_look")).value["ttlMs"] == 18000


async def test_a_stale_answer_is_given_while_it_is_asked_for_anew_once(autojump_clock: Clock) -> None:
    """CACHE-8."""
    async with opened(backend := scripted(Answer("old"), Delay(1, Answer("new"))), stale_while_revalidate_seconds=30) as gateway:
        await said(gateway)
        await trio.sleep(61)
        began = trio.current_time()
        assert [await said(gateway) for _ in range(3)] == ["old"] * 3
        assert trio.current_time() == began
        await trio.sleep(2)
        assert await said(gateway) == "new"
        assert (backend.calls, counted(gateway).stale) == (2, 3)
        await trio.sleep(91)
        await said(gateway)
        assert (backend.calls, trio.current_time()) == (3, began + 94)


async def test_a_stale_answer_is_given_where_nobody_answers_and_not_instead_of_an_error(autojump_clock: Clock) -> None:
    """CACHE-8."""
    steps = (Answer("old"), RpcError(-32602, "no such thing"))
    async with opened(backend := scripted(*steps), stale_if_error_seconds=30) as gateway:
        await said(gateway)
        await trio.sleep(61)
        fault = (await gateway.call_tool("b_look")).fault
        assert fault is not None
        assert fault.code == -32602
        backend.refuse = "gone"
        backend.crash()
        await trio.sleep(1)
        assert await said(gateway) == "old"
        assert (counted(gateway).hits, counted(gateway).misses, counted(gateway).stale) == (1, 2, 1)
        await trio.sleep(30)
        assert (await gateway.call_tool("b_look")).fault is not None


async def test_it_has_a_bound(autojump_clock: Clock) -> None:
    """CFG-68, CACHE-4."""
    async with opened(scripted(), max_entries=5) as gateway:
        for number in range(20):
            await said(gateway, at=number)
        assert counted(gateway).entries == 5
        assert 5 * 500 < counted(gateway).entry_bytes < 5 * 700


async def test_each_backend_has_numbers_of_its_own_and_one_without_a_cache_has_none(autojump_clock: Clock) -> None:
    """TST-E19, TST-E48."""
    backends = {name: scripted() for name in "abc"}
    builder = Builder("x")
    for name, backend in backends.items():
        builder.backend(name, backend.connector, **({} if name == "c" else {"cache": KEEP}))
    async with builder.open(strict=True) as gateway:
        for tool in ("a_look", "a_look", "b_look", "c_look", "c_look"):
            await gateway.call_tool(tool)
        counted = {name: one for name, one in gateway.statistics()["cache"].items() if isinstance(one, CacheStatistics)}
    assert {name: (one.hits, one.misses) for name, one in counted.items()} == {"a": (1, 1), "b": (0, 1)}


async def test_it_stands_outermost(autojump_clock: Clock) -> None:
    async with opened(scripted(), tools=["get_*"]) as gateway:
        names = []
        step: Any = gateway.policies["b"].cache
        while step is not None:
            names.append(type(step).__name__)
            step = getattr(step, "inner", None)
    assert names == ["Cache", "Backend"]


@attrs.frozen
class Rules:
    """A policy of the embedding program's: whom it knows not is refused, and whoever else asks for his own."""

    inner: Handler

    async def __call__(self, call: Call) -> Reply:
        if call.caller.principal.subject == "bob":
            await trio.lowlevel.checkpoint()
            return Reply.saying("forbidden", is_error=True)
        return await self.inner(call.with_arguments({"user": call.caller.principal.subject}))


@pytest.mark.parametrize("settings", [{"cache": KEEP}, {"coalesce_requests": True}, {"cache": KEEP, "coalesce_requests": True}])
async def test_the_programs_own_layers_see_each_call_whatever_answers_it(settings: dict[str, Any], autojump_clock: Clock) -> None:
    said: dict[str, set[str]] = {}
    backend = ScriptedBackend(Delay(1), tools=[LOOK])
    async with Builder("x").backend("b", backend.connector, **settings).layer(Rules).open(strict=True) as gateway:

        async def ask(who: str) -> None:
            call = attrs.evolve(Call.tool("b_look"), caller=Caller("2025-11-25", principal=Principal(who)))
            said.setdefault(who, set()).add((await gateway.handler(call)).text)

        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for who in ("ann", "ann", "bob", "cid", "ann"):
                    nursery.start_soon(ask, who)
    assert said.pop("bob") == {"forbidden"}
    assert {who: {text.partition("#")[0] for text in texts} for who, texts in said.items()} == {
        who: {f'look {{"user":"{who}"}} '} for who in ("ann", "cid")
    }
    assert backend.calls < 6


async def test_who_asks_is_told_how_old_an_answer_is(autojump_clock: Clock) -> None:
    async with opened(scripted()) as gateway:
        await said(gateway)
        await trio.sleep(7)
        call = Call.tool("b_look")
        await gateway.handler(call)
        kept = call.trail.kept
        assert kept is not None
        assert (kept.age, kept.ttl, call.trail.answerer, call.trail.hops) == (7, 60, "b", [])


async def test_a_bug_in_a_policy_behind_costs_a_refresh_and_nothing_else(autojump_clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    backend = scripted(Answer("old"))
    async with opened(backend, stale_while_revalidate_seconds=30) as gateway:
        await said(gateway)
        cache = gateway.policies["b"].cache
        behind, bugs = cache.inner, iter([True])

        async def policy(call: Call) -> Reply:
            if next(bugs, False):
                raise ZeroDivisionError
            reply: Reply = await behind(call)
            return reply

        cache.inner = policy
        await trio.sleep(61)
        await said(gateway)
        await trio.sleep(1)
        assert await said(gateway) == "old"
        await trio.sleep(1)
    assert "ZeroDivisionError" in caplog.text
    assert backend.calls == 2

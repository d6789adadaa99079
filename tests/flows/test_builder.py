"""A gateway written in Python: namespaces, checks, skipped backends, layers, and backends that come and go."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

from sluicegate import BackendConfig, BackendFailed, Builder, Call, ConfigError, Deadline, Handler, Layer, Reply
from sluicegate.gateway.opening import Gateway
from sluicegate.policies.settings import RateLimitSettings, RetrySettings
from sluicegate.protocol.clientele import MANY
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, Delay


def math() -> ScriptedBackend:
    return ScriptedBackend(name="math", tools=["add", "sub"], instructions="numbers")


def words() -> ScriptedBackend:
    return ScriptedBackend(
        name="text", tools=["echo"], resources=["file:///a"], templates=["file:///{path}"], prompts=["greet"], instructions="words"
    )


def two() -> Builder:
    return Builder("desk", "1.0").backend("math", math().connector).backend("text", words().connector)


async def call(gateway: Gateway, method: str, **params: object) -> Reply:
    target = str(params.get("name") or params.get("uri") or method)
    return await gateway.handler(Call(method, target, {key: Raw(encode(value)) for key, value in params.items()}))


async def ready(gateway: Gateway) -> Gateway:
    await gateway.settled()
    return gateway


# -- M1 … M4: lists and routes


async def test_tools_of_all_backends_are_listed_under_their_namespaces(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        assert list(gateway.catalogue.names(TOOLS)) == ["math_add", "math_sub", "text_echo"]


async def test_a_call_reaches_the_backend_that_has_the_tool(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        assert (await gateway.call_tool("math_add", {"a": 1})).text == 'add {"a":1} #1'
        assert (await gateway.call_tool("text_echo", {"m": "x"})).text == 'echo {"m":"x"} #1'


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("tools/call", {"name": "none_such"}, "Unknown tool: none_such"),
        ("resources/read", {"uri": "none_such"}, "Unknown resource: none_such"),
        ("prompts/get", {"name": "none_such"}, "Unknown prompt: none_such"),
    ],
)
async def test_what_no_backend_offers_is_a_mistake_of_the_caller(
    method: str, params: dict[str, object], says: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        fault = (await call(gateway, method, **params)).fault
        assert fault is not None
        assert (-32602, says) == (fault.code, fault.message)


async def test_resources_templates_and_prompts_are_prefixed_and_routed(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        assert list(gateway.catalogue.names(RESOURCES)) == ["text+file:///a"]
        assert list(gateway.catalogue.names(TEMPLATES)) == ["text+file:///{path}"]
        assert list(gateway.catalogue.names(PROMPTS)) == ["text_greet"]
        read = await call(gateway, "resources/read", uri="text+file:///a")
        assert read.value["contents"] == [{"uri": "text+file:///a", "text": "file:///a {} #1"}]
        prompt = await call(gateway, "prompts/get", name="text_greet", arguments={})
        assert "greet {} #2" in json.dumps(prompt.value)


async def test_another_separator_holds_for_backends_added_before_it(autojump_clock: trio.testing.MockClock) -> None:
    async with two().separator(".").open() as gateway:
        await ready(gateway)
        assert "math.add" in list(gateway.catalogue.names(TOOLS))


# -- M5: checks


async def test_a_gateway_without_backends_opens_and_gets_them_later(autojump_clock: trio.testing.MockClock) -> None:
    backend = math()
    async with Builder("x").open() as gateway:
        await gateway.settled()
        assert (gateway.list_tools(), gateway.is_ready) == ([], False)
        await gateway.add_backend(config_of("math"), backend.connector)
        assert [tool["name"] for tool in gateway.list_tools()] == ["math_add", "math_sub"]


async def test_two_backends_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="duplicate backend name 'math'"):
        async with two().backend("math", math().connector).open():
            raise AssertionError


async def test_namespaces_of_which_one_begins_like_the_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="Ambiguous namespace prefixes"):
        async with Builder("x").backend("redis", math().connector).backend("redis_ft", math().connector).open():
            raise AssertionError


async def test_a_separator_that_tells_namespaces_apart_makes_them_fine(autojump_clock: trio.testing.MockClock) -> None:
    builder = Builder("x").separator(".").backend("redis", math().connector).backend("redis_ft", math().connector)
    async with builder.open() as gateway:
        await ready(gateway)
        assert "redis_ft.add" in list(gateway.catalogue.names(TOOLS))


# -- M6


async def test_a_method_that_nobody_has_is_not_supported(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        fault = (await call(gateway, "tasks/list")).fault
        assert fault is not None
        assert fault.code == -32601
        assert "not supported" in fault.message


# -- M7, M8: sessions of somebody else, and backends that do not come up


async def test_a_session_that_is_open_already_serves_and_is_left_open(autojump_clock: trio.testing.MockClock) -> None:
    class Ears:
        clientele = MANY

        def notification(self, method: str, params: object) -> None:
            raise AssertionError

        def renewed(self) -> None:
            raise AssertionError

    async with math().connector(Ears()) as session:
        for _ in range(2):
            async with Builder("x").backend_client("math", session).open() as gateway:
                await ready(gateway)
                assert (await gateway.call_tool("math_add")).fault is None


async def test_a_backend_that_does_not_shake_hands_is_skipped_and_the_rest_works(autojump_clock: trio.testing.MockClock) -> None:
    broken = ScriptedBackend(version="nonsense")
    async with two().backend("broken", broken.connector).open() as gateway:
        await ready(gateway)
        assert [skipped.namespace for skipped in gateway.skipped] == ["broken"]
        assert str(gateway.skipped[0]).startswith("[broken] Initialize failed: ")
        assert (await gateway.call_tool("math_add")).fault is None


async def test_strict_turns_the_first_skipped_backend_into_an_error(autojump_clock: trio.testing.MockClock) -> None:
    broken = ScriptedBackend()
    broken.refuse = "nobody home"
    with pytest.raises(BackendFailed, match=r"\[broken\] Connect failed: nobody home"):
        async with two().backend("broken", broken.connector).open(strict=True):
            raise AssertionError


async def test_a_source_that_cannot_be_made_is_skipped_with_its_error(autojump_clock: trio.testing.MockClock) -> None:
    def broken() -> list[str]:
        raise LookupError("no such program")

    async with two().backend_try("broken", broken).open() as gateway:
        await ready(gateway)
        assert str(gateway.skipped[0]) == "[broken] Connect failed: LookupError: no such program"
        assert (await gateway.call_tool("math_add")).fault is None


# -- M9: layers


def marking(name: str, seen: list[str]) -> Layer:
    def layer(inner: Handler) -> Handler:
        async def marked(call: Call) -> Reply:
            seen.append(name)
            return await inner(call)

        return marked

    return layer


async def test_a_layer_wraps_the_backend_added_last_and_no_other(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[str] = []
    builder = Builder("x").backend("math", math().connector).layer(marking("math", seen)).backend("text", words().connector)
    async with builder.open() as gateway:
        await ready(gateway)
        await gateway.call_tool("text_echo")
        assert seen == []
        await gateway.call_tool("math_add")
        assert seen == ["math"]


async def test_of_several_layers_the_last_added_is_outermost(autojump_clock: trio.testing.MockClock) -> None:
    seen: list[str] = []
    builder = Builder("x").backend("math", math().connector).layer(marking("first", seen)).layer(marking("second", seen))
    async with builder.open() as gateway:
        await ready(gateway)
        await gateway.call_tool("math_add")
        assert seen == ["second", "first"]


async def test_a_deadline_as_a_layer_bounds_its_backend_and_lets_fast_calls_pass(autojump_clock: trio.testing.MockClock) -> None:
    slow = ScriptedBackend(Delay(5), Answer("quick"))
    builder = Builder("x").backend("slow", slow.connector).layer(lambda inner: Deadline(inner, 1.0)).backend("math", math().connector)
    async with builder.open() as gateway:
        await ready(gateway)
        began = trio.current_time()
        fault = (await gateway.call_tool("slow_echo")).fault
        assert fault is not None
        assert "timed out" in fault.message
        assert trio.current_time() - began == 1.0
        assert (await gateway.call_tool("slow_echo")).text == "quick"


async def test_an_exception_in_a_layer_costs_one_call(autojump_clock: trio.testing.MockClock) -> None:
    def broken(inner: Handler) -> Handler:
        async def raising(call: Call) -> Reply:
            if b"bad" in bytes(call.params["arguments"]):
                raise ZeroDivisionError
            return await inner(call)

        return raising

    async with two().layer(broken).open() as gateway:
        await ready(gateway)
        fault = (await gateway.call_tool("text_echo", {"m": "bad"})).fault
        assert fault is not None
        assert fault.code == -32603
        assert (await gateway.call_tool("text_echo", {"m": "good"})).fault is None


async def test_a_layer_without_a_backend_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="add a backend before"):
        Builder("x").layer(lambda inner: inner)


# -- M10 … M14


async def test_every_backend_says_how_it_is(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        assert {name: backend.state.value for name, backend in gateway.backends.items()} == {"math": "ready", "text": "ready"}


async def test_a_changed_list_is_told_to_who_asked_for_it(autojump_clock: trio.testing.MockClock) -> None:
    told: list[str] = []
    scripted = math()
    async with Builder("x").backend("math", scripted.connector).on_list_changed(told.append).open() as gateway:
        await ready(gateway)
        told.clear()
        scripted.lists["tools"].append({"name": "mul", "inputSchema": {}})
        scripted.notify("notifications/tools/list_changed")
        await trio.testing.wait_all_tasks_blocked()
        assert told == ["notifications/tools/list_changed"]
        assert "math_mul" in list(gateway.catalogue.names(TOOLS))


async def test_instructions_of_the_backends_are_joined_under_their_namespaces(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        assert gateway.catalogue.instructions == "MCP proxy aggregating 2 backend servers.\n\n[math] numbers\n\n[text] words"


async def test_configured_instructions_take_their_place(autojump_clock: trio.testing.MockClock) -> None:
    async with two().instructions("mine").open() as gateway:
        await ready(gateway)
        assert gateway.catalogue.instructions == "mine"


async def test_without_any_instructions_only_the_number_of_backends_is_told(autojump_clock: trio.testing.MockClock) -> None:
    async with Builder("x").backend("quiet", ScriptedBackend().connector).open() as gateway:
        await ready(gateway)
        assert gateway.catalogue.instructions == "MCP proxy aggregating 1 backend servers."


async def test_a_limit_of_one_as_a_layer_lets_calls_through_one_after_the_other_and_all_succeed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    slow, replies = ScriptedBackend(Delay(1)), list[Reply]()

    def one_at_a_time(inner: Handler) -> Handler:
        slots = trio.CapacityLimiter(1)

        async def limited(call: Call) -> Reply:
            async with slots:
                return await inner(call)

        return limited

    async def use() -> None:
        replies.append(await gateway.call_tool("slow_echo"))

    async with Builder("x").backend("slow", slow.connector).layer(one_at_a_time).open() as gateway:
        await ready(gateway)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(use)
            nursery.start_soon(use)
        assert trio.current_time() - began == 2
    assert [reply.fault for reply in replies] == [None, None]


async def test_lists_asked_for_at_once_are_answered_alike_and_the_backend_is_not_asked_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scripted, answers = math(), list[bytes]()

    async def use() -> None:
        answers.append(bytes((await gateway._endpoint.handle(Call("tools/list", "tools/list", {}))).result))

    async with Builder("x").backend("math", scripted.connector).open() as gateway:
        await ready(gateway)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(use)
        assert (await gateway._endpoint.handle(Call("ping", "ping", {}))).fault is None
        assert [message.method for message in scripted.received].count("tools/list") == 1
    assert len(answers) == 5
    assert len(set(answers)) == 1


async def test_calls_run_side_by_side(autojump_clock: trio.testing.MockClock) -> None:
    slow = ScriptedBackend(Delay(1))
    async with Builder("x").backend("slow", slow.connector).open() as gateway:
        await ready(gateway)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(gateway.call_tool, "slow_echo")
        assert trio.current_time() - began == 1


# -- M15, M16: backends that come and go


def config_of(name: str, **settings: object) -> BackendConfig:
    return Builder("y").backend(name, math().connector, **settings).config().backends[0]


async def test_an_added_backend_is_listed_and_callable(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        await gateway.add_backend(config_of("more"), math().connector)
        assert list(gateway.backends) == ["math", "text", "more"]
        assert (await gateway.call_tool("more_add")).fault is None


async def test_adding_a_name_that_is_there_or_an_ambiguous_one_changes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        with pytest.raises(ConfigError, match="duplicate"):
            await gateway.add_backend(config_of("math"), math().connector)
        with pytest.raises(ConfigError, match="Ambiguous"):
            await gateway.add_backend(config_of("math_x"), math().connector)
        assert list(gateway.backends) == ["math", "text"]
        assert (await gateway.call_tool("math_add")).fault is None


async def test_two_that_add_one_name_at_once_cannot_both_succeed(autojump_clock: trio.testing.MockClock) -> None:
    outcomes: list[str] = []

    async def add() -> None:
        try:
            await gateway.add_backend(config_of("more"), math().connector)
            outcomes.append("added")
        except ConfigError:
            outcomes.append("refused")

    async with two().open() as gateway:
        await ready(gateway)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(add)
            nursery.start_soon(add)
    assert sorted(outcomes) == ["added", "refused"]


async def test_adding_a_backend_that_does_not_answer_changes_nothing(autojump_clock: trio.testing.MockClock) -> None:
    absent = ScriptedBackend()
    absent.refuse = "nobody home"
    async with two().open() as gateway:
        await ready(gateway)
        with pytest.raises(BackendFailed, match="nobody home"):
            await gateway.add_backend(config_of("absent"), absent.connector)
        assert list(gateway.backends) == ["math", "text"]


async def test_a_removed_backend_is_gone_from_the_lists_at_once_and_its_calls_end_in_peace(autojump_clock: trio.testing.MockClock) -> None:
    slow, replies = ScriptedBackend(Delay(5)), list[Reply]()

    async def use() -> None:
        replies.append(await gateway.call_tool("slow_echo"))

    async with two().backend("slow", slow.connector).open() as gateway:
        await ready(gateway)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(use)
            await trio.sleep(1)
            nursery.start_soon(gateway.remove_backend, "slow")
            await trio.sleep(1)
            assert "slow_echo" not in list(gateway.catalogue.names(TOOLS))
            later = (await gateway.call_tool("slow_echo")).fault
            assert later is not None
            assert replies == []
        assert [reply.fault for reply in replies] == [None]
        assert slow.sessions == []


async def test_removing_what_is_not_there_says_so_and_all_can_be_removed(autojump_clock: trio.testing.MockClock) -> None:
    async with two().open() as gateway:
        await ready(gateway)
        assert not await gateway.remove_backend("none")
        assert await gateway.remove_backend("math")
        assert await gateway.remove_backend("text")
        assert gateway.backends == {}
        assert list(gateway.catalogue.names(TOOLS)) == []


async def test_a_replacement_that_fails_leaves_the_old_one_serving(autojump_clock: trio.testing.MockClock) -> None:
    absent, better = ScriptedBackend(), ScriptedBackend(tools=["better"])
    absent.refuse = "nobody home"
    async with two().open() as gateway:
        await ready(gateway)
        with pytest.raises(BackendFailed):
            await gateway.replace_backend(config_of("math"), absent.connector)
        assert (await gateway.call_tool("math_add")).fault is None
        await gateway.replace_backend(config_of("math"), better.connector)
        assert list(gateway.catalogue.names(TOOLS)) == ["math_better", "text_echo"]
        assert list(gateway.backends) == ["math", "text"]
        assert (await gateway.call_tool("math_better")).fault is None


async def test_tables_may_be_written_as_in_a_file(autojump_clock: trio.testing.MockClock) -> None:
    builder = Builder("x").backend("b", ScriptedBackend().connector, timeout={"seconds": 20}, retry={"only": ["echo"]}, health=None)
    builder.proxy(rate_limit={"requests": 5})

    config = builder.config()

    assert config.backends[0].timeout.seconds == 20
    assert config.backends[0].retry == RetrySettings(only=("echo",))
    assert config.proxy.rate_limit == RateLimitSettings(5)
    async with builder.open(strict=True) as gateway:
        assert (await gateway.call_tool("b_echo")).fault is None


def test_all_that_is_wrong_with_such_tables_is_told_at_once() -> None:
    builder = Builder("x").backend("a", ScriptedBackend().connector)
    with pytest.raises(ConfigError) as caught:
        builder.backend("b", ScriptedBackend().connector, timeout={"second": 20}, retry={"max_retries": "many"})
    assert sorted(str(problem) for problem in caught.value.problems) == [
        "backends[1].retry.max_retries: a text stands where a whole number is expected; write a whole number without quotes",
        "backends[1].timeout.second: unknown key 'second'; did you mean 'seconds'?",
    ]
    assert len(builder.config().backends) == 1

"""Backends that are added, replaced and removed while much else goes on: what is left is always whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio
import trio.testing
from tests.kit.changing import Slow, named, one

from sluicegate import BackendFailed, Builder, Call, ConfigError, Handler, Reply, State
from sluicegate.gateway.opening import open_gateway
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay

Clock = trio.testing.MockClock


async def outcome(work: Awaitable[object], into: list[str]) -> None:
    try:
        into.append(repr(await work))
    except (ConfigError, BackendFailed) as error:
        into.append(type(error).__name__)


async def test_a_backend_that_is_not_there_cannot_be_replaced(autojump_clock: Clock) -> None:
    async with Builder("x").backend("a", one("t").connector).open() as gateway:
        await gateway.settled()
        with pytest.raises(ConfigError, match="no backend 'b'"):
            await gateway.replace_backend(named("b", namespace="a"), one("u").connector)
        assert list(gateway.backends) == ["a"]


async def test_a_backend_whose_layer_cannot_be_put_around_it_changes_nothing(autojump_clock: Clock) -> None:
    def broken(_inner: Handler) -> Handler:
        raise ZeroDivisionError

    config = Builder("x").backend("a", one("t").connector).config()
    first, late = one("t"), one("u")
    async with open_gateway(config, servers={"a": first.connector}, layers={"late": [broken]}) as gateway:
        await gateway.settled()
        with pytest.raises(ZeroDivisionError):
            await gateway.add_backend(named("late"), late.connector)
        first.crash()
        await trio.sleep(5)
        assert list(gateway.backends) == ["a"]
        assert (await gateway.call_tool("a_t")).fault is None
        assert late.sessions == []


async def test_a_backend_that_is_added_has_layers_of_its_own_as_long_as_it_is_there(autojump_clock: Clock) -> None:
    seen: list[str] = []

    def layer(name: str) -> Callable[[Handler], Handler]:
        def around(inner: Handler) -> Handler:
            async def see(call: Call) -> Reply:
                seen.append(name)
                return await inner(call)

            return see

        return around

    def broken(_inner: Handler) -> Handler:
        raise ZeroDivisionError

    late, again = one("t"), one("t")
    async with Builder("x").backend("a", one("t").connector).open() as gateway:
        await gateway.settled()
        await gateway.add_backend(named("late"), late.connector, [layer("inner"), layer("outer")])
        await gateway.call_tool("late_t")
        await gateway.call_tool("a_t")
        await gateway.replace_backend(named("late"), again.connector)
        await gateway.call_tool("late_t")
        assert seen == ["outer", "inner"] * 2
        await gateway.remove_backend("late")
        await gateway.add_backend(named("late"), late.connector)
        await gateway.call_tool("late_t")
        assert len(seen) == 4
        with pytest.raises(ZeroDivisionError):
            await gateway.add_backend(named("broken"), one("t").connector, [broken])
        await gateway.add_backend(named("broken"), one("t").connector)
        assert (await gateway.call_tool("broken_t")).fault is None


async def test_a_backend_removed_while_it_is_being_replaced_stays_removed(autojump_clock: Clock) -> None:
    new, outcomes = one("u"), list[str]()
    async with Builder("x").backend("a", one("t").connector).backend("z", one("t").connector).open() as gateway:
        await gateway.settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, gateway.replace_backend(named("a"), Slow(new)), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            assert await gateway.remove_backend("a")
        assert outcomes == ["ConfigError"]
        assert list(gateway.backends) == ["z"]
        await trio.testing.wait_all_tasks_blocked()
        assert new.sessions == []


async def test_of_two_replacements_at_once_the_later_one_serves_and_the_other_has_ended(autojump_clock: Clock) -> None:
    old, first, second, outcomes = one("t"), one("first"), one("second"), list[str]()
    async with Builder("x").backend("a", old.connector).open() as gateway:
        await gateway.settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, gateway.replace_backend(named("a"), Slow(first, 1)), outcomes)
            nursery.start_soon(outcome, gateway.replace_backend(named("a"), Slow(second, 2)), outcomes)
        assert outcomes == ["None", "None"]
        assert list(gateway.catalogue.names(TOOLS)) == ["a_second"]
        assert [len(backend.sessions) for backend in (old, first, second)] == [0, 0, 1]


async def test_a_replacement_and_an_addition_that_want_one_namespace_cannot_both_succeed(autojump_clock: Clock) -> None:
    outcomes: list[str] = []
    async with Builder("x").backend("a", one("t").connector).open() as gateway:
        await gateway.settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, gateway.replace_backend(named("a", namespace="new"), Slow(one("t"))), outcomes)
            nursery.start_soon(outcome, gateway.add_backend(named("new"), Slow(one("t"))), outcomes)
        assert sorted(outcomes) == ["ConfigError", "None"]


async def test_what_stands_in_for_a_backend_that_was_removed_meanwhile_is_not_added(autojump_clock: Clock) -> None:
    outcomes: list[str] = []
    async with Builder("x").backend("a", one("t").connector).backend("z", one("t").connector).open() as gateway:
        await gateway.settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outcome, gateway.add_backend(named("spare", failover_for="a"), Slow(one("t"))), outcomes)
            await trio.testing.wait_all_tasks_blocked()
            assert await gateway.remove_backend("a")
        assert outcomes == ["ConfigError"]
        await gateway.add_backend(named("more"), one("t").connector)
        assert list(gateway.backends) == ["z", "more"]


async def test_a_failed_replacement_leaves_no_source_behind(autojump_clock: Clock) -> None:
    absent = one("t")
    absent.refuse = "nobody home"
    async with Builder("x").backend("a", one("t").connector).open() as gateway:
        await gateway.settled()
        with pytest.raises(BackendFailed):
            await gateway.replace_backend(named("a"), absent.connector)
        await gateway.replace_backend(named("a", expose_tools=("t",)))
        assert gateway.backends["a"].is_up


async def test_the_last_that_a_watcher_hears_of_a_replaced_backend_is_that_it_is_ready(autojump_clock: Clock) -> None:
    async with Builder("x").backend("a", one("t").connector).open() as gateway:
        await gateway.settled()
        async with gateway.changes() as changes:
            await gateway.replace_backend(named("a"), one("u").connector)
            await trio.testing.wait_all_tasks_blocked()
            heard = []
            while changes.statistics().current_buffer_used:
                heard.append(changes.receive_nowait().new)
        assert heard == [State.READY]


@pytest.mark.parametrize("change", ["add", "replace", "remove"])
async def test_a_change_that_is_cancelled_at_any_moment_leaves_a_whole_gateway(change: str, autojump_clock: Clock) -> None:
    for moment in (0.0, 0.5, 1.0, 1.5, 2.5, 5.0):
        old, new = ScriptedBackend(Delay(3), tools=["t"]), one("t")
        async with (
            Builder("x").backend("a", old.connector).backend("z", one("t").connector).open() as gateway,
            trio.open_nursery() as nursery,
        ):
            await gateway.settled()
            nursery.start_soon(gateway.call_tool, "a_t")
            await trio.testing.wait_all_tasks_blocked()
            work: dict[str, Callable[[], Awaitable[object]]] = {
                "add": lambda gateway=gateway, new=new: gateway.add_backend(named("b"), Slow(new)),  # type: ignore[misc]
                "replace": lambda gateway=gateway, new=new: gateway.replace_backend(named("a"), Slow(new)),  # type: ignore[misc]
                "remove": lambda gateway=gateway: gateway.remove_backend("a"),  # type: ignore[misc]
            }
            with trio.move_on_after(moment):
                await work[change]()
            await trio.testing.wait_all_tasks_blocked()
            for name, backend in gateway.backends.items():
                assert backend.is_up
                assert (await gateway.call_tool(f"{name}_t")).fault is None
            assert len(old.sessions) + len(new.sessions) == len(gateway.backends) - 1


async def test_a_replacement_that_the_end_of_the_gateway_cuts_says_so(autojump_clock: Clock) -> None:
    new, errors = one("t"), list[str]()

    async def replace() -> None:
        try:
            await gateway.replace_backend(named("a"), Slow(new, 20))
        except BackendFailed as error:
            errors.append(str(error))

    async with trio.open_nursery() as nursery, Builder("x").backend("a", one("t").connector).open() as gateway:
        await gateway.settled()
        nursery.start_soon(replace)
        await trio.testing.wait_all_tasks_blocked()
    assert errors == ["[a] Connect failed: it was stopped before it was ready"]
    assert new.sessions == []


async def test_policies_and_their_counts_outlive_a_change_of_other_backends(autojump_clock: Clock) -> None:
    made: list[Handler] = []

    def layer(inner: Handler) -> Handler:
        async def policy(call: Call) -> Reply:
            return await inner(call)

        made.append(policy)
        return policy

    source, shadow = one("t"), one("t")
    builder = Builder("x").backend("a", source.connector).layer(layer)
    builder = builder.backend("s", shadow.connector, mirror_of="a", mirror_percent=50)
    async with builder.open() as gateway:
        await gateway.settled()
        await gateway.call_tool("a_t")
        await gateway.add_backend(named("more"), one("t").connector)
        await gateway.call_tool("a_t")
        await trio.testing.wait_all_tasks_blocked()
        assert shadow.calls == 1, "every second call"
        assert len(made) == 1
        await gateway.replace_backend(named("a"), one("t").connector)
        assert len(made) == 2, "a new backend gets policies of its own"
        assert (await gateway.call_tool("a_t")).fault is None


async def test_a_bug_in_what_listens_for_changed_lists_costs_no_backend(autojump_clock: Clock) -> None:
    def broken(method: str) -> None:
        raise RuntimeError(method)

    scripted, heard = one("t"), list[str]()
    async with Builder("x").backend("a", scripted.connector).on_list_changed(broken).on_list_changed(heard.append).open() as gateway:
        await gateway.backends["a"].wait_for(lambda backend: backend.is_up)
        scripted.crash()
        await gateway.backends["a"].wait_for(lambda backend: backend.state is State.RESTARTING)
        await gateway.backends["a"].wait_for(lambda backend: backend.is_up)
        assert gateway.backends["a"].error == ""
        assert gateway.backends["a"].restarts == 1
        assert heard == ["notifications/tools/list_changed"]


async def test_a_watcher_that_stopped_listening_does_no_harm(autojump_clock: Clock) -> None:
    scripted = one("t")
    async with Builder("x").backend("a", scripted.connector).open() as gateway:
        await gateway.settled()
        async with gateway.changes() as changes:
            changes.close()
            scripted.crash()
            await gateway.backends["a"].wait_for(lambda backend: backend.state is State.RESTARTING)
            await gateway.backends["a"].wait_for(lambda backend: backend.is_up)


async def test_a_call_whose_backend_is_replaced_ends_where_it_began(autojump_clock: Clock) -> None:
    old, new, replies = ScriptedBackend(Delay(5), tools=["t"]), one("t"), list[Reply]()

    async def use() -> None:
        replies.append(await gateway.call_tool("a_t", {"n": 1}))

    async with Builder("x").backend("a", old.connector).open() as gateway, trio.open_nursery() as nursery:
        await gateway.settled()
        nursery.start_soon(use)
        await trio.testing.wait_all_tasks_blocked()
        await gateway.replace_backend(named("a"), new.connector)
        assert [reply.text for reply in replies] == ['t {"n":1} #1']
        assert (old.calls, new.calls) == (1, 0)


async def test_an_access_log_that_cannot_be_written_costs_no_call(autojump_clock: Clock) -> None:
    written: list[bytes] = []

    async def write(batch: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if trio.current_time() < 100:
            raise OSError("no space left")
        written.append(batch)

    config = Builder("x").backend("a", one("t").connector).config()
    async with open_gateway(config, servers={"a": one("t").connector}, access_log=write) as gateway:
        await gateway.settled()
        for _ in range(3):
            assert (await gateway.call_tool("a_t")).fault is None
            await trio.sleep(1)
        await trio.sleep(100)
        assert (await gateway.call_tool("a_t")).fault is None
    assert b'"lost":3' in written[0].splitlines()[0]
    assert len(b"".join(written).splitlines()) == 2


async def test_a_copy_under_way_to_a_mirror_that_is_removed_ends_and_the_call_does_not(autojump_clock: Clock) -> None:
    source, shadow, replies = ScriptedBackend(Delay(8), tools=["t"]), ScriptedBackend(Delay(1000), tools=["t"]), list[Reply]()

    async def use() -> None:
        replies.append(await gateway.call_tool("a_t"))

    builder = Builder("x").proxy(shutdown_timeout_seconds=5).backend("a", source.connector)
    async with builder.backend("s", shadow.connector, mirror_of="a").open() as gateway:
        await gateway.settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(use)
            await trio.testing.wait_all_tasks_blocked()
            assert await gateway.remove_backend("s")
            assert trio.current_time() == 5
            assert shadow.sessions == []
        assert [reply.fault for reply in replies] == [None]
        assert trio.current_time() == 8


async def test_a_backend_removed_while_it_starts_holds_nobody_up(autojump_clock: Clock) -> None:
    hanging = one("t")
    hanging.mute = True
    async with (
        Builder("x").backend("a", one("t").connector).backend("h", hanging.connector).open() as gateway,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(gateway.settled)
        await trio.testing.wait_all_tasks_blocked()
        assert await gateway.remove_backend("h")
        assert await gateway.remove_backend("h") is False
        await gateway.settled()
        assert trio.current_time() == 0
        assert hanging.sessions == []


async def test_nothing_brought_for_a_backend_in_the_process_is_a_reason_and_no_bug(autojump_clock: Clock) -> None:
    async with Builder("x").backend("a", one("t").connector).open() as gateway:
        await gateway.settled()
        with pytest.raises(BackendFailed, match="nobody brought a server object"):
            await gateway.add_backend(named("b"))


def _policies(backend: ScriptedBackend) -> Builder:
    return Builder("x").backend("a", backend.connector, circuit_breaker={"failure_rate_threshold": 0.5}, hide_tools=["t"])


async def test_what_differs_only_in_what_is_seen_keeps_its_session_and_what_its_policies_know(autojump_clock: Clock) -> None:
    backend, heard = ScriptedBackend(tools=["t", "u"]), list[str]()
    async with _policies(backend).on_list_changed(heard.append).open() as gateway:
        await gateway.ready()
        policies, session = gateway.policies["a"], backend.sessions[0]
        assert policies.breaker is not None
        policies.breaker.force_open()
        heard.clear()
        await gateway.replace_backend(attrs.evolve(_policies(backend).config().backends[0], hide_tools=("u",)))
        assert [tool["name"] for tool in gateway.list_tools()] == ["a_t"]
        assert gateway.policies["a"] is policies
        assert backend.sessions == [session]
        reply = await gateway.call_tool("a_t")
        assert reply.fault is not None
        assert reply.fault.reason == "circuit_open"
        policies.breaker.reset()
        assert (await gateway.call_tool("a_t")).fault is None
        assert heard == ["notifications/tools/list_changed"]


@pytest.mark.parametrize("change", [{"health": {"interval_seconds": 9}}, {"fidelity": "strict"}, {}])
async def test_what_differs_in_its_connection_or_in_nothing_is_connected_anew(change: dict[str, object], autojump_clock: Clock) -> None:
    backend = ScriptedBackend(tools=["t", "u"])
    settings: dict[str, object] = {"circuit_breaker": {"failure_rate_threshold": 0.5}, "hide_tools": ["t"]}
    other = Builder("x").backend("a", backend.connector, **(settings | change)).config().backends[0]
    async with _policies(backend).open() as gateway:
        await gateway.ready()
        session = backend.sessions[0]
        await gateway.replace_backend(other)
        assert len(backend.sessions) == 1
        assert backend.sessions[0] is not session


async def test_a_view_that_makes_no_sense_changes_nothing(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(tools=["t", "u"])
    async with _policies(backend).open() as gateway:
        await gateway.ready()
        with pytest.raises(ConfigError, match="cannot specify both"):
            await gateway.replace_backend(attrs.evolve(_policies(backend).config().backends[0], expose_tools=("u",)))
        assert [tool["name"] for tool in gateway.list_tools()] == ["a_u"]


async def test_a_primary_with_a_stand_in_cannot_go_before_it_and_nothing_has_changed(autojump_clock: Clock) -> None:
    first, second = one("t"), one("t")
    async with Builder("x").backend("a", first.connector).backend("b", second.connector, failover_for="a").open() as gateway:
        await gateway.ready()
        with pytest.raises(ConfigError, match="failover_for references unknown backend 'a'"):
            await gateway.remove_backend("a")
        assert [list(gateway.backends), len(first.sessions), len(second.sessions)] == [["a", "b"], 1, 1]
        assert await gateway.remove_backend("b")
        assert await gateway.remove_backend("a")


async def test_who_comes_later_under_a_name_has_no_layers_of_who_had_it_before(autojump_clock: Clock) -> None:
    seen: list[str] = []

    def telling(inner: Handler) -> Handler:
        async def told(call: Call) -> Reply:
            seen.append(call.target)
            return await inner(call)

        return told

    config = Builder("x").backend("a", one("t").connector).config()
    async with open_gateway(config, servers={"a": one("t").connector}, layers={"a": [telling]}) as gateway:
        await gateway.settled()
        assert (await gateway.call_tool("a_t")).fault is None
        assert seen == ["a_t"]
        await gateway.remove_backend("a")
        await gateway.add_backend(named("a"), one("t").connector)
        assert (await gateway.call_tool("a_t")).fault is None
        assert seen == ["a_t"]

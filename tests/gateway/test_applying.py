"""One verb changes the backends of a running gateway: whole or not at all, and no more than has to change."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
import trio.lowlevel
import trio.testing
from tests.kit.changing import BREAKER, Slow, evolved, named, names_of, one, running, whole

from sluicegate import BackendConfig, BackendFailed, Builder, ConfigError, Handler, Reply, State
from sluicegate.gateway.opening import open_gateway
from sluicegate.policies.breaker import BreakerState
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, RpcError

Clock = trio.testing.MockClock


# -- no more than has to change


async def test_other_filters_alone_open_no_session_and_an_open_breaker_stays_open(autojump_clock: Clock) -> None:
    backend, heard = one("t", "u"), list[str]()
    builder = Builder("x").backend("a", backend.connector, circuit_breaker=BREAKER).on_list_changed(heard.append)
    async with running(builder) as gateway:
        policies, sessions, messages = gateway.policies["a"], list(backend.sessions), len(backend.received)
        assert policies.breaker is not None
        policies.breaker.force_open()
        heard.clear()
        await gateway.apply(evolved(gateway, "a", hide_tools=["t"]))
        assert names_of(gateway) == ["a_u"]
        assert heard == ["notifications/tools/list_changed"]
        assert gateway.policies["a"] is policies
        assert (backend.sessions, len(backend.received)) == (sessions, messages), "it heard nothing of it"
        fault = (await gateway.call_tool("a_u")).fault
        assert fault is not None
        assert fault.reason == "circuit_open"


async def test_another_namespace_is_a_matter_of_names_alone(autojump_clock: Clock) -> None:
    backend = one()
    async with running(Builder("x").backend("a", backend.connector, namespace="old")) as gateway:
        sessions = list(backend.sessions)
        await gateway.apply(evolved(gateway, "a", namespace="new", aliases=[{"from": "t", "to": "v"}]))
        assert names_of(gateway) == ["new_v"]
        assert (await gateway.call_tool("new_v")).text == "t {} #1"
        assert backend.sessions == sessions


async def test_a_policy_whose_settings_differ_is_made_anew_and_the_others_go_on_counting(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(RpcError(-32603))
    settings: dict[str, Any] = {
        "circuit_breaker": {"minimum_calls": 2, "wait_duration_seconds": 600},
        "outlier_detection": {"consecutive_errors": 5},
        "rate_limit": {"requests": 100, "period_seconds": 1000},
        "concurrency": {"max_concurrent": 3},
        "hedging": {"delay_ms": 60_000, "only": "all"},
        "retry": {"max_retries": 1, "only": "all", "budget_percent": 50},
    }
    async with running(Builder("x").backend("a", backend.connector, **settings)) as gateway:
        await gateway.call_tool("a_echo")
        await gateway.call_tool("a_echo")
        old, sessions = gateway.policies["a"], list(backend.sessions)
        assert old.breaker is not None
        assert old.outlier is not None
        assert (old.breaker.state, old.outlier.consecutive) == (BreakerState.OPEN, 2)
        await gateway.apply(evolved(gateway, "a", circuit_breaker={"minimum_calls": 3, "wait_duration_seconds": 600}))
        new = gateway.policies["a"]
        assert new.breaker is not None
        assert new.breaker is not old.breaker
        assert (new.budget, new.outlier, new.rate, new.concurrency) == (old.budget, old.outlier, old.rate, old.concurrency)
        assert (new.hedge, new.retry) == (old.hedge, old.retry)
        assert backend.sessions == sessions
        await gateway.call_tool("a_echo")
        await gateway.call_tool("a_echo")
        assert (new.breaker.state, old.outlier.consecutive, backend.calls) == (BreakerState.OPEN, 5, 5), (
            "the new one is asked, also by the hedge"
        )


@pytest.mark.parametrize(
    ("change", "made_anew"),
    [
        ({"retry": {"max_retries": 2, "budget_percent": 50}}, {"retry"}),
        ({"retry": {"max_retries": 1, "budget_percent": 60}}, {"budget"}),
        ({"retry": None}, {"retry", "budget"}),
        ({"hedging": {"delay_ms": 100}}, {"hedge"}),
        ({"outlier_detection": {"consecutive_errors": 6}}, {"outlier"}),
        ({"outlier_detection": None, "circuit_breaker": None}, {"outlier", "breaker"}),
        ({"rate_limit": {"requests": 99}}, {"rate"}),
        ({"concurrency": {"max_concurrent": 4}}, {"concurrency"}),
        ({"timeout": {"seconds": 9, "per_attempt_seconds": 3}}, set()),
        ({"progress": "off"}, set()),
        ({"failover_for": "z"}, set()),
        ({"restart": {"initial_seconds": 0.1}, "connect_timeout_seconds": 3.0, "required": True}, set()),
    ],
)
async def test_each_policy_is_made_of_its_own_settings(change: dict[str, Any], made_anew: set[str], autojump_clock: Clock) -> None:
    settings: dict[str, Any] = {
        "retry": {"max_retries": 1, "budget_percent": 50},
        "hedging": {"delay_ms": 200},
        "circuit_breaker": {},
        "outlier_detection": {},
        "rate_limit": {"requests": 100},
        "concurrency": {"max_concurrent": 3},
    }
    backend, other = one(), one()
    async with running(Builder("x").backend("z", other.connector).backend("a", backend.connector, **settings)) as gateway:
        old, sessions = gateway.policies["a"], list(backend.sessions)
        await gateway.apply(evolved(gateway, "a", **change))
        new = gateway.policies["a"]
        handles = ("budget", "retry", "hedge", "breaker", "outlier", "rate", "concurrency")
        assert {name for name in handles if getattr(new, name) is not getattr(old, name)} == made_anew
        assert backend.sessions == sessions
        assert (await gateway.call_tool("z_t" if "failover_for" in change else "a_t")).fault is None


async def test_a_call_that_is_on_its_way_meets_the_new_policy_at_its_next_attempt(autojump_clock: Clock) -> None:
    backend, replies = ScriptedBackend(RpcError(-32603)), list[Reply]()
    retry = {"max_retries": 3, "initial_backoff_ms": 1000, "only": "all"}

    async def call() -> None:
        replies.append(await gateway.call_tool("a_echo"))

    async with running(Builder("x").backend("a", backend.connector, retry=retry)) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await trio.testing.wait_all_tasks_blocked()
        await gateway.apply(evolved(gateway, "a", circuit_breaker=BREAKER))
        breaker = gateway.policies["a"].breaker
        assert breaker is not None
        breaker.force_open()
        await trio.sleep(60)
        assert backend.calls == 1
        assert [reply.fault and reply.fault.cause.value for reply in replies] == ["backend"], (
            "what the backend has said says more than a gate"
        )


async def test_a_hedge_that_stays_asks_the_breaker_of_now(autojump_clock: Clock) -> None:
    backend = ScriptedBackend(Delay(10))
    settings: dict[str, Any] = {"hedging": {"delay_ms": 1000, "only": "all"}, "circuit_breaker": {}}
    async with running(Builder("x").backend("a", backend.connector, **settings)) as gateway, trio.open_nursery() as nursery:
        await gateway.apply(evolved(gateway, "a", circuit_breaker=BREAKER))
        breaker = gateway.policies["a"].breaker
        assert breaker is not None
        nursery.start_soon(gateway.call_tool, "a_echo")
        await trio.sleep(0.5)
        breaker.force_open()
        await trio.sleep(1)
        assert backend.calls == 1, "no copy is sent to who is being spared"
        hedge = gateway.policies["a"].hedge
        assert hedge is not None
        assert hedge.sent == 0
        nursery.cancel_scope.cancel()


async def test_the_next_restart_goes_by_the_new_settings(autojump_clock: Clock) -> None:
    backend = one()
    async with running(Builder("x").backend("a", backend.connector, restart={"initial_seconds": 20.0})) as gateway:
        await gateway.apply(evolved(gateway, "a", restart={"initial_seconds": 0.5}))
        backend.crash()
        await trio.sleep(0.6)
        assert gateway.backends["a"].is_up


async def test_another_connection_serves_when_it_is_there_and_the_old_one_ends_its_calls(autojump_clock: Clock) -> None:
    old, new, replies = ScriptedBackend(Delay(3), tools=["t"]), one("u"), list[str]()

    async def call() -> None:
        replies.append((await gateway.call_tool("a_t")).text)

    async with running(Builder("x").backend("a", old.connector)) as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(gateway.apply, list(gateway.config.backends))  # of the same: nothing
        await trio.testing.wait_all_tasks_blocked()

        async def change() -> None:
            await gateway.apply(gateway.config.backends, sources={"a": Slow(new, 2)})

        nursery.start_soon(change)
        await trio.sleep(1)
        assert names_of(gateway) == ["a_t"]
        nursery.start_soon(call)
        await trio.sleep(1.5)
        assert names_of(gateway) == ["a_u"]
        assert (len(old.sessions), len(new.sessions)) == (1, 1)
        await trio.sleep(2)
        assert replies == ["t {} #1"]
        assert old.sessions == []


async def test_a_connection_that_does_not_come_up_takes_the_place_after_the_wait_of_a_start(autojump_clock: Clock) -> None:
    """As in nginx and Envoy the configuration decides, and not who is there; whoever wants it otherwise is strict."""
    old, dead = one(), one()
    dead.mute = True
    async with running(Builder("x").proxy(startup_wait_seconds=4.0).backend("a", old.connector)) as gateway:
        began = trio.current_time()
        await gateway.apply(gateway.config.backends, sources={"a": dead.connector})
        assert trio.current_time() - began == 4
        assert (old.sessions, gateway.backends["a"].state) == ([], State.STARTING)


async def test_who_was_not_there_before_comes_up_behind(autojump_clock: Clock) -> None:
    absent = one()
    absent.refuse = "nobody home"
    async with running(Builder("x").backend("a", one().connector)) as gateway:
        await gateway.apply([*gateway.config.backends, named("b"), named("c")], sources={"b": absent.connector, "c": Slow(one("u"), 5)})
        assert trio.current_time() == 0
        assert list(gateway.backends) == ["a", "b", "c"]
        await trio.sleep(6)
        assert [skipped.namespace for skipped in gateway.skipped] == ["b"]
        assert names_of(gateway) == ["a_t", "c_u"]


# -- whole or not at all


def broken(_inner: Handler) -> Handler:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ([named("a", hide_tools=["t"]), named("b", failover_for="nobody")], ConfigError),
        ([named("a", namespace="x"), named("c", namespace="x")], ConfigError),
        ([named("a", hide_tools=["t"]), named("typo", timeout={"seconds": -1})], ConfigError),
        ([named("a", hide_tools=["t"]), named("nothing")], TypeError),
        ([named("a", circuit_breaker=BREAKER), named("b", hide_tools=["t"]), named("breaks")], ZeroDivisionError),
        ([named("a", circuit_breaker=BREAKER), named("dead", required=True)], BackendFailed),
    ],
)
async def test_what_fails_changes_nothing(wanted: list[BackendConfig], error: type[Exception], autojump_clock: Clock) -> None:
    a, b, new, dead = one(), one(), one(), one()
    dead.refuse = "nobody home"
    config = Builder("x").backend("a", a.connector).backend("b", b.connector, failover_for="a").config()
    servers: dict[str, object] = {"a": a.connector, "b": b.connector}
    async with open_gateway(config, servers=servers, layers={"breaks": [broken]}) as gateway:
        await gateway.ready()
        before = whole(gateway)
        sources = {"typo": new.connector, "breaks": new.connector, "nothing": object(), "dead": dead.connector, "c": new.connector}
        with pytest.raises(error):
            await gateway.apply(wanted, sources=sources)
        assert whole(gateway) == before
        await trio.testing.wait_all_tasks_blocked()
        assert (len(a.sessions), len(b.sessions), new.sessions, dead.sessions) == (1, 1, [], [])
        assert (await gateway.call_tool("a_t")).fault is None


async def test_strict_waits_for_all_that_are_connected_to_and_the_first_failure_undoes_everything(autojump_clock: Clock) -> None:
    a, slow, dead = one("t", "u"), one(), one()
    dead.refuse = "nobody home"
    async with running(Builder("x").backend("a", a.connector)) as gateway:
        before = whole(gateway)
        wanted = [named("a", hide_tools=["t"]), named("slow"), named("dead")]
        with pytest.raises(BackendFailed, match=r"\[dead\] Connect failed"):
            await gateway.apply(wanted, sources={"slow": Slow(slow, 3), "dead": dead.connector}, strict=True)
        assert trio.current_time() == 3
        assert whole(gateway) == before
        dead.refuse = ""
        await gateway.apply(wanted, sources={"slow": Slow(slow, 3), "dead": dead.connector}, strict=True)
        assert [backend.is_up for backend in gateway.backends.values()] == [True, True, True]
        assert names_of(gateway) == ["a_u", "slow_t", "dead_t"]


# -- who may be what


async def test_a_primary_and_its_stand_in_change_places_in_one_step(autojump_clock: Clock) -> None:
    first, second = one(), one()
    builder = Builder("x").backend("a", first.connector, namespace="files", outlier_detection={"consecutive_errors": 1})
    builder.backend("b", second.connector, failover_for="a", circuit_breaker=BREAKER, outlier_detection={"consecutive_errors": 1})
    async with running(builder) as gateway:
        sessions, policies = (*first.sessions, *second.sessions), dict(gateway.policies)
        outlier = policies["a"].outlier
        assert outlier is not None
        outlier.eject()
        with pytest.raises(ConfigError, match="failover_for references unknown backend 'a'"):
            await gateway.remove_backend("a")
        a, b = gateway.config.backends
        await gateway.apply([attrs.evolve(a, failover_for="b", namespace=None), attrs.evolve(b, failover_for=None, namespace="files")])
        assert names_of(gateway) == ["files_t"]
        assert ((*first.sessions, *second.sessions), dict(gateway.policies)) == (sessions, policies)
        assert outlier.is_ejected, "and it is still one group"
        assert [one.outlier.group is outlier.group for one in policies.values() if one.outlier is not None] == [True, True]
        assert (await gateway.call_tool("files_t")).fault is None
        assert (first.calls, second.calls) == (0, 1)
        await gateway.apply([attrs.evolve(b, failover_for=None, namespace="files")])
        assert (list(gateway.backends), first.sessions) == (["b"], [])


async def test_one_of_two_that_are_out_stays_out_when_their_group_has_another_primary(autojump_clock: Clock) -> None:
    """Of four half may be out; while they go over one by one, fewer would be there."""
    outlier = {"consecutive_errors": 1, "max_ejection_percent": 50.0, "base_ejection_seconds": 300.0}
    builder = Builder("x")
    for name, role in (("a", {}), ("b", {"failover_for": "a"}), ("c", {"failover_for": "a"}), ("d", {"failover_for": "a"})):
        builder.backend(name, one().connector, outlier_detection=outlier, **role)
    async with running(builder) as gateway:
        detectors = [policies.outlier for policies in gateway.policies.values()]
        for detector in detectors[2:]:
            assert detector is not None
            detector.record(detector.admit(0), 0, failed=True)
        assert [detector is not None and detector.is_ejected for detector in detectors] == [False, False, True, True]
        roles: dict[str, str | None] = {"a": "d", "b": "d", "c": "d", "d": None}
        await gateway.apply([attrs.evolve(one, failover_for=roles[one.name]) for one in gateway.config.backends])
        assert [detector is not None and detector.is_ejected for detector in detectors] == [False, False, True, True]


async def test_mirrors_and_canaries_come_and_go_and_what_stays_has_its_counts(autojump_clock: Clock) -> None:
    a, trial, shadow = one(), one(), one()
    async with running(Builder("x").backend("a", a.connector).backend("s", shadow.connector, mirror_of="a", mirror_percent=50)) as gateway:
        await gateway.call_tool("a_t")
        await gateway.apply([*gateway.config.backends, named("c", canary_of="a", weight=50)], sources={"c": trial.connector})
        await gateway.ready()
        await gateway.call_tool("a_t")
        await trio.testing.wait_all_tasks_blocked()
        assert (a.calls + trial.calls, shadow.calls) == (2, 1), "every second call, whoever comes in between"
        await gateway.apply([named("a")])
        await gateway.call_tool("a_t")
        assert (list(gateway.backends), trial.sessions, shadow.sessions) == (["a"], [], [])


async def test_a_backend_that_is_disabled_ends_and_one_that_is_enabled_begins(autojump_clock: Clock) -> None:
    a, b, seen = one(), one(), list[str]()

    def layer(inner: Handler) -> Handler:
        seen.append("made")
        return inner

    async with running(Builder("x").backend("a", a.connector).backend("b", b.connector).layer(layer)) as gateway:
        await gateway.apply(evolved(gateway, "b", enabled=False))
        assert (list(gateway.backends), b.sessions) == (["a"], [])
        assert [one.name for one in gateway.config.backends] == ["a", "b"]
        await gateway.add_backend(named("c"), one().connector)
        await gateway.apply([attrs.evolve(one, enabled=True) for one in reversed(gateway.config.backends)], strict=True)
        assert (list(gateway.backends), len(b.sessions)) == (["c", "b", "a"], 1), "what was brought for it is still known"
        assert seen == ["made", "made"], "and what was put around it"
        await gateway.remove_backend("b")
        await gateway.apply([*gateway.config.backends, named("b")])
        await trio.sleep(1)
        assert [(one.namespace, one.error) for one in gateway.skipped] == [("b", "nobody brought a server object or a connector for it")]
        assert seen == ["made", "made"]

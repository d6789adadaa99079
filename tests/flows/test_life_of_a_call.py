"""One call through a whole gateway: the policies see it in the order that the pipeline shows, and nobody else sees it."""

from __future__ import annotations

import json

import attrs
import pytest
import trio
import trio.testing

from sluicegate import Builder, Call, Failover, Handler, Mirror, Reply, open_gateway
from sluicegate.backends.backend import Backend
from sluicegate.config.model import Config, TimeoutSettings
from sluicegate.gateway.described import describe
from sluicegate.observe.access import AccessLog
from sluicegate.policies.compose import chain
from sluicegate.policies.deadline import AttemptDeadline
from sluicegate.policies.lifetime import CallDeadline, Lifetime
from sluicegate.protocol.offers import TOOLS
from sluicegate.routing.table import Router
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, Reset

STEPS = (AccessLog, Lifetime, Router, CallDeadline, Failover, Mirror, AttemptDeadline, Backend)

EDGE = ["AccessLog", "Lifetime", "Router"]
ORDER = ["CallDeadline", "Failover(time: Own -> Mirror(shadow) -> AttemptDeadline -> Backend | spare: Mirror(shadow) -> Backend)"]
"""What ``sluicegate show pipeline`` prints for a call at its outer edge, and then for the backend that it leads to."""


@attrs.define(eq=False)
class Own:
    """A policy of the embedding program's."""

    inner: Handler
    seen: list[str]

    async def __call__(self, call: Call) -> Reply:
        self.seen.append("Own")
        return await self.inner(call)


def note_all(monkeypatch: pytest.MonkeyPatch, seen: list[str]) -> None:
    """Let every policy write down its name, and every backend its own, when a call comes to it."""
    for step in STEPS:
        monkeypatch.setattr(step, "__call__", _noting(step, seen))


def _noting(step: type, seen: list[str]) -> object:
    run = step.__call__

    async def noting(self: object, call: Call) -> Reply:
        seen.append(f"Backend {self.name}" if isinstance(self, Backend) else step.__name__)
        reply: Reply = await run(self, call)
        return reply

    return noting


def a_gateway(time: ScriptedBackend, spare: ScriptedBackend, shadow: ScriptedBackend) -> tuple[Config, dict[str, object]]:
    attempts = TimeoutSettings(seconds=20, per_attempt_seconds=5)
    builder = Builder("x").backend("time", time.connector, timeout=attempts).backend("spare", spare.connector, failover_for="time")
    config = builder.backend("shadow", shadow.connector, mirror_of="time").config()
    return config, {"time": time.connector, "spare": spare.connector, "shadow": shadow.connector}


async def test_a_call_passes_every_policy_in_the_order_that_the_pipeline_shows(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, logged = list[str](), list[bytes]()
    time, spare, shadow = ScriptedBackend(Delay(60)), ScriptedBackend(), ScriptedBackend()
    config, servers = a_gateway(time, spare, shadow)

    async def write(lines: bytes) -> None:
        await trio.lowlevel.checkpoint()
        logged.append(lines)

    layers = {"time": [lambda inner: Own(inner, seen)]}
    async with open_gateway(config, servers=servers, layers=layers, access_log=write) as gateway:
        await gateway.settled()
        note_all(monkeypatch, seen)
        reply = await gateway.call_tool("time_echo", {"n": 1})
        await trio.testing.wait_all_tasks_blocked()
        shown = describe(gateway.handler), describe(gateway.catalogue.table.listed[TOOLS.method]["time_echo"].handler)

    assert reply.text == 'echo {"n":1} #1'
    assert shown == (EDGE, ORDER)
    seen.remove("Backend shadow")  # whenever the background comes to it
    first = ["Own", "Mirror", "AttemptDeadline", "Backend time"]
    assert seen == [*EDGE, "CallDeadline", "Failover", *first, "Mirror", "Backend spare"]
    assert [backend.calls for backend in (time, spare, shadow)] == [1, 1, 1], "mirrored once, however many attempts"
    line = json.loads(b"".join(logged))
    assert {key: line[key] for key in ("target", "outcome", "backend", "attempts", "ms")} == {
        "target": "time_echo",
        "outcome": "ok",
        "backend": "spare",
        "attempts": 2,
        "ms": 5000,
    }


async def test_a_call_without_any_policy_passes_only_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async with Builder("x").backend("a", ScriptedBackend().connector).open() as gateway:
        await gateway.settled()
        handler = gateway.catalogue.table.listed[TOOLS.method]["a_echo"].handler
        assert describe(gateway.handler) == ["Lifetime", "Router"]
        assert describe(handler) == ["CallDeadline", "Backend"]
        assert list(chain(handler))[-1] is gateway.backends["a"]


async def test_a_call_that_ends_between_two_hops_leaves_a_true_trail(autojump_clock: trio.testing.MockClock) -> None:
    logged: list[bytes] = []
    time, spare, shadow = ScriptedBackend(Delay(2, Reset())), ScriptedBackend(Delay(60)), ScriptedBackend(Delay(60))
    config, servers = a_gateway(time, spare, shadow)

    async def write(lines: bytes) -> None:
        await trio.lowlevel.checkpoint()
        logged.append(lines)

    async with open_gateway(config, servers=servers, access_log=write) as gateway:
        await gateway.settled()
        reply = await gateway.call_tool("time_echo")
        assert reply.fault is not None
        assert reply.fault.reason == "timeout"
        assert trio.current_time() == 20, "one clock for all attempts together"
        await trio.testing.wait_all_tasks_blocked()
        assert spare.cancelled == [1]
        assert shadow.cancelled == [], "the copy has a life of its own"
        assert await gateway.remove_backend("shadow")
    line = json.loads(b"".join(logged))
    assert (line["outcome"], line["backend"], line["attempts"]) == ("timeout", "spare", 2)

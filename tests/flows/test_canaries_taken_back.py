"""A canary in a whole gateway that is taken back, told of, and put back (LIM-20)."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio.testing
from tests.flows.test_policies_over_http import Web, listening

from sluicegate import Builder
from sluicegate.config.model import Config
from sluicegate.gateway.described import describe
from sluicegate.policies.canary_guard import CanaryTrial
from sluicegate.policies.settings import CanaryGuardSettings
from sluicegate.protocol.caller import Caller
from sluicegate.protocol.calls import Call
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Delay, RpcError

Clock = trio.testing.MockClock
GUARD = CanaryGuardSettings(minimum_calls=20)


def config_of(primary: ScriptedBackend, canary: ScriptedBackend, **settings: Any) -> Config:
    builder = Builder("x").proxy(shutdown_timeout_seconds=1).listen("127.0.0.1", 8080).backend("p", primary.connector)
    settings = {"canary_of": "p", "weight": 50, "canary_guard": GUARD, **settings}
    return builder.backend("c", canary.connector, **settings).config()


def trial_of(web: Web) -> CanaryTrial:
    trial = web.gateway.policies["c"].canary_guard
    assert trial is not None
    return trial


async def call(web: Web, times: int = 1) -> None:
    for _ in range(times):
        assert (await web.gateway.call_tool("p_echo")).fault is None, "where a canary fails its primary answers"


async def change(web: Web, name: str = "c", **changes: Any) -> None:
    await web.gateway.apply([attrs.evolve(one, **changes) if one.name == name else one for one in web.gateway.config.backends])


async def test_a_canary_that_fails_gets_nothing_any_more_and_everybody_is_told(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """LIM-20."""
    primary, canary = ScriptedBackend(), ScriptedBackend(RpcError(-32603))
    async with listening(config_of(primary, canary), p=primary, c=canary) as web:
        await call(web, 50)
        assert (trial_of(web).is_held_back, canary.calls) == (True, 20)
        assert "canary is taken back: backend=c primary=p cause=errors" in caplog.text
        assert (await web.metrics())["mcp_proxy_canary_held_back", "c"] == 1
        assert json.dumps(attrs.asdict(web.gateway.statistics()["canary_guard"]["c"])) == json.dumps(
            {"is_held_back": True, "why": trial_of(web).why, "rollbacks": {"errors": 1, "latency": 0}}
        )
        handler = web.gateway.catalogue.table.listed[TOOLS.method]["p_echo"].handler
        assert "Split(c 0 %, held back: " in describe(handler)[-1]


async def test_a_canary_that_is_slow_is_taken_back(autojump_clock: Clock) -> None:
    primary, canary = ScriptedBackend(Delay(0.1)), ScriptedBackend(Delay(0.3))
    async with listening(config_of(primary, canary), p=primary, c=canary) as web:
        await call(web, 100)
        assert trial_of(web).rollbacks == {"errors": 0, "latency": 1}


async def test_what_a_primary_answers_in_its_place_counts_for_neither(autojump_clock: Clock) -> None:
    primary, canary = ScriptedBackend(), ScriptedBackend(RpcError(-32603))
    async with listening(config_of(primary, canary), p=primary, c=canary) as web:
        await call(web, 10)
        trial = trial_of(web)
        assert (trial._canary.window.calls, trial._primary.window.calls, primary.calls) == (5, 5, 10)


@pytest.mark.parametrize(
    ("name", "changes", "is_back"),
    [
        ("c", {"weight": 40}, True),
        ("c", {"canary_guard": CanaryGuardSettings(minimum_calls=30)}, True),
        ("c", {"canary_guard": None}, None),
        ("c", {"progress": "off"}, False),
        ("p", {"hide_prompts": ("x",)}, False),
        ("p", {}, False),
    ],
)
async def test_it_is_put_back_by_other_settings_of_its_own_and_by_no_other_change(
    name: str, changes: dict[str, Any], is_back: bool | None, autojump_clock: Clock
) -> None:
    primary, canary = ScriptedBackend(), ScriptedBackend(RpcError(-32603))
    async with listening(config_of(primary, canary), p=primary, c=canary) as web:
        await call(web, 50)
        await change(web, name, **changes)
        trial = web.gateway.policies["c"].canary_guard
        assert (None if trial is None else not trial.is_held_back) is is_back
        before = canary.calls
        await call(web, 10)
        assert (canary.calls > before) is (is_back is not False)


async def test_it_is_put_back_by_the_library_and_by_another_connection(autojump_clock: Clock) -> None:
    primary, canary = ScriptedBackend(), ScriptedBackend(RpcError(-32603))
    async with listening(config_of(primary, canary), p=primary, c=canary) as web:
        await call(web, 50)
        trial_of(web).put_back()
        before = canary.calls
        await call(web, 10)
        assert canary.calls == before + 5
        trial_of(web).hold_back()
        mended = ScriptedBackend()
        await web.gateway.replace_backend(next(one for one in web.gateway.config.backends if one.name == "c"), mended.connector)
        await call(web, 10)
        assert (trial_of(web).is_held_back, mended.calls) == (False, 5)


async def test_callers_of_a_sticky_canary_go_to_the_primary_and_what_continues_a_call_of_its_own_stays(autojump_clock: Clock) -> None:
    primary, canary = ScriptedBackend(), ScriptedBackend()
    async with listening(config_of(primary, canary, canary_sticky=True, weight=100), p=primary, c=canary) as web:
        handler = web.gateway.catalogue.table.listed[TOOLS.method]["p_echo"].handler
        await handler(Call.tool("echo"))
        trial_of(web).hold_back()
        await handler(Call.tool("echo"))
        assert (canary.calls, primary.calls) == (1, 1)
        bound = Call.tool("echo")
        bound.caller = Caller("2025-11-25")
        bound.trail.bound_to = "c"
        await handler(bound)
        assert (canary.calls, primary.calls) == (2, 1)

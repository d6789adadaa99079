"""Mirrors in a whole gateway: what is told of answers that differ, where, and for how long (LIM-21)."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio.testing
from tests.flows.test_policies_over_http import Web, listening
from tests.kit.tools import SAFE

from sluicegate import Builder
from sluicegate.config.model import BackendConfig, BearerAuth, Config
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.script import Answer, RpcError

Clock = trio.testing.MockClock


def config_of(source: ScriptedBackend, shadow: ScriptedBackend, **settings: Any) -> Config:
    builder = Builder("x").proxy(shutdown_timeout_seconds=1).listen("127.0.0.1", 8080).backend("b", source.connector)
    settings = {"mirror_of": "b", "mirror_hidden": True, "mirror_compare": True, **settings}
    return builder.backend("m", shadow.connector, **settings).config()


async def mirrors(web: Web) -> dict[str, Any]:
    answer = await web.get("/mirror")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return dict(json.loads(answer.body))


async def called(web: Web, times: int = 1) -> None:
    for _ in range(times):
        await web.gateway.call_tool("b_echo", {"secret": "sk-live-42"})
    await trio.testing.wait_all_tasks_blocked()


async def test_differences_are_on_a_page_among_the_metrics_and_in_the_library_and_no_secret_is(autojump_clock: Clock) -> None:
    """LIM-21, MIR-1: what became of copies can be read, and what they were answered."""
    source, shadow = ScriptedBackend(Answer(text="sk-live-42")), ScriptedBackend(Answer(text="sk-live-43"), RpcError(-32603))
    async with listening(config_of(source, shadow), b=source, m=shadow) as web:
        await called(web, 2)
        told = (await mirrors(web))["m"]
        assert (told["copies"], told["compared"], told["different"]) == (
            {"ok": 1, "failed": 1, "dropped": 0},
            {"different": 2},
            {"echo": 2},
        )
        assert [one["places"] for one in told["latest"]] == [
            [{"path": "", "source": "ok", "mirror": "error -32603"}],
            [{"path": "/content/0/text", "source": "string", "mirror": "string"}],
        ]
        assert web.gateway.statistics()["mirror"]["m"].different == {"echo": 2}  # type: ignore[attr-defined]
        page = (await web.get("/metrics")).body.decode()
        assert 'mcp_proxy_mirror_different_total{backend="m",name="echo"} 2.0' in page
        assert 'mcp_proxy_mirror_compared_total{backend="m",result="different"} 2.0' in page
        assert "sk-live" not in json.dumps(told) + page


async def test_without_a_mirror_the_page_is_empty(autojump_clock: Clock) -> None:
    backend = ScriptedBackend()
    config = Builder("x").listen("127.0.0.1", 8080).backend("b", backend.connector).config()
    async with listening(config, b=backend) as web:
        assert await mirrors(web) == {}


async def test_the_page_is_for_who_says_who_he_is_where_anybody_has_to(autojump_clock: Clock) -> None:
    source, shadow = ScriptedBackend(), ScriptedBackend()
    config = attrs.evolve(config_of(source, shadow), auth=BearerAuth(tokens=("t0ken",)))
    async with listening(config, b=source, m=shadow) as web:
        assert (await web.get("/mirror")).status == 401


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({"mirror_percent": 50}, True),
        ({"mirror_ignore": ("/content",)}, True),
        ({"mirror_compare": False}, True),
        ({"mirror_read_only": True}, True),
        ({"mirror_of": "c"}, False),
    ],
)
async def test_a_change_of_the_settings_keeps_what_was_counted_unless_it_is_of_other_calls(
    changes: dict[str, Any], keeps: bool, autojump_clock: Clock
) -> None:
    source, shadow = ScriptedBackend(Answer(text="a"), tools=[SAFE]), ScriptedBackend(Answer(text="b"), tools=[SAFE])
    async with listening(config_of(source, shadow), b=source, m=shadow) as web:
        await web.gateway.add_backend(BackendConfig("c", "inprocess"), ScriptedBackend().connector)
        await called(web)
        configs = [attrs.evolve(one, **changes) if one.name == "m" else one for one in web.gateway.config.backends]
        await web.gateway.apply(configs)
        told = (await mirrors(web))["m"]
        assert (told["different"], len(told["latest"])) == (({"echo": 1}, 1) if keeps else ({}, 0))
        await called(web, 2)
        compared = sum((await mirrors(web))["m"]["compared"].values())
        assert compared == {"mirror_percent": 2, "mirror_compare": 1, "mirror_of": 0}.get(next(iter(changes)), 3)


async def test_only_what_changes_nothing_is_copied_by_the_word_of_the_source(autojump_clock: Clock) -> None:
    """LIM-21."""
    source, shadow = ScriptedBackend(tools=[SAFE, "write"]), ScriptedBackend()
    async with listening(config_of(source, shadow, mirror_read_only=True), b=source, m=shadow) as web:
        await web.gateway.call_tool("b_write")
        await called(web)
        assert (shadow.calls, sum((await mirrors(web))["m"]["compared"].values())) == (1, 1)


@pytest.mark.parametrize("is_hidden", [True, False])
async def test_a_mirror_is_listed_unless_it_is_hidden(is_hidden: bool, autojump_clock: Clock) -> None:
    """MIR-4, LIM-21."""
    source, shadow = ScriptedBackend(), ScriptedBackend()
    async with listening(config_of(source, shadow, mirror_hidden=is_hidden), b=source, m=shadow) as web:
        assert ("m_echo" in [tool["name"] for tool in web.gateway.list_tools()]) is not is_hidden

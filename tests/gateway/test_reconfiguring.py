"""A running gateway gets another configuration: whole or not at all, and what has to wait for a restart is named."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import attrs
import httpx2
import pytest
import trio
import trio.testing
from tests.kit.changing import Slow, one, running

from sluicegate import BackendFailed, Builder, ConfigError, Gateway
from sluicegate.config.load import parse
from sluicegate.config.model import BearerAuth, Config, ObservabilityConfig, ProxyConfig, SecurityConfig
from sluicegate.gateway.opening import open_gateway
from sluicegate.gateway.reconfiguring import LIVE, merged
from sluicegate.outside import Outside
from sluicegate.settings.composite_tools import CompositeConfig
from sluicegate.settings.entitlements import RoleConfig, ScopedTokenSettings
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.script import Delay

Clock = trio.testing.MockClock
HEAD = '[proxy]\nname = "x"\n{proxy}\n{tables}[[backends]]\nname = "a"\ntransport = "http"\nurl = "http://a.example/mcp"\n'

BOTH = CompositeConfig("both", "Both.", ("c_t", "b_u"))


def config(proxy: str = "", tables: str = "") -> Config:
    return parse(HEAD.format(proxy=proxy, tables=tables), environ={}).config


async def rounds() -> None:
    for _ in range(5):
        await trio.lowlevel.checkpoint()


def tools_of(gateway: Gateway) -> list[object]:
    return [tool["name"] for tool in gateway.list_tools()]


def rebuilt(gateway: Gateway, **tables: Any) -> Config:
    """What it runs, but for these settings of ``[proxy]``."""
    return attrs.evolve(gateway.config, proxy=attrs.evolve(gateway.config.proxy, **tables))


@pytest.mark.parametrize(
    ("wanted", "waiting"),
    [
        (config(), ()),
        (config("page_size = 3\ninstructions = 'Ask.'\nrate_limit = {requests = 1}"), ()),
        (config("separator = '-'"), ("proxy.separator",)),
        (config("[proxy.listen]\nport = 1\nidle_seconds = 1.0"), ("proxy.listen.port", "proxy.listen.idle_seconds")),
        (config(tables="[auth]\ntype = 'bearer'\ntokens = ['0123456789abcdef0123']\n"), ("auth",)),
        (config(tables="[security]\nallowed_hosts = ['a']\nmax_sessions = 5\n"), ("security.max_sessions",)),
        (config(tables="[observability]\nlog_level = 'debug'\njson_logs = true\n"), ("observability.json_logs",)),
        (config(tables="[observability.metrics]\nenabled = true\n"), ("observability.metrics.enabled",)),
    ],
)
def test_what_has_to_wait_is_told_key_by_key(wanted: Config, waiting: tuple[str, ...]) -> None:
    now, later = merged(config(), wanted)
    assert later == waiting
    assert merged(now, wanted) == (now, waiting), "what could be taken was"
    assert merged(wanted, wanted) == (wanted, ())


def test_every_key_that_takes_effect_at_once_is_one() -> None:
    def keys(table: type[attrs.AttrsInstance], prefix: str = "") -> set[str]:
        return {prefix + field.name for field in attrs.fields(table)}

    known = keys(Config)
    for name, table in (("proxy", ProxyConfig), ("security", SecurityConfig), ("observability", ObservabilityConfig), ("auth", BearerAuth)):
        known |= keys(table, f"{name}.")
    assert known >= LIVE


def test_what_was_secret_stays_it() -> None:
    keyed = HEAD.format(proxy="", tables="") + 'bearer_token = "${KEY}"\n'
    old, new = (parse(keyed, environ={"KEY": key}).config for key in ("first-key", "second-key"))
    assert merged(old, new)[0].inserted == {"first-key", "second-key"}


async def test_all_that_is_another_takes_effect_in_one_moment(autojump_clock: Clock) -> None:
    builder = Builder("x").backend("a", one("t").connector).backend("b", one("u").connector)
    wanted = Builder("x").backend("a", one("t").connector, namespace="c").backend("b", one("u").connector)
    composed = attrs.evolve(wanted.proxy(page_size=2, instructions="Ask.").config(), composite_tools=(BOTH,))
    async with running(builder) as gateway:
        seen: list[list[object]] = []

        async def look() -> None:
            while True:
                seen.append(tools_of(gateway))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await rounds()
            assert await gateway.reconfigure(composed) == ()
            await rounds()
            nursery.cancel_scope.cancel()
        assert [names for names, _again in groupby(seen)] == [["a_t", "b_u"], ["c_t", "b_u", "both"]]
        assert gateway.catalogue.instructions == "Ask."
        assert (await gateway.call_tool("both")).fault is None


async def test_what_cannot_be_run_changes_nothing(autojump_clock: Clock) -> None:
    async with running(Builder("x").backend("a", one("t").connector)) as gateway:
        before = gateway.config
        wrong = Builder("x").backend("a", one("t").connector).proxy(page_size=3).config()
        twice = attrs.evolve(wrong, backends=(*wrong.backends, *wrong.backends))
        with pytest.raises(ConfigError):
            await gateway.reconfigure(twice)
        missing = Builder("x").backend("a", one("t").connector).backend("b", Slow(one("u"), 1e9), required=True, connect_timeout_seconds=1)
        with pytest.raises(BackendFailed):
            await gateway.reconfigure(missing.proxy(page_size=3).config(), sources={"b": Slow(one("u"), 1e9)})
        assert gateway.config is before
        assert gateway.statistics()["reloads"][""] == attrs.evolve(gateway.reloads.statistics(), reloads={"applied": 0, "refused": 2})
        assert not gateway.reloads.statistics().is_current
        await gateway.reconfigure(before)
        assert gateway.reloads.statistics().is_current


async def test_a_limit_that_is_the_same_goes_on_counting_and_another_begins_anew(autojump_clock: Clock) -> None:
    limit = {"requests": 2, "period_seconds": 1000, "max_wait_seconds": 0}
    async with running(Builder("x").backend("a", one("t").connector).proxy(rate_limit=limit)) as gateway:

        async def refused() -> list[bool]:
            return [(await gateway.call_tool("a_t")).fault is not None for _ in range(3)]

        assert await refused() == [False, False, True]
        await gateway.reconfigure(rebuilt(gateway, page_size=5))
        assert await refused() == [True] * 3
        other = Builder("x").backend("a", one("t").connector).proxy(rate_limit=limit | {"requests": 1}).config()
        await gateway.reconfigure(rebuilt(gateway, rate_limit=other.proxy.rate_limit))
        assert await refused() == [False, True, True]
        await gateway.reconfigure(rebuilt(gateway, rate_limit=None))
        assert await refused() == [False] * 3


async def test_a_call_that_has_begun_ends_as_it_began(autojump_clock: Clock) -> None:
    backend, texts = ScriptedBackend(Delay(5)), list[str]()
    async with running(Builder("x").backend("a", backend.connector)) as gateway:

        async def call() -> None:
            texts.append(repr((await gateway.call_tool("a_echo")).fault))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.testing.wait_all_tasks_blocked()
            await gateway.reconfigure(rebuilt(gateway, rate_limit=None, page_size=1))
        assert texts == ["None"]


async def test_hosts_and_pages_that_may_come_are_others_at_once(autojump_clock: Clock) -> None:
    async with running(Builder("x").backend("a", one("t").connector)) as gateway:
        transport = httpx2.ASGITransport(app=gateway.asgi_app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gate.example") as client:
            assert (await client.get("/mcp")).text == "Host not allowed"
            security = attrs.evolve(gateway.config.security, allowed_hosts=("gate.example",), allowed_origins=("https://page.example",))
            assert await gateway.reconfigure(attrs.evolve(gateway.config, security=security)) == ()
            found = await client.get("/mcp", headers={"origin": "https://page.example"})
            assert (found.text != "Host not allowed", found.headers["access-control-allow-origin"]) == (True, "https://page.example")
            await gateway.reconfigure(attrs.evolve(gateway.config, security=attrs.evolve(security, allowed_hosts=())))
            assert (await client.get("/mcp")).text == "Host not allowed"


async def test_a_token_that_is_taken_away_is_none_from_then_on(autojump_clock: Clock) -> None:
    tables = "[auth]\ntype = 'bearer'\ntokens = ['{}']\n"
    first, second = (config(tables=tables.format(token * 16)) for token in ("a1", "b2"))
    async with open_gateway(first, outside=Outside(open_stream=MemoryNetwork().open_stream)) as gateway:
        transport = httpx2.ASGITransport(app=gateway.asgi_app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def status(token: str) -> int:
                return (await client.get("/mcp", headers={"authorization": f"Bearer {token * 16}"})).status_code

            assert (await status("a1") != 401, await status("b2")) == (True, 401)
            assert await gateway.reconfigure(second) == ()
            assert (await status("a1"), await status("b2") != 401) == (401, True)


async def test_of_two_at_once_the_later_one_is_what_runs_whatever_the_first_had_to_wait_for(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    async with running(Builder("x").backend("a", one("t").connector)) as gateway:
        before = gateway.config
        slow = Builder("x").backend("a", one("t").connector).backend("b", Slow(one("u"), 5), required=True).proxy(instructions="First.")
        first = attrs.evolve(slow.config(), composite_tools=(CompositeConfig("alone", "One.", ("a_t",)),))
        nursery.start_soon(lambda: gateway.reconfigure(first, sources={"b": Slow(one("u"), 5)}))
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.config is before
        await gateway.reconfigure(before)
        assert gateway.config == before
        assert tools_of(gateway) == ["a_t"]
        assert gateway.catalogue.instructions != "First."
        assert (await gateway.call_tool("alone")).fault is not None


async def test_roles_that_make_no_sense_are_an_error_of_the_configuration(autojump_clock: Clock) -> None:
    async with running(Builder("x").backend("a", one("t").connector)) as gateway:
        auth = BearerAuth(("0123456789abcdef",))
        with_auth = attrs.evolve(gateway.config, auth=auth)
    async with open_gateway(with_auth, servers={"a": one("t").connector}) as gateway:
        for wrong in (
            {"roles": (RoleConfig(name="r", allow_tools=("re:(",)),)},
            {"scoped_tokens": (ScopedTokenSettings(token="0123456789abcdefg", expires="tomorrow"),)},
        ):
            with pytest.raises(ConfigError):
                await gateway.reconfigure(attrs.evolve(with_auth, auth=attrs.evolve(auth, **wrong)))
        assert gateway.reloads.statistics().reloads["refused"] == 2

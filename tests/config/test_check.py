"""What makes no sense is refused, with the seed's key phrases (CFG-V1 … V26) and what to write instead."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sluicegate.config.checks.whole import file_rules, problems, refuse_open_bind, warnings
from sluicegate.config.model import (
    AliasConfig,
    BackendConfig,
    BearerAuth,
    Config,
    ListenConfig,
    ProxyConfig,
    RestartSettings,
    SecurityConfig,
    TimeoutSettings,
)

LONG = "0123456789abcdef"


def stdio(name: str = "a", **settings: Any) -> BackendConfig:
    return BackendConfig(name, "stdio", command="x", **settings)


def http(name: str = "a", **settings: Any) -> BackendConfig:
    return BackendConfig(name, "http", **({"url": "http://127.0.0.1:1/mcp"} | settings))


def config(*backends: BackendConfig, auth: BearerAuth | None = None, security: SecurityConfig | None = None, **proxy: Any) -> Config:
    return Config(ProxyConfig("p", **proxy), backends, auth, security or SecurityConfig())


WRONG = [
    (config(stdio(), auth=BearerAuth()), "auth.tokens", "bearer auth requires at least one token"),  # V6
    (config(stdio(), auth=BearerAuth((LONG, "b", LONG))), "auth.tokens[2]", "duplicate bearer token"),  # V7
    (config(stdio(), auth=BearerAuth(("a b",))), "auth.tokens[0]", "visible ASCII"),
    (config(stdio(), auth=BearerAuth(("",))), "auth.tokens[0]", "not empty"),
    (config(stdio(), stdio()), "backends[1].name", "duplicate backend name 'a'"),  # V11
    (config(BackendConfig("a", "stdio")), "backends[0].command", "stdio transport requires 'command'"),  # V12
    (config(BackendConfig("a", "http")), "backends[0].url", "http transport requires 'url'"),  # V13
    (config(BackendConfig("a", "websocket")), "backends[0].url", "websocket transport requires 'url'"),
    (
        config(stdio(expose_tools=("a",), hide_tools=("b",))),
        "backends[0].hide_tools",
        "cannot specify both expose_tools and hide_tools",
    ),  # V17
    (config(stdio(expose_resources=("a",), hide_resources=("b",))), "backends[0].hide_resources", "cannot specify both expose_resources"),
    (config(stdio(expose_prompts=("a",), hide_prompts=("b",))), "backends[0].hide_prompts", "cannot specify both expose_prompts"),
    (config(stdio(mirror_of="b")), "backends[0].mirror_of", "mirror_of references unknown backend 'b'"),  # V18
    (config(stdio(mirror_of="a")), "backends[0].mirror_of", "mirror_of cannot reference itself"),
    (config(stdio(), stdio("b", mirror_of="a", mirror_percent=101)), "backends[1].mirror_percent", "mirror_percent must be 0-100, got 101"),
    (config(stdio(mirror_percent=9999)), "backends[0].mirror_percent", "mirror_percent must be 0-100, got 9999"),
    (config(stdio(failover_for="b")), "backends[0].failover_for", "failover_for references unknown backend"),  # V19
    (config(stdio(failover_for="a")), "backends[0].failover_for", "failover_for cannot reference itself"),
    (config(stdio(hide_tools=("re:(",))), "backends[0].hide_tools[0]", "invalid regex in filter pattern"),  # V24
    (config(stdio(hide_tools=("{a",))), "backends[0].hide_tools[0]", "in filter pattern"),
    (
        config(stdio("redis"), stdio("redis_ft")),
        "backends[1].name",
        "Ambiguous namespace prefixes: 'redis_ft_' begins with 'redis_'",
    ),  # V25
    (config(stdio("b_c"), stdio("x", namespace="b")), "backends[0].name", "Ambiguous namespace prefixes"),
    (
        config(stdio(), stdio("b", failover_for="a"), stdio("c", failover_for="b")),
        "backends[2].failover_for",
        "'b' is a stand-in itself",
    ),  # V26
    (config(stdio(failover_for="b"), stdio("b", failover_for="a")), "backends[0].failover_for", "'a' and 'b' stand in for each other"),
    (config(stdio(), stdio("b", mirror_of="a"), stdio("c", mirror_of="b")), "backends[2].mirror_of", "'b' is a mirror itself"),
    (config(stdio(), stdio("b", failover_for="a"), stdio("c", mirror_of="b")), "backends[2].mirror_of", "'b' is a stand-in itself"),
    (config(stdio(), stdio("b", failover_for="a", mirror_of="a")), "backends[1].mirror_of", "cannot be a stand-in and a mirror at once"),
    (config(stdio("proxy")), "backends[0].name", "the name 'proxy' is reserved"),
    (config(stdio(aliases=(AliasConfig("x", "z"), AliasConfig("y", "z")))), "backends[0].aliases[0]", "duplicate alias 'z'"),
    (config(stdio(aliases=(AliasConfig("x", "y"), AliasConfig("x", "z")))), "backends[0].aliases[1]", "'x' has two aliases"),
    (config(stdio(aliases=(AliasConfig("x", "x"),))), "backends[0].aliases[0]", "is the name itself"),
    (config(stdio(aliases=(AliasConfig("x", ""),))), "backends[0].aliases[0]", "must not be empty"),
    (config(stdio(headers={"A": "b"})), "backends[0].headers", "headers require HTTP or WebSocket transport"),  # V05-1
    (config(http(headers={"A b": "b"})), 'backends[0].headers."A b"', "invalid header name"),
    (config(http(headers={"A": "b", "a": "c"})), "backends[0].headers.A", "duplicate header name 'A'"),
    (config(http(headers={"A": "b\nX: c"})), "backends[0].headers.A", "invalid value for header 'A'"),
    (config(http(headers={"Mcp-Session-Id": "b"})), "backends[0].headers.Mcp-Session-Id", "sets the header"),
    (config(http(bearer_token="a b")), "backends[0].bearer_token", "visible ASCII"),
    (config(http(command="x")), "backends[0].command", "'command' has no effect with transport 'http'"),
    (config(http(inherit_env=False)), "backends[0].inherit_env", "no effect with transport 'http'"),
    (config(stdio(bearer_token="t")), "backends[0].bearer_token", "no effect with transport 'stdio'"),
    (config(BackendConfig("a", "inprocess", url="http://x")), "backends[0].url", "no effect with transport 'inprocess'"),
    (config(http(url="ftp://x")), "backends[0].url", "no http address"),
    (config(http(url="http://")), "backends[0].url", "no http address"),
    (config(http(url="http://[x")), "backends[0].url", "no http address"),
    (config(http(url="http://x:99999/")), "backends[0].url", "no http address"),
    (config(stdio(env={"A=B": "c"})), "backends[0].env", "must not be empty or hold '='"),
    (config(stdio("")), "backends[0].name", "must be visible text"),
    (config(stdio("a b")), "backends[0].name", "'a b' cannot stand before a tool's name"),
    (config(stdio(namespace="a/b")), "backends[0].namespace", "'a/b' cannot stand before"),
    (config(stdio(namespace=""), stdio("b", namespace="")), "backends[1].namespace", "has an empty namespace, as 'a' has"),
    (config(stdio(), stdio("b", namespace="a")), "backends[1].namespace", "has the namespace 'a', as 'a' has"),
    (config(stdio(timeout=TimeoutSettings(0))), "backends[0].timeout.seconds", "timeout.seconds must be > 0"),
    (config(stdio(timeout=TimeoutSettings(5, 0))), "backends[0].timeout.per_attempt_seconds", "must be > 0"),
    (config(stdio(restart=RestartSettings(max_seconds=0.1))), "backends[0].restart.max_seconds", "shorter than the first"),
    (config(stdio(restart=RestartSettings(crash_limit=0))), "backends[0].restart.crash_limit", "must be > 0"),
    (config(stdio(priority=-1)), "backends[0].priority", "priority must be >= 0"),
    (config(stdio(failover_stays_seconds=-1)), "backends[0].failover_stays_seconds", "failover_stays_seconds must be >= 0"),
    (config(stdio(failover_after=())), "backends[0].failover_after", "after nothing at all nobody is asked"),
    (config(stdio(), separator=""), "proxy.separator", "separator must be"),
    (config(stdio(), separator=" "), "proxy.separator", "separator must be"),
    (config(stdio(), separator=".", tool_names="portable"), "proxy.separator", "'.' cannot stand in a portable name"),
    (config(stdio(), listen=ListenConfig(port=65536)), "proxy.listen.port", "port must be 0-65535, got 65536"),
    (config(stdio(), listen=ListenConfig(host="")), "proxy.listen.host", "must not be empty"),
    (config(stdio(), listen=ListenConfig(server="native", websocket=True)), "proxy.listen.server", "does not speak WebSockets"),
    (config(stdio(), max_tool_name=5), "proxy.max_tool_name", "no room for a hash"),
    (config(stdio(), public_url="gate.example"), "proxy.public_url", "it is no http address"),
    (config(stdio(), public_url="https://me:secret@gate.example"), "proxy.public_url", "it is no http address"),
    (config(stdio(), public_url="https://gate.example/?a=b"), "proxy.public_url", "it is no http address"),
    (config(stdio(), public_url='https://gate.example/"'), "proxy.public_url", "it is no http address"),
    (config(stdio(), public_url="https://gate.example/gw/mcp/"), "proxy.public_url", "is added to it"),
    (config(stdio(), page_size=-1), "proxy.page_size", "page_size must be >= 0"),
    (config(stdio(), startup_wait_seconds=-1.0), "proxy.startup_wait_seconds", "must be >= 0"),
    (config(stdio(), security=SecurityConfig(max_sessions=0)), "security.max_sessions", "max_sessions must be > 0"),
    (
        config(stdio(), security=SecurityConfig(max_sessions_per_principal=0)),
        "security.max_sessions_per_principal",
        "max_sessions_per_principal must be > 0",
    ),
    (config(stdio(), security=SecurityConfig(orphan_seconds=-1)), "security.orphan_seconds", "must be >= 0"),
    (config(stdio(), security=SecurityConfig(allowed_hosts=("http://a",))), "security.allowed_hosts[0]", "no value of a Host header"),
    (config(stdio(), security=SecurityConfig(allowed_origins=("a.example",))), "security.allowed_origins[0]", "no origin"),
    (config(http(sessions="per_client", max_sessions=0)), "backends[0].max_sessions", "max_sessions must be > 0"),
    (config(http(sessions="per_client", session_idle_seconds=0)), "backends[0].session_idle_seconds", "session_idle_seconds must be > 0"),
    (config(http(headers={"Sec-WebSocket-Key": "x"})), "backends[0].headers.Sec-WebSocket-Key", "the gateway sets the header"),
    (config(BackendConfig("a", "websocket", url="http://x")), "backends[0].url", "no websocket address"),
]


def test_a_file_without_backends_is_a_mistake_and_a_program_may_add_them_later() -> None:  # V1
    assert [(problem.path, problem.what) for problem in file_rules(config())] == [("backends", "at least one backend is required")]
    assert problems(config()) == []


@pytest.mark.parametrize(("wrong", "path", "phrase"), WRONG, ids=[phrase for _, _, phrase in WRONG])
def test_it_is_refused_at_its_key_with_a_remedy(wrong: Config, path: str, phrase: str) -> None:
    found = [problem for problem in problems(wrong) if problem.path == path and phrase in problem.what]

    assert found, [str(problem) for problem in problems(wrong)]
    assert all(problem.instead for problem in problems(wrong))


@pytest.mark.parametrize(
    "right",
    [
        config(stdio("time"), stdio("time-backup", failover_for="time"), stdio("time-shadow", mirror_of="time")),
        config(stdio("redis"), stdio("redis_ft"), separator="/"),
        config(stdio("redis"), stdio("redis_ft", namespace="ft")),
        config(stdio("a"), stdio("b", namespace="")),
        config(stdio(), stdio("b", mirror_of="a", mirror_percent=0), stdio("c", mirror_of="a"), stdio("d", failover_for="b")),
        config(BackendConfig("a", "inprocess")),
        config(BackendConfig("a", "websocket", url="wss://x/mcp", bearer_token="t", headers={"X-A": "b"}, proxy="http://p:1")),
        config(http(headers={"X-A": "", "authorization": "Basic eA=="}, url="https://user@[::1]:443/mcp?x=1")),
        config(stdio(), listen=ListenConfig("::", 0), max_tool_name=0, startup_wait_seconds=0),
        config(
            stdio(aliases=(AliasConfig("x", "y"), AliasConfig("y", "x"))),
            security=SecurityConfig(allowed_hosts=("a", "a:1", "[::1]:8080", "*"), allowed_origins=("https://a:1", "null", "*")),
        ),
    ],
)
def test_what_makes_sense_is_accepted(right: Config) -> None:
    assert problems(right) == []


@pytest.mark.parametrize(
    ("config_", "path"),
    [
        (config(stdio(priority=3)), "backends[0].priority"),
        (config(stdio(mirror_percent=3)), "backends[0].mirror_percent"),
        (config(stdio(mirror_hidden=True)), "backends[0].mirror_hidden"),
        (config(stdio(), stdio("b", failover_for="a", hide_tools=("x",))), "backends[1].hide_tools"),
        (config(stdio(), stdio("b", failover_for="a", aliases=(AliasConfig("x", "y"),))), "backends[1].aliases"),
        (config(http(bearer_token="t", headers={"AUTHORIZATION": "x"})), "backends[0].bearer_token"),
        (config(stdio(timeout=TimeoutSettings(5, 5))), "backends[0].timeout.per_attempt_seconds"),
        (config(stdio(enabled=False), stdio("b", failover_for="a")), "backends[1].failover_for"),
        (config(stdio(), auth=BearerAuth(("short",))), "auth.tokens[0]"),
        (config(stdio(enabled=False)), "backends"),
        (config(stdio(max_sessions=3)), "backends[0].max_sessions"),
        (config(http(session_idle_seconds=3)), "backends[0].session_idle_seconds"),
    ],
)
def test_what_has_no_effect_is_a_warning(config_: Config, path: str) -> None:
    assert [path] == [warning.path for warning in warnings(config_)]
    assert problems(config_) == []


def test_an_ipv6_address_may_be_in_brackets() -> None:
    assert ListenConfig("[::1]") == ListenConfig("::1")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_a_loopback_address_needs_no_auth(host: str) -> None:
    assert refuse_open_bind(config(stdio(), listen=ListenConfig(host)), insecure=False) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gate.example", "localhost.example"])
def test_an_address_that_others_reach_needs_auth_or_consent(host: str) -> None:
    open_ = config(stdio(), listen=ListenConfig(host))

    refused = refuse_open_bind(open_, insecure=False)

    assert refused is not None
    assert "--insecure-no-auth" in refused.instead
    assert refuse_open_bind(open_, insecure=True) is None
    assert refuse_open_bind(attrs.evolve(open_, auth=BearerAuth((LONG,))), insecure=False) is None

"""Every setting of a backend has its class: what has to change in one that runs when the setting does."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sluicegate.config.backends import AliasConfig, BackendConfig, BackendTlsConfig, RestartSettings, TimeoutSettings
from sluicegate.gateway.differences import CLASSES, Change, differences, told
from sluicegate.policies import settings
from sluicegate.settings.outward import OutwardSettings
from sluicegate.settings.parameters import ArgumentsConfig, ParametersConfig

BASE = BackendConfig("a", "stdio", command="serve")
OTHERWISE: dict[str, Any] = {
    "name": "b",
    "enabled": False,
    "required": True,
    "transport": "http",
    "command": "other",
    "args": ("-v",),
    "url": "https://a.example/mcp",
    "env": {"KEY": "1"},
    "cwd": "/srv",
    "inherit_env": ("LANG",),
    "headers": {"X-Key": "1"},
    "bearer_token": "t",
    "auth": OutwardSettings("header", value="v"),
    "forward_auth": True,
    "tls": BackendTlsConfig(ca="ca.pem"),
    "proxy": "http://proxy.example",
    "sessions": "per_client",
    "revision": "2026-07-28",
    "fidelity": "strict",
    "coalesce_requests": True,
    "connect_timeout_seconds": 3.0,
    "max_sessions": 3,
    "session_idle_seconds": 3.0,
    "restart": RestartSettings(initial_seconds=0.1),
    "timeout": TimeoutSettings(9),
    "progress": "off",
    **{
        table: kind(*(field.metadata["example"] for field in attrs.fields(kind) if field.default is attrs.NOTHING))
        for table, kind in settings.TABLES.items()
    },
    "failover_for": "p",
    "priority": 1,
    "failover_after": ("lost",),
    "failover_stays_seconds": 5.0,
    "canary_of": "p",
    "weight": 10,
    "canary_sticky": True,
    "mirror_of": "p",
    "mirror_percent": 10,
    "mirror_hidden": True,
    "mirror_read_only": True,
    "mirror_compare": True,
    "mirror_ignore": ("/_meta",),
    "namespace": "other",
    "aliases": (AliasConfig("t", "u"),),
    "expose_tools": ("t",),
    "hide_tools": ("t",),
    "expose_resources": ("t",),
    "hide_resources": ("t",),
    "expose_prompts": ("t",),
    "hide_prompts": ("t",),
    "hide_destructive": True,
    "default_args": {"a": 1},
    "inject_args": (ArgumentsConfig("t", {"a": 1}),),
    "param_overrides": (ParametersConfig("t", ("a",)),),
    "validate": "warn",
    "read_only_only": True,
}
"""Of each setting another value than it has in `BASE`."""


def test_every_setting_of_a_backend_has_a_class_and_nothing_else_has() -> None:
    """Whoever adds a setting says here, in one place, what it takes to change it."""
    every = {field.name for field in attrs.fields(BackendConfig)}
    assert set(CLASSES) == every
    assert set(OTHERWISE) == every


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_setting_that_differs_takes_what_its_class_says_and_nothing_else(name: str) -> None:
    other = attrs.evolve(BASE, **{name: OTHERWISE[name]})
    assert differences(BASE, other) == differences(other, BASE) == {CLASSES[name]}


def test_what_is_the_same_takes_nothing_and_what_differs_in_much_takes_all_of_it() -> None:
    assert differences(BASE, attrs.evolve(BASE)) == frozenset()
    assert differences(BASE, attrs.evolve(BASE, hide_tools=("t",), url="https://a.example", priority=1)) == {
        Change.VIEW,
        Change.LINK,
        Change.ROLE,
    }


def test_the_log_is_told_what_became_of_whom_and_nothing_of_those_who_stay_as_they_are() -> None:
    before = {name: attrs.evolve(BASE, name=name) for name in ("stays", "goes", "moves", "hides")}
    after = {name: before[name] for name in ("stays", "moves")} | {"hides": attrs.evolve(before["hides"], hide_tools=("t",)), "comes": BASE}
    assert told(before, after, {"moves", "comes"}) == {
        "added": ["comes"],
        "removed": ["goes"],
        "connected": ["moves"],
        "changed": ["hides"],
    }
    assert told(before, before, ()) == {}

"""Whose the answers are that are kept outside: nobody is given those to another account."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from sluicegate.config.backends import BackendTlsConfig
from sluicegate.config.model import BackendConfig, TimeoutSettings
from sluicegate.gateway.kept_outside import identity_of, is_known
from sluicegate.settings.keeping import CacheSettings
from sluicegate.settings.outward import OutwardSettings
from sluicegate.settings.secret import Secret


@pytest.mark.parametrize("settings", [{"bearer_token": "b"}, {"headers": {"X-Key": "1"}}, {"url": "http://elsewhere"}, {"name": "c"}])
def test_who_is_asked_as_somebody_else_or_elsewhere_is_another(settings: dict[str, Any]) -> None:
    """CACHE-3."""
    config = BackendConfig("b", "http", url="http://here", bearer_token="a")
    same = attrs.evolve(config, timeout=TimeoutSettings(1), cache=CacheSettings(1))
    assert identity_of(config, {"HOME": "/ann"}) == identity_of(same, {"HOME": "/bob"})
    assert identity_of(config, {}) != identity_of(attrs.evolve(config, **settings), {})


@pytest.mark.parametrize(
    ("inherits", "name", "is_another"),
    [
        (("GITHUB_TOKEN",), "GITHUB_TOKEN", True),
        ((), "GITHUB_TOKEN", False),
        ((), "HOME", True),
        (True, "ANYTHING", True),
        (True, "INVOCATION_ID", False),
        ((), "TERM", False),
        (False, "HOME", False),
    ],
)
def test_a_process_that_gets_another_environment_is_another(inherits: bool | tuple[str, ...], name: str, is_another: bool) -> None:
    """CACHE-3: the values count, of what it gets, unless they are others at each start."""
    config = BackendConfig("b", "stdio", command="serve", inherit_env=inherits)
    assert (identity_of(config, {name: "ann"}) != identity_of(config, {name: "bob"})) is is_another
    config = attrs.evolve(config, env={name: Secret("one")})
    assert identity_of(config, {name: "ann"}) == identity_of(config, {name: "bob"})


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({}, True),
        ({"auth": OutwardSettings("authorization_code")}, False),
        ({"auth": OutwardSettings("header", "X-Key", "a")}, True),
        ({"tls": BackendTlsConfig(ca="ca.pem")}, True),
        ({"tls": BackendTlsConfig(certificate="us.pem", key="us.key")}, False),
    ],
    ids=["nothing", "login", "header", "an authority", "our certificate"],
)
def test_answers_to_who_may_be_somebody_else_tomorrow_stay_in_memory(settings: dict[str, Any], known: bool) -> None:
    assert is_known(BackendConfig("b", "http", url="https://here", **settings)) is known

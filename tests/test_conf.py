"""The configurations that we ship are read by a test, so that none of them can grow old."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import jsonschema
import pytest

from sluicegate.config import model
from sluicegate.config.dump import dump
from sluicegate.config.load import load, parse
from sluicegate.policies.settings import TABLES as POLICIES
from sluicegate.policies.settings import RateLimitSettings
from sluicegate.testing.injections.injector import load_faults
from sluicegate.testing.injections.kinds import Transport
from sluicegate.testing.injections.words import FAULTS, name_of

CONF = Path(__file__).parents[1] / "conf"
PLAN = CONF / "faults.toml"
FILES = sorted(path for path in CONF.iterdir() if path.suffix in {".toml", ".yaml", ".yml"} and path != PLAN)
UNSETTABLE = {"source", "planned", "variables", "inserted"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_in_conf_loads_without_a_word(path: Path) -> None:
    loaded = load(path, environ={"GATE_TOKEN": "0123456789abcdef0123"})

    assert loaded.warnings == ()
    assert loaded.planned == ()
    assert path == loaded.config.source


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_in_conf_survives_being_written_back(path: Path) -> None:
    config = load(path).config

    assert attrs.evolve(config, source=None) == parse(dump(config, secrets=True)).config


def test_the_package_has_these_files_and_nothing_else_that_lies_beside_them() -> None:
    """A gateway that was run here has left the keys of its sessions."""
    packed = tomllib.loads((CONF.parent / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert packed == {f"conf/{path.name}": f"sluicegate/examples/{path.name}" for path in CONF.iterdir() if path.is_file()}


def test_the_demo_has_a_stand_in_and_a_shadow_for_its_first_server() -> None:
    backends = {backend.name: backend for backend in load(CONF / "demo.toml").config.backends}

    assert list(backends) == ["time", "time-backup", "time-shadow", "git"]
    assert backends["time-backup"].failover_for == "time"
    assert backends["time-shadow"].mirror_of == "time"
    assert {"mcp-server-time", "mcp-server-git"} == {backend.command for backend in backends.values()}


def test_the_plan_has_every_fault_that_any_server_may_have_and_fits_the_demo() -> None:
    backends = {backend.name: backend.transport for backend in load(CONF / "demo.toml").config.backends}

    found = {name_of(rule.fault) for rule in load_faults(str(PLAN), "1", backends).script.rules}

    assert found == {name for name, kind in FAULTS.items() if vars(kind)["over"] == frozenset(Transport)}


def test_the_resilient_one_has_every_policy_that_keeps_a_backend_in_service_on_one_and_a_canary_and_a_stand_in_beside_it() -> None:
    config = load(CONF / "resilient.toml").config
    search, following, far = config.backends

    assert config.proxy.rate_limit is not None
    in_service = ("retry", "hedging", "circuit_breaker", "outlier_detection", "rate_limit", "concurrency", "health")
    assert all(getattr(search, table) is not None for table in in_service)
    assert (following.canary_of, far.failover_for) == ("search", "search")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The script that makes what stands in conf because the settings say so."""
    spec = importlib.util.spec_from_file_location("reference", CONF.parent / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_settings_say_stands_in_conf(reference: ModuleType) -> None:
    """If it does not: scripts/reference."""
    for path, text in reference.made().items():
        assert text == path.read_text(encoding="utf-8"), f"{path.name} is older than the settings: run scripts/reference"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_in_conf_names_the_schema_beside_it_and_fits(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    (named,) = re.findall(r"^#:schema (\S+)\n", text)

    validator = jsonschema.Draft202012Validator(json.loads((path.parent / named).read_text(encoding="utf-8")))

    assert [error.message for error in validator.iter_errors(tomllib.loads(text))] == []


COPIED = """
import importlib.util, json, sys, tomllib
import trio
from sluicegate import Builder, chain
from sluicegate.config.load import dump, parse
from sluicegate.policies.breaker import Breaker
from sluicegate.policies.gate import Gate
from sluicegate.policies.settings import BreakerSettings
from sluicegate.testing.backend import ScriptedBackend

HEAD = "[proxy]\\nname = 'p'\\n[[backends]]\\nname = 'a'\\ntransport = 'stdio'\\ncommand = 'x'\\n[backends.circuit_breaker]\\n"
spec = importlib.util.spec_from_file_location("reference", "scripts/reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

async def in_the_chain():
    builder = Builder("x").backend("b", ScriptedBackend(tools=["t"]).connector, circuit_breaker={})
    async with builder.open() as gateway:
        return gateway.policies["b"].breaker.settings.failure_rate_threshold

made = {path.name: text for path, text in reference.made().items()}
print(json.dumps({
    "a file": parse(HEAD).config.backends[0].circuit_breaker.failure_rate_threshold,
    "written back": "failure_rate_threshold" in dump(parse(HEAD + "failure_rate_threshold = 0.6\\n").config),
    "the chain": trio.run(in_the_chain),
    "reference.toml": tomllib.loads(made["reference.toml"])["backends"][-1]["circuit_breaker"]["failure_rate_threshold"],
    "the schema": json.loads(made["sluicegate.schema.json"])["$defs"]["Breaker"]["properties"]["failure_rate_threshold"]["default"],
    "a policy alone": Breaker("x", BreakerSettings()).settings.failure_rate_threshold,
}))
"""


def test_a_default_of_a_policy_stands_in_one_line(tmp_path: Path) -> None:
    """In a copy of the source another number stands there, and everything else follows."""
    root = CONF.parent
    for folder in ("src", "scripts", "conf"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    settings = tmp_path / "src" / "sluicegate" / "policies" / "settings.py"
    old = "failure_rate_threshold: float = attrs.field(default=0.5,"
    assert settings.read_text(encoding="utf-8").count(old) == 1
    settings.write_text(settings.read_text(encoding="utf-8").replace(old, old.replace("0.5", "0.6")), encoding="utf-8")

    environ = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(
        [sys.executable, "-c", COPIED], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "a file": 0.6,
        "written back": False,
        "the chain": 0.6,
        "reference.toml": 0.6,
        "the schema": 0.6,
        "a policy alone": 0.6,
    }


def _keys(cls: type[Any]) -> Iterator[str]:
    for field in attrs.fields(cls):
        if field.name not in UNSETTABLE:
            yield field.name.rstrip("_")
            text = str(field.type)
            for name in model.__all__:
                if re.search(rf"\b{name}\b", text):
                    yield from _keys(getattr(model, name))


def test_the_reference_names_every_key() -> None:
    text = (CONF / "reference.toml").read_text()

    missing = [key for key in _keys(model.Config) if not re.search(rf"\b{key}\b", text)]

    assert missing == []


def test_the_reference_shows_the_defaults() -> None:
    config = load(CONF / "reference.toml").config

    assert model.ProxyConfig(name="reference") == config.proxy
    assert model.SecurityConfig() == config.security
    assert model.ObservabilityConfig() == config.observability
    assert model.BackendConfig(name="time", transport="stdio", command="mcp-server-time") == config.backends[0]
    backends = {backend.name: backend for backend in config.backends}
    for table in POLICIES:
        settings = getattr(backends["time-next" if table == "canary_guard" else "busy"], table)
        required = {field.name: getattr(settings, field.name) for field in attrs.fields(type(settings)) if field.default is attrs.NOTHING}
        assert settings == type(settings)(**required)


def test_the_commented_keys_of_the_reference_are_true_too() -> None:
    """Taking away the '#' in front of a key gives a configuration that still loads."""
    text = (CONF / "reference.toml").read_text()
    keys = set(_keys(model.Config)) - {"import_backends", "bearer_token", "certificate", "key", "client_ca", "ca"}  # these name files
    keys -= {"window_seconds"}  # stands for another key, which is shown too
    woken = re.sub(r"(?m)^# (\[auth\]|(\w+) = )", lambda match: match[1] if match[2] is None or match[2] in keys else match[0], text)

    woken = woken.replace('backend = "memory"', 'backend = "sqlite"')  # which has a url
    woken = woken.replace("tool_ttl_seconds = 0", "tool_ttl_seconds = 60").replace('prefix = "mcp-proxy:"', "")

    loaded = parse(woken, environ={"GATE_TOKEN": "0123456789abcdef0123"})

    assert loaded.config.auth is not None
    assert loaded.config.proxy.instructions == "Ask for times."
    assert loaded.config.backends[0].timeout.per_attempt_seconds == 30
    assert loaded.config.proxy.rate_limit == RateLimitSettings(1000)
    assert loaded.warnings == ()

"""Files that say where answers are kept, in the words of the reference: read, written back, shown, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.config.checks.whole import problems, warnings
from sluicegate.config.load import ConfigError, dump, load, parse
from sluicegate.config.secrets import secrets_of
from sluicegate.config.summary import summary
from sluicegate.settings.keeping import StoreSettings

HEAD = '[proxy]\nname = "p"\n'
BACKEND = '[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n[backends.cache]\ntool_ttl_seconds = 60\n'


def test_a_redis_store_is_read_and_its_password_is_told_to_nobody() -> None:
    """CFG-15, CFG-113, CFG-114, CFG-115."""
    text = HEAD + '[cache]\nbackend = "redis"\nurl = "rediss://me:${PASSWORD}@cache.example:6380/2"\nprefix = "gate:"\n' + BACKEND
    loaded = parse(text, environ={"PASSWORD": "wonderland"})
    config = loaded.config
    assert config.cache == StoreSettings("redis", "rediss://me:wonderland@cache.example:6380/2", "gate:")
    assert (loaded.planned, problems(config), warnings(config)) == ((), [], [])
    shown = repr(config) + dump(config) + summary(config)
    assert "cache.example:6380" in shown
    assert "wonderland" not in shown
    assert "wonderland" in secrets_of(config)
    assert parse(dump(config, secrets=True)).config.cache == config.cache


def test_a_plain_password_in_the_address_is_a_secret_too() -> None:
    config = parse(HEAD + '[cache]\nbackend = "redis"\nurl = "redis://:wonderland@h"\n' + BACKEND).config
    assert "wonderland" in secrets_of(config)


def test_a_sqlite_store_is_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """CFG-113, CFG-114: its path is no secret."""
    file = tmp_path / "gate.toml"
    file.write_text(HEAD + '[cache]\nbackend = "sqlite"\nurl = "answers.sqlite"\n' + BACKEND)
    config = load(file).config
    assert config.cache.url == str(tmp_path / "answers.sqlite")
    assert parse(dump(config)).config.cache == config.cache
    assert any(line == f"  Cache:    sqlite ({config.cache.url})" for line in summary(config).splitlines())


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ('backend = "paper"', 'cache.backend: this is none of the values that are known; write "memory" or "sqlite" or "redis"'),
        ('backend = "redis"', 'cache.url: backend = "redis" needs a url'),
        ('backend = "sqlite"', 'cache.url: backend = "sqlite" needs a url'),
        ('backend = "sqlite"\nurl = ""', 'cache.url: backend = "sqlite" needs a url'),
        ('backend = "sqlite"\nurl = "sqlite:///x"', "cache.url: a sqlite store is a file"),
        ('backend = "redis"\nurl = "http://x"', "cache.url: this is no address of a Redis or Valkey server"),
        ('backend = "redis"\nurl = "redis://x:port"', "cache.url: this is no address of a Redis or Valkey server"),
        ("size = 1", "unknown key 'size'"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_write(table: str, error: str) -> None:
    """CFG-113, CFG-V2, CFG-V4, LIM-49: an error of the configuration, and no panic."""
    with pytest.raises(ConfigError) as caught:
        parse(HEAD + f"[cache]\n{table}\n" + BACKEND)
    assert any(error in str(problem) for problem in caught.value.problems), caught.value


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (HEAD + '[cache]\nurl = "x"\n' + BACKEND, "url has no effect"),
        (HEAD + '[cache]\nbackend = "sqlite"\nurl = "x"\nprefix = "y:"\n' + BACKEND, "prefix has no effect"),
        (HEAD + '[cache]\nbackend = "sqlite"\nurl = "x"\n' + BACKEND.partition("[backends.cache]")[0], "no backend has a cache"),
    ],
)
def test_what_has_no_effect_is_told(text: str, warning: str) -> None:
    """LIM-47."""
    assert [warning in str(problem) for problem in warnings(parse(text).config)] == [True]


def test_times_of_single_tools_are_read_checked_and_written_back() -> None:
    """LIM-30, CFG-67."""
    config = parse(HEAD + BACKEND + 'ttl_seconds_by_tool = { "get_*" = 5, now = 0.5 }\n').config
    cache = config.backends[0].cache
    assert cache is not None
    assert cache.ttl_seconds_by_tool == {"get_*": 5.0, "now": 0.5}
    assert parse(dump(config)).config.backends == config.backends
    for wrong, error in (('{ "get_*" = -1 }', "must be >= 0, got -1"), ('{ "re:(" = 1 }', "re:("), ("5", "a table of numbers")):
        with pytest.raises(ConfigError) as caught:
            parse(HEAD + BACKEND + f"ttl_seconds_by_tool = {wrong}\n")
        assert any("backends[0].cache.ttl_seconds_by_tool" in str(problem) and error in str(problem) for problem in caught.value.problems)

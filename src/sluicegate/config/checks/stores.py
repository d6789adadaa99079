"""Where answers are kept: whether that can be, and what has no effect there (CFG-113 … CFG-115)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from ...protocol.addresses import is_address
from ...settings.keeping import StoreSettings
from ..model import Config
from ..problem import Problem

__all__ = ["store_rules", "store_warnings"]

_USUAL = StoreSettings()


def store_rules(config: Config) -> Iterator[Problem]:
    """What is wrong."""
    store = config.cache
    if store.backend == "memory":
        return
    if not store.url:
        instead = {"sqlite": 'write the file: url = "answers.sqlite"', "redis": 'write the server: url = "redis://127.0.0.1:6379/0"'}
        yield _at("url", f'backend = "{store.backend}" needs a url', instead[store.backend])
    elif store.backend == "sqlite":
        if "://" in store.url:
            yield _at("url", "a sqlite store is a file, and this is an address", 'write its path: url = "answers.sqlite"')
    elif not is_address(store.url, ("redis", "rediss")) and not store.url.startswith("unix:///"):
        what = "this is no address of a Redis or Valkey server"
        yield _at("url", what, "write redis://HOST:PORT/DATABASE, rediss:// for TLS, or unix:///PATH for a socket")
    if store.backend == "redis" and find_spec("coredis") is None:
        yield _at("backend", "the client of Redis is not installed", "install it: pip install 'sluicegate[redis]'")


def store_warnings(config: Config) -> Iterator[Problem]:
    """What can run, and does nothing."""
    store = config.cache
    if store.backend == "memory":
        if store.url is not None:
            yield _at("url", "url has no effect: answers are kept in memory", 'add backend = "sqlite" or "redis", or leave it out')
    elif not any(backend.cache is not None and backend.cache.ttls() for backend in config.backends):
        yield _at(
            "backend", "no backend has a cache: nothing is kept", "add cache = { tool_ttl_seconds = 60 } to one, or leave the table out"
        )
    if store.backend != "redis" and store.prefix != _USUAL.prefix:
        yield _at("prefix", "prefix has no effect: it is for keys in Redis", "leave it out")


def _at(key: str, what: str, instead: str) -> Problem:
    return Problem(None, None, f"cache.{key}", what, instead)

"""Answers that are kept outside of this process: from a backend to where its own are, so that nobody finds another's there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import attrs
import trio

from ..backends.backend import Backend
from ..config.model import BackendConfig, Config
from ..outside import Outside
from ..policies.cache import Cache
from ..policies.kept_records import FORMAT
from ..policies.memory_store import MemoryStore
from ..policies.outside_store import OutsideStore
from ..protocol.key_values import KeyValues
from ..protocol.offers import Hello
from ..settings.keeping import CacheSettings
from ..settings.secret import Secret
from ..sources import Sources
from .differences import CLASSES, Change

__all__ = ["KeptOutside", "identity_of"]

STEP_SECONDS = 1.0
"""What is heard while nobody calls is told there so often, for those who share it, and for who comes after a restart."""


@attrs.frozen(eq=False)
class KeptOutside:
    """Where the answers of all backends are kept."""

    values: KeyValues
    sources: Sources

    @classmethod
    def of(cls, config: Config, outside: Outside, sources: Sources) -> KeptOutside | None:
        """As a configuration wants it; None where that is in memory."""
        cache = config.cache
        if cache.backend == "memory" or cache.url is None:
            return None
        return cls(outside.open_values(cache.backend, cache.url, cache.prefix, outside.run_blocking, sources.wall), sources)

    def store(self, config: BackendConfig, backend: Backend, method: str, settings: CacheSettings) -> OutsideStore:
        """For the answers to one method of one backend."""
        memory = MemoryStore(settings.max_entries, settings.max_bytes)
        space = _Space(backend, f"{FORMAT} {method} {identity_of(config)}".encode())
        return OutsideStore(self.values, memory, space, self.sources.wall, self.sources.secret)

    def begin(self, background: trio.Nursery, caches: Callable[[], Iterable[Cache | None]]) -> None:
        """Reach it from now on, and keep it in step with what is heard."""
        background.start_soon(self.values.run, name="the store of answers")
        background.start_soon(_keep_in_step, caches)


@attrs.define(eq=False)
class _Space:
    """The name of where one backend's answers are: it follows from what is asked, how it is reached, and which version it is."""

    backend: Backend
    what: bytes
    _hello: Hello | None = attrs.field(default=None, init=False)
    _name: bytes | None = attrs.field(default=None, init=False)

    def __call__(self) -> bytes | None:
        """As it is now, or was when it was there last."""
        offer = self.backend.link.offer
        if offer is not None and offer.hello is not self._hello:
            hello = self._hello = offer.hello
            said = [bytes(hello.server_info.get(name, b"")) for name in ("name", "version")]
            self._name = blake2b(b"\n".join((self.what, hello.version.encode(), *said)), digest_size=16).digest()
        return self._name


def identity_of(config: BackendConfig) -> str:
    """All that decides whom a request would reach, and as who, secrets included: it is for making a digest of, and never shown."""
    reached = {name: getattr(config, name) for name, change in CLASSES.items() if change is Change.LINK and name != "health"}
    return json.dumps([config.name, reached], sort_keys=True, default=_in_full)


def _in_full(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    cls: type[Any] = type(value)
    return {field.name: getattr(value, field.name) for field in attrs.fields(cls)} if attrs.has(cls) else str(value)


async def _keep_in_step(caches: Callable[[], Iterable[Cache | None]]) -> None:
    """Tell of what holds no more, also where nobody asks, until cancelled."""
    while True:
        await trio.sleep(STEP_SECONDS)
        for cache in caches():
            if cache is not None and cache.is_shared:
                await cache.catch_up()

"""Answers that are kept outside of this process: from a backend to where its own are, so that nobody finds another's there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any

import attrs
import trio

from ..backends.backend import Backend
from ..config.inheritance import inherited
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

__all__ = ["KeptOutside", "identity_of", "is_known"]

STEP_SECONDS = 1.0
"""What is heard while nobody calls is told there so often, for those who share it, and for who comes after a restart."""
_OF_ONE_LIFE = frozenset(
    {"_", "DISPLAY", "INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "OLDPWD", "SHLVL", "TERM", "WAYLAND_DISPLAY", "WINDOWID"}
    | {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SYSTEMD_EXEC_PID", "WATCHDOG_PID"}
    | {"XDG_RUNTIME_DIR", "XDG_SEAT", "XDG_SEAT_PATH", "XDG_SESSION_CLASS", "XDG_SESSION_DESKTOP", "XDG_SESSION_ID", "XDG_SESSION_PATH"}
    | {"XDG_SESSION_TYPE", "XDG_VTNR"}
)
"""Variables that are others after each login or start, and say of nobody who he is."""


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
        space = _Space(backend, f"{FORMAT} {method}", partial(identity_of, config, os.environ))
        return OutsideStore(self.values, memory, space, self.sources.wall, self.sources.secret)

    def begin(self, background: trio.Nursery, caches: Callable[[], Iterable[Cache | None]]) -> None:
        """Reach it from now on, and keep it in step with what is heard."""
        background.start_soon(self.values.run, name="the store of answers")
        background.start_soon(_keep_in_step, caches)


@attrs.define(eq=False)
class _Space:
    """The name of where one backend's answers are: it follows from what is asked, how it is reached, and which version it is."""

    backend: Backend
    what: str
    identity: Callable[[], str]
    """Looked at for each connection, as the environment is for each process."""
    _hello: Hello | None = attrs.field(default=None, init=False)
    _name: bytes | None = attrs.field(default=None, init=False)

    def __call__(self) -> bytes | None:
        """As it is now, or was when it was there last."""
        offer = self.backend.link.offer
        if offer is not None and offer.hello is not self._hello:
            hello = self._hello = offer.hello
            said = [bytes(hello.server_info.get(name, b"")) for name in ("name", "version")]
            what = f"{self.what} {self.identity()}".encode()
            self._name = blake2b(b"\n".join((what, hello.version.encode(), *said)), digest_size=16).digest()
        return self._name


def is_known(config: BackendConfig) -> bool:
    """Whether its settings say as whom it is asked. A login and a client certificate are in files, where another one may be tomorrow."""
    has_login = config.auth is not None and config.auth.type == "authorization_code"
    return not has_login and (config.tls is None or config.tls.certificate is None)


def identity_of(config: BackendConfig, environ: Mapping[str, str]) -> str:
    """All that decides whom a request would reach, and as who, secrets included: it is for making a digest of, and never shown.

    ``environ`` is the gateway's own; of a child process all counts that it may get of it.
    """
    reached = {name: getattr(config, name) for name, change in CLASSES.items() if change is Change.LINK and name != "health"}
    found = inherited(config.inherit_env, environ) if config.transport == "stdio" else {}
    given = {name: value for name, value in found.items() if name not in _OF_ONE_LIFE and name not in config.env}
    return json.dumps([config.name, reached, given], sort_keys=True, default=_in_full)


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
                await cache.keep_in_step()

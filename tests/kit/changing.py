"""A gateway in memory whose backends are changed while it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import trio

from sluicegate import BackendConfig, Builder, Gateway
from sluicegate.backends.session import BackendSession, Inbox
from sluicegate.protocol.offers import TOOLS
from sluicegate.testing.backend import ScriptedBackend

__all__ = ["BREAKER", "Slow", "evolved", "named", "names_of", "one", "running", "whole"]

BREAKER = {"minimum_calls": 1, "wait_duration_seconds": 600}


@attrs.frozen
class Slow:
    """Takes its time to connect."""

    backend: ScriptedBackend
    seconds: float = 1.0
    transport: str = "scripted"

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        await trio.sleep(self.seconds)
        async with self.backend.connector(inbox) as session:
            yield session


def one(*tools: str) -> ScriptedBackend:
    return ScriptedBackend(tools=tools or ("t",))


def named(name: str, **settings: Any) -> BackendConfig:
    return Builder("y").backend(name, ScriptedBackend().connector, **settings).config().backends[0]


@asynccontextmanager
async def running(builder: Builder) -> AsyncGenerator[Gateway, None]:
    async with builder.open() as gateway:
        await gateway.ready()
        yield gateway


def names_of(gateway: Gateway) -> list[str]:
    return list(gateway.catalogue.names(TOOLS))


def evolved(gateway: Gateway, name: str, **settings: Any) -> list[BackendConfig]:
    """The list as it is, but for the settings of one."""
    fresh = named(name, **settings)
    return [
        attrs.evolve(one, **{key: getattr(fresh, key) for key in settings}) if one.name == name else one for one in gateway.config.backends
    ]


def whole(gateway: Gateway) -> object:
    """All that a change could change."""
    return gateway.config, list(gateway.backends.items()), list(gateway.policies.items()), gateway.catalogue, names_of(gateway)

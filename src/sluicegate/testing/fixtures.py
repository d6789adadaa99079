"""What the fixtures of the pytest plugin give; as good without pytest."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from ..config.nearest import instead_of_unknown
from ..config.problem import ConfigError
from ..gateway.builder import Builder, Source
from ..gateway.faulting import FaultKit
from ..gateway.fleet import BackendFailed
from ..gateway.opening import Gateway
from ..outside import Outside
from ..sources import Sources
from .backend import ScriptedBackend
from .injections.injector import Injections
from .network import open_outside
from .script import is_over

__all__ = ["OpenGateway", "Seeded"]

ON_TRIO = (
    "a gateway runs on Trio, and this test does not: mark it with @pytest.mark.trio and install pytest-trio, "
    "or give it @pytest.mark.anyio and a fixture anyio_backend that returns 'trio'"
)


@attrs.frozen
class Seeded:
    """A seed, and what follows from it."""

    seed: int

    @property
    def sources(self) -> Sources:
        """For ``open_gateway(sources=…)``; time of day is Trio's time."""
        return Sources.virtual(self.seed)

    def chance(self, name: str) -> random.Random:
        """A generator of its own for every user's name."""
        return self.sources.chance(f"test:{name}")


@attrs.frozen
class OpenGateway:
    """Opens gateways whose backends are all up when the block begins; if one is not, it raises at once, and says why."""

    seed: int = 0

    def __call__(
        self,
        *scripted: ScriptedBackend,
        faults: FaultKit | None = None,
        outside: Outside | None = None,
        settings: Mapping[str, Any] | None = None,
        settings_of: Mapping[str, Mapping[str, Any]] | None = None,
        may_be_down: Collection[str] = (),
        **backends: Source | ScriptedBackend,
    ) -> AbstractAsyncContextManager[Gateway]:
        """Open one.

        Args:
            scripted: backends that play a script, under their own names.
            faults: what goes wrong between the gateway and its backends.
            outside: how to start processes, connect and listen. Under a mock clock that is in memory; on a real one it is real.
            settings: keys of a ``[[backends]]`` table, for every backend.
            settings_of: the same for single ones, by name: ``{"spare": {"failover_for": "shop"}}``.
            may_be_down: names of backends that need not be up when the block begins; each is waited for until its first attempt is over.
            backends: anything that `Builder.backend` takes, by name: a server object, a command, a URL.

        Raises:
            sluicegate.BackendFailed: on entering, a backend did not come up.
            sluicegate.ConfigError: on entering, the settings are wrong.
            ValueError: a name stands twice, or belongs to no backend.
        """
        named: dict[str, Source | ScriptedBackend] = {}
        for name, source in [*((backend.name, backend) for backend in scripted), *backends.items()]:
            if name in named:
                raise ValueError(f"two backends are called '{name}'; scripted(name=…) tells them apart")
            named[name] = source
        return self._open(self._builder(named, settings or {}, settings_of or {}, may_be_down), faults, outside)

    @staticmethod
    def _builder(
        backends: Mapping[str, Source | ScriptedBackend],
        settings: Mapping[str, Any],
        settings_of: Mapping[str, Mapping[str, Any]],
        may_be_down: Collection[str],
    ) -> Builder:
        for name in (*settings_of, *may_be_down):
            if name not in backends:
                raise ValueError(f"there is no backend '{name}'; {instead_of_unknown(name, backends)}")
        builder = Builder("test")
        for name, source in backends.items():
            own = {"required": name not in may_be_down, **settings, **settings_of.get(name, {})}
            builder.backend(name, source.connector if isinstance(source, ScriptedBackend) else source, **own)
        return builder

    @asynccontextmanager
    async def _open(self, builder: Builder, faults: FaultKit | None, outside: Outside | None) -> AsyncGenerator[Gateway, None]:
        if not trio.lowlevel.in_trio_run():
            raise RuntimeError(ON_TRIO)
        is_virtual = isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)
        sources = Sources.virtual(self.seed) if is_virtual else Sources.seeded(self.seed)
        failure: BackendFailed | ConfigError | None = None
        async with AsyncExitStack() as stack:
            if outside is None and is_virtual:
                outside = (await stack.enter_async_context(open_outside())).outside
            try:
                gateway = await stack.enter_async_context(builder.open(sources=sources, outside=outside, faults=faults))
            except (BackendFailed, ConfigError) as error:  # raised again below, as it came and not in the group of the world's nursery
                failure = error
            else:
                await gateway.settled()
                if isinstance(faults, Injections):
                    _refuse_idle(faults)
                yield gateway
        if failure is not None:
            raise failure


def _refuse_idle(faults: Injections) -> None:
    """Raise `ValueError` for a rule that can hold for no backend: a test that waits for it passes, and proves nothing."""
    for rule in faults.script.rules:
        if rule.backend is not None and rule.backend not in faults.injectors:
            raise ValueError(f"{rule}: there is no backend '{rule.backend}'; {instead_of_unknown(rule.backend, faults.injectors)}")
        reached = [injector.transport for injector in faults.injectors.values() if rule.backend in (None, injector.backend)]
        if not any(is_over(rule.fault, transport) for transport in reached):
            whom = "every backend" if rule.backend is None else f"backend '{rule.backend}'"
            ways = " or ".join(sorted({transport.value for transport in reached}))
            raise ValueError(f"{rule}: {whom} is reached over {ways}, where there is no such thing")

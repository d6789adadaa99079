"""What the fixtures of the pytest plugin give; as good without pytest."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from ..builder import Builder, Source
from ..config.nearest import instead_of_unknown
from ..faulting import FaultKit
from ..gateway import Gateway
from ..outside import Outside
from ..sources import Sources
from .backend import ScriptedBackend
from .injector import Faults
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
    """Opens gateways whose backends are all up when the block begins, or have failed."""

    seed: int = 0

    def __call__(
        self,
        *scripted: ScriptedBackend,
        faults: FaultKit | None = None,
        outside: Outside | None = None,
        settings: Mapping[str, Any] | None = None,
        **backends: Source | ScriptedBackend,
    ) -> AbstractAsyncContextManager[Gateway]:
        """Open one.

        Args:
            scripted: backends that play a script, under their own names.
            faults: what goes wrong between the gateway and its backends.
            outside: how to start processes, connect and listen. Under a mock clock that is in memory; on a real one it is real.
            settings: keys of a ``[[backends]]`` table, for every backend.
            backends: anything that `Builder.backend` takes, by name: a server object, a command, a URL.
        """
        named: dict[str, Source | ScriptedBackend] = {}
        for name, source in [*((backend.name, backend) for backend in scripted), *backends.items()]:
            if name in named:
                raise ValueError(f"two backends are called '{name}'; scripted(name=…) tells them apart")
            named[name] = source
        return self._open(named, faults, outside, settings or {})

    @asynccontextmanager
    async def _open(
        self,
        backends: Mapping[str, Source | ScriptedBackend],
        faults: FaultKit | None,
        outside: Outside | None,
        settings: Mapping[str, Any],
    ) -> AsyncGenerator[Gateway, None]:
        if not trio.lowlevel.in_trio_run():
            raise RuntimeError(ON_TRIO)
        is_virtual = isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)
        builder = Builder("test")
        for name, source in backends.items():
            builder.backend(name, source.connector if isinstance(source, ScriptedBackend) else source, **settings)
        sources = Sources.virtual(self.seed) if is_virtual else Sources.seeded(self.seed)
        async with AsyncExitStack() as stack:
            if outside is None and is_virtual:
                outside = (await stack.enter_async_context(open_outside())).outside
            gateway = await stack.enter_async_context(builder.open(sources=sources, outside=outside, faults=faults))
            await gateway.settled()
            if isinstance(faults, Faults):
                _refuse_idle(faults)
            yield gateway


def _refuse_idle(faults: Faults) -> None:
    """Raise `ValueError` for a rule that can hold for no backend: a test that waits for it passes, and proves nothing."""
    for rule in faults.script.rules:
        if rule.backend is not None and rule.backend not in faults.injectors:
            raise ValueError(f"{rule}: there is no backend '{rule.backend}'; {instead_of_unknown(rule.backend, faults.injectors)}")
        reached = [injector.transport for injector in faults.injectors.values() if rule.backend in (None, injector.backend)]
        if not any(is_over(rule.fault, transport) for transport in reached):
            whom = "every backend" if rule.backend is None else f"backend '{rule.backend}'"
            ways = " or ".join(sorted({transport.value for transport in reached}))
            raise ValueError(f"{rule}: {whom} is reached over {ways}, where there is no such thing")

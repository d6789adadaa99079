"""Making the fleet of a gateway: what all of its backends have in common, and how each is connected to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..backends.session import Connector
from ..config.model import BackendConfig, Config
from ..config.secrets import blots_of
from ..outside import Outside
from ..protocol.blot import Blot
from ..protocol.calls import Layer
from ..protocol.clientele import Clientele
from ..protocol.credential import Credential
from ..protocol.key_ring import KeyRing
from ..protocol.task_ids import TaskIds
from ..routing.directory import Directory
from ..sources import Sources
from .connectors import connector_for
from .credentials import Credentials
from .faulting import FaultKit
from .fleet import Fleet
from .kept_outside import KeptOutside
from .nurseries import Nurseries
from .policy_making import PolicyContext

__all__ = ["connecting", "make_fleet"]


def make_fleet(  # noqa: PLR0913, PLR0917  what the program has brought, and what the gateway has made of it
    config: Config,
    nurseries: Nurseries,
    sources: Sources,
    outside: Outside,
    servers: dict[str, object],
    layers: Mapping[str, Sequence[Layer]],
    faults: FaultKit | None,
    clientele: Clientele,
    directory: Directory,
    keys: KeyRing,
    credentials: Credentials,
) -> Fleet:
    """A fleet that has no backends yet."""
    sizes, performance = config.security.max_argument_size, config.performance
    kept = KeptOutside.of(config, outside, sources)
    around = PolicyContext(sources.chance, nurseries.background, nurseries.calls, sizes, performance.coalesce_requests, kept)
    blot_for, ids = blots_of(config), TaskIds(sources.secret, keys)
    connect = connecting(outside, sources, faults, credentials, config, blot_for)
    return Fleet(config, connect, sources, nurseries.backends, around, directory, dict(layers), servers, blot_for, clientele, tasks=ids)


def connecting(
    outside: Outside,
    sources: Sources,
    faults: FaultKit | None,
    credentials: Credentials,
    config: Config,
    blot_for: Callable[[BackendConfig], Blot],
) -> Callable[[BackendConfig, object], tuple[Connector, Credential | None]]:
    """From a backend's settings, and what the program brought for it, to its connector and what that shows."""

    def connect(backend: BackendConfig, source: object) -> tuple[Connector, Credential | None]:
        credential = credentials.of(backend)
        connector = connector_for(
            backend, config, outside, {backend.name: source}, wall=sources.wall, blot=blot_for(backend), credential=credential
        )
        return connector if faults is None else faults.around(backend.name, connector), credential

    return connect

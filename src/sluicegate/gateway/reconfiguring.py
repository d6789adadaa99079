"""Another configuration for a gateway that runs: what of it takes effect at once, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import attrs

from ..backends.session import Connector
from ..config.model import BackendConfig, BearerAuth, Config
from ..config.secrets import blots_of
from ..frontends.app import App
from ..frontends.endpoint import Endpoint
from ..identity.bearer import BearerTokens
from ..policies.settings import RateLimitSettings
from ..protocol.blot import Blot
from ..protocol.calls import Layer
from ..protocol.credential import Credential
from ..routing.access.rule_book import RuleBook
from ..routing.table import Router
from ..telling.statistics import counter, gauge
from .composite_making import composite_layer
from .edge import Edge, recognized_by
from .edits import Surroundings
from .policy_making import limit_layer
from .recognition import Recognition
from .recognizing import admission_of
from .rule_making import rules_of

__all__ = ["LIVE", "Reconfiguring", "ReloadStatistics", "merged"]

LIVE = frozenset(
    {
        *("backends", "composite_tools"),
        *("proxy.instructions", "proxy.page_size", "proxy.rate_limit", "proxy.import_backends"),
        *("security.allowed_hosts", "security.allowed_origins"),
        *("auth.tokens", "auth.scoped_tokens", "auth.roles", "observability.log_level"),
    }
)
"""What takes effect at once; all else does when the gateway is started again. The level of the log is for whoever has one."""
_OF_FILES = frozenset({"source", "planned", "variables", "inserted"})
"""What is known of where a configuration comes from, and is no setting."""
Connecting = Callable[[Config, Callable[[BackendConfig], Blot]], Callable[[BackendConfig, object], tuple[Connector, Credential | None]]]


def merged(running: Config, wanted: Config) -> tuple[Config, tuple[str, ...]]:
    """What can be run now of what is wanted, and the keys that differ and have to wait, such as ``proxy.listen.port``."""
    waiting: list[str] = []
    merged = cast("Config", _merged(running, wanted, "", waiting))
    inserted = running.inserted | wanted.inserted  # what was secret stays it
    return attrs.evolve(merged, planned=wanted.planned, variables=wanted.variables, inserted=inserted), tuple(waiting)


def _merged(running: object, wanted: object, path: str, waiting: list[str]) -> object:
    """One setting, or table of settings, of both."""
    if running == wanted or path in LIVE:
        return wanted
    if not (attrs.has(type(running)) and type(running) is type(wanted)):
        waiting.append(path)
        return running
    settings = [
        field.name for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(running))) if field.init and field.name not in _OF_FILES
    ]
    both = ((name, getattr(running, name), getattr(wanted, name)) for name in settings)
    taken = {name: _merged(old, new, f"{path}.{name}".lstrip("."), waiting) for name, old, new in both}
    return attrs.evolve(cast("Any", running), **taken)


@attrs.frozen(repr=False)
class ReloadStatistics:
    """How often another configuration was to be run."""

    reloads: Mapping[str, int] = attrs.field(
        metadata=counter("config_reloads", "Configurations that were to be run in the place of the one that ran.", "outcome")
    )
    is_current: bool = attrs.field(
        metadata=gauge("config_is_current", "Whether the last configuration that was to be run does, but for what waits for a restart.")
    )


@attrs.define(eq=False, repr=False)
class Reconfiguring:
    """The parts of one gateway that follow from its configuration and can be others from one moment to the next, its backends aside."""

    edge: Edge
    """What calls pass now."""
    router: Router
    endpoint: Endpoint
    app: App
    connecting: Connecting
    recognize: Callable[[Config], Recognition]
    applied: int = attrs.field(default=0, init=False)
    refused: int = attrs.field(default=0, init=False)
    """Those that could not be read count as well; who reads them counts them."""
    _is_current: bool = attrs.field(default=True, init=False)

    def statistics(self) -> ReloadStatistics:
        """What became of them."""
        return ReloadStatistics({"applied": self.applied, "refused": self.refused}, self._is_current)

    def keep(self) -> None:
        """One was the same as what runs."""
        self._is_current = True

    def refuse(self) -> None:
        """One had mistakes."""
        self.refused += 1
        self._is_current = False

    def surroundings(self, running: Config, wanted: Config) -> Surroundings:
        """What backends are to live in."""
        blot_for = blots_of(wanted)
        return Surroundings(wanted, self.connecting(wanted, blot_for), blot_for, partial(self._made, running, wanted))

    def _made(self, running: Config, wanted: Config) -> Callable[[], None]:
        directory, is_same = self.endpoint.directory, wanted.auth == running.auth
        rules = directory.rules if is_same else rules_of(wanted)
        if rules is None and directory.rules is not None:
            rules = RuleBook.of(())  # who is here with a role that there is no more may do nothing, and not all
        composed = composite_layer(wanted, directory) if wanted.composite_tools != running.composite_tools else self.edge.composites
        limit = self._limit(running.proxy.rate_limit, wanted.proxy.rate_limit)
        edge = attrs.evolve(self.edge, limit=limit, composites=composed, recognized=recognized_by(rules))
        # who is believed otherwise has a life of its own, and only roles are others
        stays = is_same or not isinstance(wanted.auth, BearerAuth)
        identity = self.app.identity if stays else self.recognize(wanted).identity
        admission = attrs.evolve(admission_of(wanted), on_loopback=self.app.admission.on_loopback)

        def begin() -> None:
            self.edge, self._is_current = edge, True
            self.applied += 1
            self.endpoint.lead(edge.around(self.router), edge.around_own, edge.at_once(self.router))
            self.app.identity = identity
            if not stays and isinstance(identity, BearerTokens):
                self.endpoint.waits.standing.reconsider(identity.holds)
            if not is_same:
                directory.adopt(rules)
            self.app.admission = admission

        return begin

    def _limit(self, running: RateLimitSettings | None, wanted: RateLimitSettings | None) -> Layer | None:
        """One whose settings are the same goes on counting."""
        return self.edge.limit if running == wanted else limit_layer(wanted)

"""From ``validate`` of backends to what compares calls with the schemas of tools; where nobody wants that, the library is not loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from ..backends.backend import Backend
from ..config.model import BackendConfig
from ..protocol.calls import Layer
from ..protocol.offers import Offer
from ..routing.shaping.shape import Shaping
from .shaping_making import shaping_of
from .stand_in_order import stand_ins

__all__ = ["NOTHING_VALIDATED", "Validating", "validating"]


@attrs.frozen(eq=False, repr=False)
class Validating:
    """What compares calls of one backend."""

    arguments: Layer | None = None
    """Once per call, before it is decided who answers."""
    of_target: tuple[Layer, ...] = ()
    """Where it answers itself, outermost first."""


NOTHING_VALIDATED = Validating()


def validating(configs: Sequence[BackendConfig], backends: Mapping[str, Backend]) -> dict[str, Validating]:
    """For each of them.

    Clients see the tools of a primary, and keep to these: so its word holds for whoever answers in its place, too. The word of one of those is
    about that one alone.
    """
    if all(config.validate == "off" for config in configs):
        return dict.fromkeys((config.name for config in configs), NOTHING_VALIDATED)
    from ..routing.validation.schema_judge import Judge
    from ..routing.validation.tool_checks import ToolChecks
    from ..routing.validation.validated import FittingArguments, ValidatedArguments, ValidatedResult

    def judge(config: BackendConfig, offer_to: Callable[[str], Offer | None], shaping: Shaping) -> Judge:
        return Judge(ToolChecks(config.name, offer_to, shaping), enforces=config.validate == "enforce")

    def of_target(config: BackendConfig) -> Iterator[Layer]:
        seen = listed.get(config.stands_for or config.name)
        if seen is not None:
            yield lambda inner: ValidatedResult(inner, seen, config.name)
        if config.stands_for is not None and config.validate != "off":
            own = judge(config, backends[config.name].offer_to, shaping_of(config, named.get(config.stands_for)))
            yield lambda inner: FittingArguments(inner, own)
            yield lambda inner: ValidatedResult(inner, own, config.name)

    def of_route(config: BackendConfig) -> Layer | None:
        seen = listed.get(config.name)
        return None if seen is None else lambda inner: ValidatedArguments(inner, seen)

    named = {config.name: config for config in configs}
    primaries = [config for config in configs if config.stands_for is None and config.validate != "off"]
    listed = {config.name: judge(config, _listed(config, configs, backends), shaping_of(config)) for config in primaries}
    return {config.name: Validating(of_route(config), tuple(of_target(config))) for config in configs}


def _listed(config: BackendConfig, configs: Sequence[BackendConfig], backends: Mapping[str, Backend]) -> Callable[[str], Offer | None]:
    """What clients see under its name: its own tools, or while it has none those of the first who stands in."""
    lenders = [backends[name] for name in (config.name, *stand_ins(config, configs))]

    def offer_to(abilities: str) -> Offer | None:
        return next((offer for lender in lenders if (offer := lender.offer_to(abilities)) is not None), None)

    return offer_to

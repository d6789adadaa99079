"""What clients see of all backends together: one catalogue for all, and others for those to whom some backend offers something else."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..config.model import Config
from ..protocol.abilities import NONE
from ..routing.catalogue import Catalogue, build
from ..routing.composites.composite import Composite
from .composite_making import composites_of
from .member import Member
from .rule_making import has_rules
from .searching import exposure_of

__all__ = ["catalogues_of"]


def catalogues_of(members: Collection[Member], config: Config) -> tuple[Catalogue, dict[str, Catalogue]]:
    """The one, and the others by `Caller.abilities`; whoever is not among these is offered what all are.

    To merge all lists takes long, so those who are offered the same share one, whatever else they can be asked.
    """
    backends = [member.backend for member in members]
    known = {abilities for backend in backends if backend.clients is not None for abilities in backend.clients.known}
    composites = composites_of(config)
    made = [([backend.offer for backend in backends], _catalogue(members, config, composites, NONE))]
    apart: dict[str, Catalogue] = {}
    for abilities in sorted(known):
        offers = [backend.offer_to(abilities) for backend in backends]
        same = next((catalogue for others, catalogue in made if others == offers), None)
        if same is None:
            same = _catalogue(members, config, composites, abilities)
            made.append((offers, same))
        if same is not made[0][1]:
            apart[abilities] = same
    return made[0][1], apart


def _catalogue(members: Collection[Member], config: Config, composites: Sequence[Composite], abilities: str) -> Catalogue:
    proxy = config.proxy
    return build(
        [member.entry(abilities) for member in members],
        separator=proxy.separator,
        page_size=proxy.page_size,
        max_tool_name=proxy.max_tool_name,
        portable=proxy.portable_names,
        instructions=proxy.instructions,
        composites=composites,
        exposure=exposure_of(config),
        keeps_entries=has_rules(config),
    )

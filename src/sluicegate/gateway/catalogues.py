"""What clients see of all backends together: one catalogue for all, and others for those to whom some backend offers something else."""

from __future__ import annotations

from collections.abc import Collection

from ..config.model import ProxyConfig
from ..protocol.abilities import NONE
from ..routing.catalogue import Catalogue, build
from .member import Member

__all__ = ["catalogues_of"]


def catalogues_of(members: Collection[Member], proxy: ProxyConfig) -> tuple[Catalogue, dict[str, Catalogue]]:
    """The one, and the others by `Caller.abilities`; whoever is not among these is offered what all are."""
    backends = [member.backend for member in members]
    known = {abilities for backend in backends if backend.clients is not None for abilities in backend.clients.known}
    apart = [abilities for abilities in sorted(known) if any(backend.offer_to(abilities) != backend.offer for backend in backends)]
    return _catalogue(members, proxy, NONE), {abilities: _catalogue(members, proxy, abilities) for abilities in apart}


def _catalogue(members: Collection[Member], proxy: ProxyConfig, abilities: str) -> Catalogue:
    return build(
        [member.entry(abilities) for member in members],
        separator=proxy.separator,
        page_size=proxy.page_size,
        max_tool_name=proxy.max_tool_name,
        portable=proxy.portable_names,
        instructions=proxy.instructions,
    )

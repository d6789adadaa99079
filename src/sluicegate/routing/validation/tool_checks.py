"""The checks of one backend's tools: each made with the first call of its tool, and kept as long as the backend lists the tool as it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from ...protocol.messages import Params, Raw
from ...protocol.offers import TOOLS, Item, Offer
from ...telling.loggers import get_logger
from ..shaping.input_schemas import in_shape
from ..shaping.schema_reading import CannotReshape
from ..shaping.shape import Shaping
from .document_check import DocumentCheck
from .schema_bounds import CannotCheck

__all__ = ["ToolCheck", "ToolChecks"]

log = get_logger("sluicegate.routing.validation")

_MOST_OFFERS = 4
"""What clients of different kinds are offered."""
_MOST_CHECKS = 256


@attrs.frozen(eq=False)
class ToolCheck:
    """What a tool takes and gives, as clients see it; None where that is not said, or cannot be checked."""

    arguments: DocumentCheck | None = None
    result: DocumentCheck | None = None


@attrs.define(eq=False)
class _Checks:
    """Those of one offer."""

    offer: Offer
    items: Mapping[str, Item]
    made: dict[str, ToolCheck] = attrs.field(factory=dict)


@attrs.define(eq=False)
class ToolChecks:
    """All of a backend."""

    backend: str
    offer_to: Callable[[str], Offer | None]
    """What it offers, by `Caller.abilities`."""
    shaping: Shaping
    _known: list[_Checks] = attrs.field(factory=list, init=False)

    def of(self, abilities: str, tool: str) -> ToolCheck | None:
        """That of a tool, by the backend's own name; None if it is not listed."""
        offer = self.offer_to(abilities)
        if offer is None:
            return None
        checks = self._of(offer)
        found = checks.made.pop(tool, None)
        if found is None and (item := checks.items.get(tool)) is not None:
            found = self._made(item)
        if found is not None:
            checks.made[tool] = found  # the last used is the last
            if len(checks.made) > _MOST_CHECKS:
                del checks.made[next(iter(checks.made))]
        return found

    def _of(self, offer: Offer) -> _Checks:
        for checks in self._known:
            if checks.offer is offer:
                return checks
        fresh = _Checks(offer, {item.key: item for item in reversed(offer.lists[TOOLS])})
        self._known = [fresh, *self._known[: _MOST_OFFERS - 1]]
        return fresh

    def _made(self, item: Item) -> ToolCheck:
        try:
            shape = self.shaping.of(item.key)
            shown: Params = item.raw if shape is None else in_shape(item.raw, shape)
        except CannotReshape:
            return ToolCheck()  # nobody sees it
        return ToolCheck(self._check(item.key, "inputSchema", shown), self._check(item.key, "outputSchema", shown))

    def _check(self, tool: str, member: str, shown: Params) -> DocumentCheck | None:
        schema: Raw | None = shown.get(member)
        if schema is None:
            return None
        try:
            return DocumentCheck.by(schema)
        except CannotCheck as why:
            log.warning("nothing is validated by a schema of a tool", backend=self.backend, tool=tool, schema=member, reason=str(why))
            return None

"""What a backend lists: at one that is filtered nothing else may be asked for, however it is spelled."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from ..protocol.offers import RESOURCES, TEMPLATES, ListKind, Offer
from .spellings import normal
from .visibility import Visibility

__all__ = ["Inventory"]

_EXPRESSION = re.compile(r"\{[^{}]*\}")
_OPEN = re.compile(r"[^:/?#]+://[^/?#]*\}")
"""A template whose last expression goes on where its authority ends: the path of ``file://{path}`` is in it, and not the root."""


class _Template(msgspec.Struct, frozen=True):
    """A resource template in normal form: the texts between its expressions."""

    texts: tuple[str, ...]
    shown: bool

    @classmethod
    def parse(cls, template: str, *, shown: bool) -> _Template:
        text = normal(template)
        if _OPEN.fullmatch(template):
            text = text.removesuffix("/")
        return cls(tuple(_EXPRESSION.split(text)), shown)

    @property
    def rank(self) -> tuple[int, bool]:
        """Of several that fit, the one that says most about a URI is meant."""
        return sum(map(len, self.texts)), self.shown

    def fits(self, uri: str) -> bool:
        """Whether a URI in normal form may be an expansion, with anything in the place of an expression; linear, since all of them are alike."""
        first, *between = self.texts
        if not between:
            return uri == first
        last = between.pop()
        if not uri.startswith(first) or not uri.endswith(last):
            return False
        at, end = len(first), len(uri) - len(last)
        for text in between:
            found = uri.find(text, at, end)
            if found < 0:
                return False
            at = found + len(text)
        return at <= end


class Inventory(msgspec.Struct, frozen=True):
    """The names of one backend, looked up in the ways in which they may be spelled."""

    _names: dict[ListKind, frozenset[str]]
    _uris: frozenset[str]
    """Of what clients see, in normal form."""
    _templates: tuple[_Template, ...]

    @classmethod
    def of(cls, offer: Offer, shown: Mapping[ListKind, Collection[str]], visibility: Visibility) -> Inventory:
        """Take down what is offered but for what nobody may use, and what of it clients see."""
        return cls(
            {kind: frozenset(item.key for item in items) - visibility.banned(kind, items) for kind, items in offer.lists.items()},
            frozenset(map(normal, shown[RESOURCES])),
            tuple(_Template.parse(item.key, shown=item.key in shown[TEMPLATES]) for item in offer.lists[TEMPLATES]),
        )

    def holds(self, kind: ListKind, local: str) -> bool:
        """Whether something is listed; of a URI also whether it is another spelling of one, or an expansion of a template, that is shown."""
        if local in self._names[kind]:
            return True
        if kind is not RESOURCES:
            return False
        uri = normal(local)
        if uri in self._uris:
            return True
        fitting = [template for template in self._templates if template.fits(uri)]
        return bool(fitting) and max(fitting, key=lambda template: template.rank).shown

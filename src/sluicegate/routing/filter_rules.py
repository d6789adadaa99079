"""Expose and hide lists, ready to be asked. Where spellings differ they are on the safe side: what a list may mean to hide is hidden."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

import msgspec

from .patterns import Pattern, PatternList
from .spellings import has_no_host, normal_glob, readings, served_by

__all__ = ["Lists", "NameRules", "Rules", "UriRules", "in_both_forms"]


class Rules(Protocol):
    """What of one kind clients may see and use."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        ...

    def show(self, local: str, client: str) -> bool:
        """Whether something that the backend lists may be seen; ``client`` is its alias, or its name again."""
        ...

    def admit(self, local: str, client: str) -> bool:
        """Whether something may be asked for that a client has named, in a spelling of its own."""
        ...


class Lists(msgspec.Struct, frozen=True):
    """Patterns of both kinds, each with the case that is on the safe side: a backend may take no notice of it."""

    expose: PatternList
    expose_but: tuple[PatternList, ...]
    """One of these does not fit: exposed by a negated pattern."""
    hide: PatternList
    hide_but: tuple[PatternList, ...]

    @classmethod
    def of(cls, expose: Iterable[Pattern], hide: Iterable[Pattern]) -> Lists:
        """Make them ready."""
        exposing, hiding = tuple(expose), tuple(hide)
        return cls(
            PatternList.of(pattern for pattern in exposing if not pattern.negated),
            tuple(PatternList.of([pattern], folds=True) for pattern in exposing if pattern.negated),
            PatternList.of((pattern for pattern in hiding if not pattern.negated), folds=True),
            tuple(PatternList.of([pattern]) for pattern in hiding if pattern.negated),
        )

    @property
    def expose_some(self) -> bool:
        """Whether only what is exposed passes."""
        return bool(self.expose or self.expose_but)

    @property
    def any(self) -> bool:
        """Whether there is anything in them."""
        return bool(self.expose_some or self.hide or self.hide_but)

    def hides(self, name: str) -> bool:
        """Whether a name is to be hidden."""
        return self.hide.fits(name) or any(not kept.fits(name) for kept in self.hide_but)

    def exposes(self, name: str) -> bool:
        """Whether a name is among those that are shown."""
        return self.expose.fits(name) or any(not left.fits(name) for left in self.expose_but)

    def pass_names(self, names: Collection[str]) -> bool:
        """Whether something that goes by these names may be seen."""
        return not any(map(self.hides, names)) and (not self.expose_some or any(map(self.exposes, names)))


class NameRules(msgspec.Struct, frozen=True):
    """Rules for tools and prompts."""

    lists: Lists

    @classmethod
    def of(cls, expose: Iterable[Pattern], hide: Iterable[Pattern]) -> NameRules:
        """Make the lists ready."""
        return cls(Lists.of(expose, hide))

    def __bool__(self) -> bool:
        return self.lists.any

    def show(self, local: str, client: str) -> bool:
        """Exposed under one of its names, hidden under none (LIM-24)."""
        return self.lists.pass_names({local, client})

    admit = show


class UriRules(msgspec.Struct, frozen=True):
    """Rules for resources and templates, which compare normal forms. What has dot segments is neither shown nor admitted."""

    lists: Lists

    @classmethod
    def of(cls, expose: Iterable[Pattern], hide: Iterable[Pattern]) -> UriRules:
        """Make the lists ready, with each glob in normal form; a glob that fits also as it stands makes no difference to a normal URI."""
        return cls(Lists.of(in_both_forms(expose), in_both_forms(hide)))

    def __bool__(self) -> bool:
        return self.lists.any

    def show(self, local: str, client: str) -> bool:
        """Whether the backend's own spelling may be seen; it is meant as it stands."""
        return self._passes(local, client, asked=False)

    def admit(self, local: str, client: str) -> bool:
        """Whether a client's spelling may be read: a wild card of an expose list must fit every reading of it, and each must have a host."""
        return self._passes(local, client, asked=True)

    def _passes(self, local: str, client: str, *, asked: bool) -> bool:
        if not self:
            return True
        read = readings(local)
        if read is None or (asked and any(map(has_no_host, read))):
            return False
        alias = () if client == local else (client,)
        served = dict.fromkeys((local, *alias, *(form for reading in read for form in served_by(reading))))
        if any(map(self.lists.hide.fits, served)) or any(not kept.fits(form) for kept in self.lists.hide_but for form in (*read, *alias)):
            return False
        return not self.lists.expose_some or self._exposes(read if asked else read[:1], served) or any(map(self.lists.exposes, alias))

    def _exposes(self, read: tuple[str, ...], served: Iterable[str]) -> bool:
        if self.lists.expose.names(read[0]) or all(map(self.lists.expose.fits, read)):
            return True
        return any(not any(map(left.fits, served)) for left in self.lists.expose_but)


def in_both_forms(patterns: Iterable[Pattern]) -> list[Pattern]:
    """Each pattern as it stands, and in normal form; a negated one in normal form alone, since that is what URIs are compared in."""
    both = [(pattern, pattern.rewritten(normal_glob)) for pattern in patterns]
    return [one for given, rewritten in both for one in ([rewritten] if given.negated else [given, rewritten])]

"""Where the catalogue of the moment is found, and who is told when another takes its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from ..protocol.calls import Call, Caller
from ..protocol.fault import Fault
from ..protocol.offers import KINDS, TOOLS, ListKind
from ..protocol.principal import Principal
from ..telling.loggers import get_logger
from .access.denied import no_role
from .access.rule_book import RuleBook
from .catalogue import Catalogue, build

__all__ = ["Directory", "ListChange"]

log = get_logger("sluicegate.routing")

MOST_COMPARED = 64
"""Sets of roles for which it is found out at each change what is new for them; all others hear of whatever has changed."""


@attrs.frozen
class ListChange:
    """Lists have changed; which ones depends on who is offered what."""

    methods: frozenset[str]
    """Of the ``list_changed`` notifications that are due to those who see what all see."""
    apart: Mapping[str, frozenset[str]] = attrs.field(factory=dict)
    """Of those that are due to others, by `Caller.abilities`."""
    narrowed: Callable[[Caller], frozenset[str] | None] | None = None
    """Of those that are due to who may not see all; None where that is as for the others, or is not found out."""
    has_other_rules: bool = False
    """Whether somebody may see another part, although the lists are as they were."""

    def told_to(self, caller: Caller) -> frozenset[str]:
        """Of those that are due to this caller."""
        methods = self.apart.get(caller.abilities, self.methods) if self.apart else self.methods
        if not caller.principal.roles or not (methods or self.has_other_rules):
            return methods
        own = None if self.narrowed is None else self.narrowed(caller)
        return own if own is not None else _methods(KINDS) if self.has_other_rules else methods


@attrs.frozen(eq=False, repr=False)
class _Narrowed:
    """Which lists have changed for whom, found out once for each set of roles. Who may not see what is new hears nothing of it."""

    rules: RuleBook
    old: Callable[[Caller], Catalogue]
    new: Callable[[Caller], Catalogue]
    known: dict[tuple[str, frozenset[str]], frozenset[str]] = attrs.field(factory=dict)

    def __call__(self, caller: Caller) -> frozenset[str] | None:
        key = caller.abilities, caller.principal.roles
        if key not in self.known:
            before = self.old(caller).narrowed.get(caller.principal.roles)
            if before is None or len(self.known) >= MOST_COMPARED:
                return None
            self.known[key] = _methods(self.rules.part_for(self.new(caller), caller.principal).changes_from(before))
        return self.known[key]


@attrs.define(eq=False, repr=False)
class Directory:
    """Holds the catalogue of the moment and tells who listens when a list has changed.

    Where backends have sessions with single clients there may be more than one: what a server offers can depend on what it may ask.
    """

    current: Catalogue = attrs.field(factory=lambda: build((), separator=""))
    """For all who are offered nothing else."""
    rules: RuleBook | None = None
    """What who may see of it; None where all may see all."""
    _has_other_rules: bool = attrs.field(default=False, init=False)
    """Since the catalogue took its place."""
    _apart: Mapping[str, Catalogue] = attrs.field(factory=dict, init=False)
    """For those who are, by `Caller.abilities`."""
    _readers: set[str] = attrs.field(factory=set, init=False)
    """The abilities of those who have read a list."""
    _listeners: dict[object, Callable[[ListChange], None]] = attrs.field(factory=dict, init=False)
    _followers: dict[object, Callable[[], None]] = attrs.field(factory=dict, init=False)

    @property
    def catalogues(self) -> tuple[Catalogue, ...]:
        """All that somebody may see now."""
        return (self.current, *self._apart.values())

    def seen_by(self, caller: Caller) -> Catalogue:
        """What is there for a caller, and what of it he may use."""
        whole = self._apart.get(caller.abilities, self.current) if self._apart else self.current  # as `_whole`, for each call comes by
        return whole if self.rules is None or not caller.principal.roles else self.rules.part_for(whole, caller.principal)

    def _whole(self, caller: Caller) -> Catalogue:
        return self._apart.get(caller.abilities, self.current) if self._apart else self.current

    def refuses(self, caller: Caller) -> Fault | None:
        """Why nothing of a caller's is to be answered; None where he may do something (RBAC-4)."""
        return no_role() if self.rules is not None and self.rules.may_do_nothing(caller.principal) else None

    def refuses_own(self, call: Call) -> Fault | None:
        """Why its caller may not call a tool of the gateway's own; None where he may."""
        seen = self.seen_by(call.caller)
        return None if seen.rights is None or seen.permits_own(call.target) else seen.rights.refusal(TOOLS, call.target)

    def may_read_pages(self, principal: Principal) -> bool:
        """Whether somebody may read what the gateway tells of itself; whoever has limits may not, unless a role of his says so."""
        rights = None if self.rules is None else self.rules.rights_of(principal.roles)
        return rights is None or rights.reads_pages

    def open_to(self, principal: Principal) -> Catalogue:
        """What somebody may use of what is there for all."""
        return self.current if self.rules is None else self.rules.part_for(self.current, principal)

    def differs_between(self, one: Caller, other: Caller) -> frozenset[str]:
        """The ``list_changed`` notifications that are due to somebody who was the one and is the other now."""
        return _methods(self.seen_by(other).changes_from(self.seen_by(one)))

    def adopt(self, rules: RuleBook | None) -> None:
        """Go by other rules from now on; the catalogue that comes next tells who sees another part of it."""
        self.rules, self._has_other_rules = rules, True

    def read_by(self, caller: Caller) -> Catalogue:
        """The same, for a caller who reads a list, and so has to hear when it changes."""
        self._readers.add(caller.abilities)
        return self.seen_by(caller)

    def subscribe(self, listener: Callable[[ListChange], None]) -> Callable[[], None]:
        """Have ``listener`` called when lists have changed; the result ends that.

        Listeners are called at once and in the task that replaced the catalogue, so they must not block.
        """
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def follow(self, follower: Callable[[], None]) -> Callable[[], None]:
        """The same for every catalogue that takes the place of another, whether or not a list differs: names that are in no list may."""
        key = object()
        self._followers[key] = follower
        return lambda: self._followers.pop(key, None) and None

    def replace(self, catalogue: Catalogue, apart: Mapping[str, Catalogue] | None = None) -> set[ListKind]:
        """Put a catalogue in the place of the old one, and others in the place of those for who is offered something else.

        What was ever declared stays declared: a client that was told of prompts gets an empty list when they are gone, not an error.

        Returns:
            The lists that differ for those who see what all see.
        """
        old, before = self.current, self._apart
        for remark in sorted(catalogue.remarks - old.remarks, key=attrs.astuple):
            log.warning(remark.what, kind=remark.kind, item=remark.name, backend=remark.backend)
        self.current = attrs.evolve(catalogue, offered=catalogue.offered | old.offered)
        self._apart = {key: attrs.evolve(one, offered=one.offered | before.get(key, old).offered) for key, one in (apart or {}).items()}
        changed = self.current.changes_from(old)
        told = {
            key: _methods(self._apart.get(key, self.current).changes_from(before.get(key, old)))
            if key in self._readers
            else frozenset[str]()
            for key in before.keys() | self._apart.keys()
        }
        for follower in list(self._followers.values()):
            follower()
        has_other_rules, self._has_other_rules = self._has_other_rules, False
        if changed or any(told.values()) or has_other_rules:
            narrowed = None if self.rules is None else _Narrowed(self.rules, lambda caller: before.get(caller.abilities, old), self._whole)
            change = ListChange(_methods(changed), told, narrowed, has_other_rules)
            for listener in list(self._listeners.values()):
                listener(change)
        return changed


def _methods(kinds: Iterable[ListKind]) -> frozenset[str]:
    return frozenset(kind.changed for kind in kinds)

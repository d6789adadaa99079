"""Which catalogue is whose: by the roles of whoever calls, each made once for as long as the catalogue holds.

What follows from roles is made with the first request of somebody who has them, and found in a dict from then on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import attrs

from ...protocol.principal import NO_ROLE, Principal
from ..catalogue import Catalogue
from .narrowing import narrowed
from .rights import Rights
from .role import Role

__all__ = ["RuleBook"]

_NOTHING = Role(NO_ROLE, only_denies=True)
MOST_SETS = 1024
"""Sets of roles whose rights are kept ready."""
MOST_NARROWED = 256
"""Parts of one catalogue that are kept ready; the one that was made first makes room for another."""
MOST_ENTRIES = 200_000
"""Names in all of these together, so that large catalogues have fewer parts; each has one."""


@attrs.define(eq=False, repr=False)
class RuleBook:
    """The rules of one gateway."""

    roles: Mapping[str, Role]
    """By name, in the order of the file."""
    refuses_strangers: bool = False
    """Whether somebody may be recognized and have no role, and then may do nothing."""
    _rights: OrderedDict[frozenset[str], Rights | None] = attrs.field(factory=OrderedDict, init=False)

    @classmethod
    def of(cls, roles: Iterable[Role], *, refuses_strangers: bool = False) -> RuleBook:
        """Of all roles, in order."""
        return cls({role.name: role for role in roles}, refuses_strangers)

    def rights_of(self, roles: frozenset[str]) -> Rights | None:
        """What principals with these roles may use; None is everything, which is for who needs no roles and for who has one without limits.

        A role that is not in the file gives nothing, so who has no other may do nothing.
        """
        if not roles:
            return None
        if roles in self._rights:
            return self._rights[roles]
        having = tuple(role for name, role in self.roles.items() if name in roles) or (_NOTHING,)
        denies = any(any(role.deny.values()) for role in having)
        rights = None if not denies and any(role.is_unlimited for role in having) else Rights(having)
        if len(self._rights) >= MOST_SETS:
            self._rights.popitem(last=False)
        self._rights[roles] = rights
        return rights

    def part_for(self, whole: Catalogue, principal: Principal) -> Catalogue:
        """What of a catalogue is for somebody."""
        known = whole.narrowed.get(principal.roles)
        return self._made(whole, principal.roles) if known is None else known

    def may_do_nothing(self, principal: Principal) -> bool:
        """Whether every request of his is refused (RBAC-4)."""
        if not principal.roles:
            return False
        rights = self.rights_of(principal.roles)
        return rights is not None and rights.gives_nothing

    def _made(self, whole: Catalogue, roles: frozenset[str]) -> Catalogue:
        rights = self.rights_of(roles)
        part = whole if rights is None else narrowed(whole, rights)
        kept = whole.narrowed
        most = min(MOST_NARROWED, max(1, MOST_ENTRIES // (1 + sum(map(len, whole.table.listed.values())))))
        while len(kept) >= most:
            del kept[next(iter(kept))]
        kept[roles] = part
        return part

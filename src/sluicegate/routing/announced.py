"""What clients are told of all backends together: capabilities, and the extensions that cross (P-86, P-87)."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ..protocol.eras import MODERN, NEWEST
from ..protocol.extensions import OFFICIAL, agreed, crossing, declared_by
from ..protocol.messages import Params, Raw, encode
from ..protocol.offers import Hello
from .remarks import Remark

__all__ = ["NOTHING", "Announced", "announced", "has_own_methods"]

_MEMBERS = ("extensions", "experimental")


@attrs.frozen
class Announced:
    """Beside the lists: ``extensions`` and ``experimental``, as clients of each kind of revision are told of them."""

    with_sessions: Params = attrs.field(factory=dict)
    without: Params = attrs.field(factory=dict)

    def told_in(self, era: str) -> Params:
        """What is said in that revision."""
        return self.without if era in MODERN else self.with_sessions


NOTHING = Announced()


def announced(hellos: Iterable[tuple[str, Hello]]) -> tuple[Announced, frozenset[Remark]]:
    """Merge what backends declare, each under its name; and what the operator should know of that."""
    told = list(hellos)
    remarks: set[Remark] = set()
    both: list[Params] = []
    for era in (NEWEST, MODERN[-1]):
        crosses = [(name, crossing(hello.capabilities, era, hello.version)) for name, hello in told]
        said: Params = {}
        for member in _MEMBERS:
            theirs = [(name, declared_by(capabilities, member)) for name, capabilities in crosses]
            merged, apart = agreed(declared for _name, declared in theirs)
            remarks |= {
                Remark("backends do not agree on the settings of an extension", member, extension, name)
                for name, declared in theirs
                for extension in apart & declared.keys()
            }
            if merged:
                said[member] = Raw(encode(merged))
        both.append(said)
    return Announced(*both), frozenset(remarks)


def has_own_methods(hello: Hello) -> bool:
    """Whether a backend declares something that may have methods which the protocol does not know (P-94)."""
    declared = declared_by(hello.capabilities, "extensions").keys() | declared_by(hello.capabilities, "experimental").keys()
    return any(not name.startswith(OFFICIAL) for name in declared)

"""What clients are told of all backends together: capabilities, and the extensions that cross (P-86, P-87)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..protocol.eras import MODERN, NEWEST
from ..protocol.extensions import OFFICIAL, TASKS, agreed, crossing, declared_by
from ..protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode
from ..protocol.offers import Hello, makes_tasks
from .remarks import Remark

__all__ = ["NOTHING", "Announced", "announced", "has_own_methods"]

_CALLS = Raw(encode({"tools": {"call": {}}}))
_WITH_TASKS = ("", NEWEST)
_MEMBERS = ("extensions", "experimental")


class Announced(msgspec.Struct, frozen=True):
    """Beside the lists: ``extensions`` and ``experimental``, as clients of each kind of revision are told of them."""

    with_sessions: Params = msgspec.field(default_factory=dict)
    without: Params = msgspec.field(default_factory=dict)
    tasks: Params = msgspec.field(default_factory=dict)
    """What there is of tasks in the one revision with sessions that has them (P-133); empty where there is nothing."""
    list_tasks: frozenset[str] = frozenset()
    """The backends that list tasks."""

    def told_in(self, era: str) -> Params:
        """What is said in that revision."""
        if era in MODERN:
            return self.without
        return self.with_sessions | {"tasks": Raw(encode(self.tasks))} if era == NEWEST and self.tasks else self.with_sessions

    def has_tasks(self, era: str) -> bool:
        """Whether somebody who speaks that revision can have tasks; a program that embeds the gateway has those with sessions."""
        if era in MODERN:
            return TASKS in declared_by(self.without, "extensions")
        return bool(self.tasks) and era in _WITH_TASKS


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
    old, new = both
    return Announced(old, new, *_tasks_of(told)), frozenset(remarks)


def _tasks_of(hellos: Iterable[tuple[str, Hello]]) -> tuple[Params, frozenset[str]]:
    """What some backend can do, and who lists tasks; that every one can is not said, and one that cannot says so itself."""
    found: Params = {}
    lists: set[str] = set()
    for backend, hello in hellos:
        declared = decode_object(hello.capabilities.get("tasks", EMPTY))
        if hello.version not in MODERN and not isinstance(declared, Malformed) and makes_tasks(hello):
            found |= {name: EMPTY for name in ("cancel", "list") if name in declared}
            found["requests"] = _CALLS
            lists |= {backend} if "list" in declared else set()
    return found, frozenset(lists)


def has_own_methods(hello: Hello) -> bool:
    """Whether a backend declares something that may have methods which the protocol does not know (P-94)."""
    declared = declared_by(hello.capabilities, "extensions").keys() | declared_by(hello.capabilities, "experimental").keys()
    return any(not name.startswith(OFFICIAL) for name in declared)

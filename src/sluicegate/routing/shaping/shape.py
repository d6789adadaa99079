"""The rules for one tool, and for all tools of a backend."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from ...protocol import faults
from ...protocol.fault import Fault
from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object
from ...protocol.principal import Principal
from .supplied_value import Supplied

__all__ = ["NO_SHAPING", "Shape", "Shaping"]


@attrs.frozen(repr=False)
class Shape:
    """How the parameters of a tool look to clients. Names are the backend's own unless it says otherwise."""

    hidden: frozenset[str] = frozenset()
    """Clients neither see nor may name them."""
    renamed: Mapping[str, str] = attrs.field(factory=dict)
    """From the backend's name to the one that clients use instead."""
    given: Mapping[str, Supplied] = attrs.field(factory=dict)
    """What is supplied where a client does not."""
    forced: Mapping[str, Supplied] = attrs.field(factory=dict)
    """What is supplied whatever a client says."""
    title: str | None = None
    description: str | None = None
    _inward: dict[str, str] = attrs.field(init=False, eq=False)
    _closed: frozenset[str] = attrs.field(init=False, eq=False)
    """What no client may name, in whatever case: servers exist that take no notice of it."""
    _forced: frozenset[str] = attrs.field(init=False, eq=False)
    _is_about_caller: bool = attrs.field(init=False, eq=False)

    @_inward.default
    def _turned_round(self) -> dict[str, str]:
        return {client: local for local, client in self.renamed.items()}

    @_closed.default
    def _names_taken_away(self) -> frozenset[str]:
        return frozenset(name.casefold() for name in (*self.hidden, *self.renamed))

    @_forced.default
    def _names_forced(self) -> frozenset[str]:
        return frozenset(name.casefold() for name in self.forced)

    @_is_about_caller.default
    def _asks_who_calls(self) -> bool:
        return any(value.is_about_caller for value in (*self.given.values(), *self.forced.values()))

    @property
    def headers(self) -> frozenset[str]:
        """Those of a request that arguments are made of, in lower case."""
        return frozenset[str]().union(*(value.headers for value in (*self.given.values(), *self.forced.values())))

    @property
    def supplied(self) -> frozenset[str]:
        """What a backend gets in any case."""
        return frozenset((*self.given, *self.forced))

    @property
    def changes_parameters(self) -> bool:
        """Whether clients see other parameters than the backend has, or others that are required."""
        return bool(self.hidden or self.renamed or self.given or self.forced)

    def inward(self, arguments: Raw | None, principal: Principal) -> Params | Fault:
        """A client's arguments as the backend is to get them."""
        if self._is_about_caller and not principal.key:
            return faults.unknown_caller()
        given = decode_object(EMPTY if arguments is None else arguments)
        if isinstance(given, Malformed):
            return faults.client_mistake(f"the arguments cannot be read: {given.message}")
        found: Params = {}
        for name, value in given.items():
            local = self._inward.get(name)
            if local is None and name.casefold() in self._closed:
                return faults.client_mistake(f'this tool has no parameter "{name}"; leave it out')
            if (local or name).casefold() not in self._forced:
                found[local or name] = value
        supplied = {name: value for name, value in self.given.items() if name not in found} | dict(self.forced)
        for name, kept in supplied.items():
            made = kept.to(principal)
            if isinstance(made, Fault):
                return made
            found[name] = made
        return found


class Shaping(msgspec.Struct, frozen=True):
    """The rules for the tools of one backend, by its own names."""

    tools: Mapping[str, Shape] = msgspec.field(default_factory=dict)
    others: Shape | None = None
    """For every tool that has no rules of its own."""

    def __bool__(self) -> bool:
        return bool(self.tools) or self.others is not None

    @property
    def headers(self) -> frozenset[str]:
        """Those of a request that arguments of any tool are made of."""
        return frozenset[str]().union(*(shape.headers for shape in (*self.tools.values(), self.others or Shape())))

    def of(self, tool: str) -> Shape | None:
        """The rules for a tool; None if there are none."""
        return self.tools.get(tool, self.others)


NO_SHAPING = Shaping()

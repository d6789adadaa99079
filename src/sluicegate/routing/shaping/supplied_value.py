"""A value that the gateway supplies for a parameter."""

from __future__ import annotations

import re

import attrs

from ...protocol import faults
from ...protocol.fault import Fault
from ...protocol.messages import Raw, encode
from ...protocol.principal import Principal
from ...protocol.template_places import CALLER_PLACES, HEADER_PLACE

__all__ = ["Supplied"]

_PLACE = re.compile("|".join((*map(re.escape, CALLER_PLACES), HEADER_PLACE.pattern)))


@attrs.frozen(repr=False)
class Supplied:
    """It, encoded. It may be a key, so it is not shown."""

    value: str
    """JSON; what stands in its texts for something about the call is put in as text, whatever it says."""
    is_about_caller: bool = attrs.field(init=False, eq=False)
    """Whether it tells who calls."""
    headers: frozenset[str] = attrs.field(init=False, eq=False)
    """Those of the request that it is made of, in lower case."""

    @is_about_caller.default
    def _tells_who_calls(self) -> bool:
        return any(place in self.value for place in CALLER_PLACES)

    @headers.default
    def _named(self) -> frozenset[str]:
        return frozenset(name.lower() for name, _without in HEADER_PLACE.findall(self.value))

    @classmethod
    def of(cls, value: object) -> Supplied:
        """Of a plain value, as a configuration has it."""
        return cls(encode(value).decode())

    def to(self, principal: Principal) -> Raw | Fault:
        """The value for one caller and request, or why there is none."""
        if not (self.is_about_caller or self.headers):
            return Raw(self.value.encode())
        said = dict(principal.headers)
        missing = set[str]()

        def put_in(place: re.Match[str]) -> str:
            name, without = place[1], place[2]
            if name is None:
                return _within(getattr(principal, CALLER_PLACES[place[0]]))
            if text := said.get(name.lower()):
                return _within(text)
            if without is None:
                missing.add(name)
                return ""
            return without.removeprefix(":-")  # which is encoded as the rest of its text is

        filled = _PLACE.sub(put_in, self.value)
        return faults.missing_header(min(missing)) if missing else Raw(filled.encode())


def _within(text: str) -> str:
    """As it stands within a longer text: whatever somebody calls himself, it does not end there."""
    return encode(text)[1:-1].decode()

"""A value that the gateway supplies for a parameter."""

from __future__ import annotations

import re

import attrs

from ...protocol.messages import Raw, encode
from ...protocol.principal import Principal
from ...protocol.template_places import CALLER_PLACES

__all__ = ["Supplied"]

_PLACE = re.compile(b"|".join(re.escape(place.encode()) for place in CALLER_PLACES))


@attrs.frozen(repr=False)
class Supplied:
    """It, encoded. It may be a key, so it is not shown."""

    value: bytes
    is_about_caller: bool = attrs.field(init=False)

    @is_about_caller.default
    def _has_places(self) -> bool:
        return _PLACE.search(self.value) is not None

    @classmethod
    def of(cls, value: object) -> Supplied:
        """Of a plain value, as a configuration has it."""
        return cls(encode(value))

    def to(self, principal: Principal) -> Raw:
        """The value for one caller. Whatever he is called stays within the text that he is put into."""
        if not self.is_about_caller:
            return Raw(self.value)
        return Raw(_PLACE.sub(lambda place: encode(getattr(principal, CALLER_PLACES[place[0].decode()]))[1:-1], self.value))

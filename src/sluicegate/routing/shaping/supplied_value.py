"""A value that the gateway supplies for a parameter."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...protocol.messages import Raw, encode
from ...protocol.principal import Principal

__all__ = ["PLACES", "Supplied"]

PLACES: Mapping[bytes, str] = {
    b"${principal.subject}": "subject",
    b"${principal.issuer}": "issuer",
    b"${principal.key}": "key",
}
"""What may stand in a text for something about the caller, and the attribute of `Principal` that takes its place."""


@attrs.frozen
class Supplied:
    """It, encoded. It may be a key, so it is not shown."""

    value: bytes = attrs.field(repr=False)
    is_about_caller: bool = attrs.field(init=False)

    @is_about_caller.default
    def _has_places(self) -> bool:
        return any(place in self.value for place in PLACES)

    @classmethod
    def of(cls, value: object) -> Supplied:
        """Of a plain value, as a configuration has it."""
        return cls(encode(value))

    def to(self, principal: Principal) -> Raw:
        """The value for one caller. Whatever he is called stays within the text that he is put into."""
        value = self.value
        if self.is_about_caller:
            for place, name in PLACES.items():
                value = value.replace(place, encode(getattr(principal, name))[1:-1])
        return Raw(value)

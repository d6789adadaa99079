"""The keys by which tickets are sealed and opened: the newest seals, all of them open, and a ticket names its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ..identity.sealing import Seal
from ..protocol.sealing_key import SealingKey

__all__ = ["LONGEST_TICKET", "MOST_CONTENT", "SealedTicket", "TicketKeys"]

LONGEST_TICKET = 1024
"""Characters."""
_ID = 8
MOST_CONTENT = (LONGEST_TICKET - _ID) * 3 // 4 - 40
"""Bytes that fit into one: what seals them takes 40 itself."""
_PURPOSE = "session"


@attrs.frozen(repr=False)
class SealedTicket:
    """One that was opened."""

    text: str
    content: bytes
    key: SealingKey


@attrs.define(eq=False, repr=False)
class TicketKeys:
    """Those of the moment."""

    secret: Callable[[int], bytes] = attrs.field(repr=False)
    _by_id: dict[str, tuple[SealingKey, Seal]] = attrs.field(factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def newest_first(self) -> list[SealingKey]:
        """All of them."""
        return sorted((key for key, _ in self._by_id.values()), reverse=True)

    def find(self, id: str) -> SealingKey | None:
        """The one of that name."""
        found = self._by_id.get(id)
        return None if found is None else found[0]

    def hold(self, keys: Iterable[SealingKey]) -> None:
        """Have these, and no others."""
        before = self._by_id
        self._by_id = {key.id: before.get(key.id) or (key, Seal(key.secret, self.secret)) for key in keys}

    def seal(self, key: SealingKey, content: bytes) -> str:
        """A ticket; what tells it from others stands at its beginning, and the key's name at its end."""
        return self._by_id[key.id][1].close(_PURPOSE, content) + key.id

    def open(self, text: str) -> SealedTicket | str:
        """What is in a ticket that anybody may have made up, or why nothing is: ``malformed``, ``unknown_key`` or ``forged``.

        That costs a look at its length, then one for its key, then one try to open it.
        """
        if not _ID < len(text) <= LONGEST_TICKET:
            return "malformed"
        found = self._by_id.get(text[-_ID:])
        if found is None:
            return "unknown_key"
        key, seal = found
        content = seal.open(_PURPOSE, text[:-_ID])
        return "forged" if content is None else SealedTicket(text, content, key)

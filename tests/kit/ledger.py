"""What the clients of a test asked and what came of it, checked while it comes: each call gets one reply, its own, in time."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

import attrs
import trio

from sluicegate.protocol.messages import decode_object, encode

__all__ = ["Asked", "Ledger"]

MARGIN = 0.5
"""Seconds that a reply may come after it was due."""
_SAID = re.compile(r'"(\w+)\|([^|]+)\|')
"""What a `WildBackend` says: who it is, and the mark of the call."""


@attrs.define(eq=False)
class Asked:
    """One call of a client, and what came of it."""

    mark: str
    id: bytes
    """As it is written."""
    target: str
    at: float
    replies: list[bytes] = attrs.field(factory=list)
    cancelled_at: float = float("inf")
    left_at: float = float("inf")
    """When its client let go of it."""
    outcome: str = ""
    """What came instead of a reply."""
    last_event: str = ""
    leaves: bool = False
    """Its client will hang up soon after the next event, but may come back."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, repr=False)

    def message(self) -> bytes:
        """The call as its client sends it."""
        params = {"name": f"{self.target}_echo", "arguments": {"call": self.mark}, "_meta": {"progressToken": f"t-{self.mark}"}}
        return b'{"jsonrpc":"2.0","id":%b,"method":"tools/call","params":%b}' % (self.id, encode(params))


@attrs.define(eq=False)
class Ledger:
    """All calls of one test, and all that was wrong with them."""

    chance: random.Random
    serves: dict[str, set[str]] = attrs.field(factory=dict)
    """By backend, the targets that it may have answered for."""
    longest: dict[str, float] = attrs.field(factory=dict)
    """By target, how long a call may take."""
    asked: list[Asked] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)
    ending: float = float("inf")
    """When the gateway begins to drain, or is cancelled."""
    grace: float = 0.0
    """How long calls may go on then."""

    @property
    def is_over(self) -> bool:
        """Whether the end has begun."""
        return trio.current_time() >= self.ending

    def check(self, condition: object, *what: object) -> None:
        """Note what is wrong, and when."""
        if not condition:
            self.wrong.append(f"{trio.current_time():.2f}: " + " ".join(map(str, what)))

    def ask(self, client: str, target: str) -> Asked:
        """A new call, under an id of any form."""
        number = len(self.asked)
        ids = (b"%d" % (1000 + number), b'"%d"' % number, b'"\\u00e4/%d"' % number)
        self.asked.append(Asked(f"{client}-{number}", self.chance.choice(ids), target, trio.current_time()))
        return self.asked[-1]

    def hear(self, asked: Asked, data: bytes) -> None:
        """One message on the stream of a call."""
        message = decode_object(data)
        assert isinstance(message, Mapping), data
        self.check(not asked.replies, asked.mark, "got more after its reply:", data)
        if "method" not in message:
            asked.replies.append(data)
            self.check(bytes(message["id"]) == asked.id, asked, "got the id of another:", data)
            self.check(self._is_own(asked, data.decode()), asked, "got the reply of another:", data)
            heeded = asked.cancelled_at if asked.cancelled_at < self.ending else float("inf")  # who drains takes no messages
            due = min(asked.at + self.longest.get(asked.target, 0), heeded, self.ending + self.grace)
            self.check(asked.left_at < due or trio.current_time() <= due + MARGIN, asked, "was due at", due, "and got", data)
        elif b"progressToken" in data:
            self.check(b'"t-%b"' % asked.mark.encode() in data, asked, "heard of the progress of another:", data)

    def _is_own(self, asked: Asked, text: str) -> bool:
        said = _SAID.search(text)
        return said is None or (said[2] == asked.mark and asked.target in self.serves.get(said[1], ()))

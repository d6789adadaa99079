"""What the requests of one session have in common, and what each says about itself: header lines that are ready to be sent."""

from __future__ import annotations

import attrs

from ...http1.client.head import encode_headers
from ...protocol import eras
from ...protocol.calls import NAMED_BY, Call
from ...protocol.headers import JSON, LAST_EVENT_ID, METHOD, NAME, PROTOCOL_VERSION, SESSION_ID, safe_value
from ...protocol.messages import Raw, read_text
from ...protocol.task_ids import MEMBERS
from ...protocol.task_ids import METHODS as TASK_METHODS

__all__ = ["Conversation", "lines_of_call"]

MOST_KEPT, LONGEST_KEPT = 1024, 256
"""How many calls' lines are kept for the next one of the same name, and how long such a name may be."""

NAMELESS = Raw(b"")
PARAM = "Mcp-Param-"

_kept: dict[tuple[str, bytes], bytes] = {}
"""By the method and the name as it stands in the parameters."""


@attrs.frozen
class Conversation:
    """A session as the backend knows it. Without an id there is nothing to carry yet."""

    session_id: str = attrs.field(default="", repr=False)
    version: str = ""
    lines: bytes = attrs.field(init=False, repr=False)
    """The session id and the negotiated version, as far as there are any."""
    posting: bytes = attrs.field(init=False, repr=False)
    """The same for requests with a message in them."""

    def __attrs_post_init__(self) -> None:
        known = {SESSION_ID: self.session_id} if self.session_id else {}
        if self.version in eras.SPOKEN:
            known[PROTOCOL_VERSION] = self.version
        object.__setattr__(self, "lines", encode_headers(known.items()))
        object.__setattr__(self, "posting", self.lines + encode_headers([("Content-Type", JSON)]))

    @property
    def is_modern(self) -> bool:
        """Whether closing an answer takes the request back, and there is no message for it (P-52)."""
        return self.version in eras.MODERN

    def resuming(self, last_id: str) -> bytes:
        """The lines for a stream that is to go on after this event; `ValueError` if its id cannot be sent."""
        return self.lines + encode_headers([(LAST_EVENT_ID, last_id.encode().decode("latin-1"))])  # UTF-8, as browsers send it


_NAMED_BY = NAMED_BY | dict.fromkeys(TASK_METHODS, MEMBERS)
"""The parameter that a header repeats."""


def lines_of_call(call: Call) -> bytes:
    """What a call says about itself (P-45): its method, and the backend's own name of what it calls, if it calls something."""
    if call.repeated:
        return _lines(call.method, call.local) + encode_headers((f"{PARAM}{name}", safe_value(value)) for name, value in call.repeated)
    raw = call.params.get(_NAMED_BY.get(call.method, ""), NAMELESS)
    key = call.method, bytes(raw)
    if (lines := _kept.get(key)) is not None:
        return lines
    lines = _lines(call.method, read_text(call.params, _NAMED_BY.get(call.method, "")) or "")
    if len(key[1]) <= LONGEST_KEPT:
        if len(_kept) == MOST_KEPT:
            _kept.clear()
        _kept[key] = lines
    return lines


def _lines(method: str, local: str) -> bytes:
    named = [(METHOD, safe_value(method))]
    if local:
        named.append((NAME, safe_value(local)))
    return encode_headers(named)

"""What a server asks its client in the middle of a call: elicitation, sampling, roots."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from .errors import INVALID_PARAMS
from .fault import Fault
from .faults import cannot_ask, client_mistake
from .messages import Malformed, Notification, Params, Raw, decode_object, read_text
from .reply import Reply
from .why import Why

__all__ = ["CAPABILITY", "Question", "undeclared"]

CAPABILITY = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
"""Which capability a client declares that can be asked so."""


@attrs.define(eq=False, repr=False)
class Question:
    """A backend's request on its way to the client (implements `sluicegate.protocol.duplex.Asked`). It ends once: answered, or withdrawn."""

    method: str
    params: Params
    answer: Callable[[Reply], None]
    """Takes the one answer to whoever has asked."""
    tell: Callable[[Notification], None] = lambda _note: None
    """Takes to him how far the client is."""
    token: Raw | None = attrs.field(default=None, init=False)
    """The backend's own progress token, once another one stands in its place."""
    is_over: bool = attrs.field(default=False, init=False)
    reply: Reply | None = attrs.field(default=None, init=False)
    """None while it is open, and where it was withdrawn."""
    _endings: list[Callable[[], None]] = attrs.field(factory=list, init=False)

    def when_over(self, ending: Callable[[], None]) -> None:
        """Have something called at the end, whatever that is; at once if it is over."""
        if self.is_over:
            ending()
        else:
            self._endings.append(ending)

    def settle(self, reply: Reply) -> None:
        """Here is the answer; a second one is none."""
        if not self.is_over:
            self.reply = reply
            self.withdraw()
            self.answer(reply)

    def withdraw(self) -> None:
        """Nobody wants to know any more."""
        if not self.is_over:
            self.is_over = True
            endings, self._endings = self._endings, []
            for ending in endings:
                ending()

    def lose(self, why: Why) -> None:
        """The client has gone."""
        self.settle(Reply.failed(cannot_ask(why.public)))


def undeclared(method: str, params: Params, capabilities: Params) -> Fault | None:
    """Why a client with these capabilities must not be asked this (P-70); None if it may be."""
    name = CAPABILITY.get(method)
    members = decode_object(capabilities[name]) if name in capabilities else None
    if members is None or isinstance(members, Malformed):
        return cannot_ask(f"the client has declared no capability for {method}")
    if method == "elicitation/create":
        return _wrong_mode(read_text(params, "mode") or "form", members)
    if method == "sampling/createMessage" and "tools" not in members and not params.keys().isdisjoint({"tools", "toolChoice"}):
        return _not_taken("the client has not declared sampling.tools")
    return None


def _wrong_mode(mode: str, members: Params) -> Fault | None:
    """A client that names no mode takes forms."""
    if mode in members or (mode == "form" and "url" not in members):
        return None
    return _not_taken(f"the client has not declared elicitation.{mode}")


def _not_taken(why: str) -> Fault:
    return client_mistake(why, code=INVALID_PARAMS)

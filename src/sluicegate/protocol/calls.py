"""A call on its way through the gateway, and the way home of what is told about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import attrs
import msgspec
import trio

from .back import SILENT, Back, Silent
from .caller import OURSELVES, Caller
from .coming import Coming
from .messages import EMPTY, Params, Raw, encode, read_text
from .reply import Reply
from .values import read_object

__all__ = [
    "NAMED_BY",
    "OURSELVES",
    "READS",
    "SILENT",
    "WORK",
    "Allowance",
    "AtHand",
    "Back",
    "Call",
    "Caller",
    "Coming",
    "Elsewhere",
    "Handler",
    "Hop",
    "Kept",
    "Layer",
    "Reply",
    "Silent",
    "Trail",
    "at_hand",
    "without_task",
]


class Hop(msgspec.Struct, frozen=True):
    """One attempt at one backend."""

    backend: str
    outcome: str
    """``ok``, or the reason of the fault."""
    seconds: float


class Kept(msgspec.Struct, frozen=True):
    """An answer that was given before."""

    age: float
    """Seconds since it was given."""
    ttl: float
    """How many it holds."""


class Allowance(Protocol):
    """What retries, hedges and failover of one call path may use up together (`sluicegate.policies.budget.Budget`)."""

    def draw(self) -> bool:
        """Take one attempt beyond the first; False if there is none left."""
        ...

    def reserve(self) -> bool:
        """Keep one for somebody who has to wait before he draws it; False if there is none left. He is sure to `release` it, and draws then."""
        ...

    def release(self) -> None:
        """Keep it no longer."""
        ...


class Elsewhere(Protocol):
    """The others who could answer a call."""

    def can_take(self, call: Call, other_than: str) -> bool:
        """Whether another than this backend may be asked now."""
        ...


@attrs.define(eq=False, repr=False)
class Trail:
    """What all copies of one client call share."""

    hops: list[Hop] = attrs.field(factory=list)
    sent: bool = False
    """Whether any copy has left for a backend."""
    mirrored: bool = False
    """A mirror fires at most once per client call."""
    written: Params | None = None
    """What its client has written, under the backend's own name; None where nobody wants to know."""
    asked: bool = False
    """A person was asked: no retry, hedge or failover from here on."""
    bound_to: str = ""
    """The one backend that may get it, because it carries what that one has said; empty where it carries nothing."""
    rounds: int = 0
    """Of questions that its client has answered before, each with a request of its own."""
    ends_at: float = float("inf")
    """The deadline of the whole call, on Trio's clock."""
    allowed: float = float("inf")
    """How many seconds that were."""
    cut: str = ""
    """Why somebody ended the call early, if its scope was not ended by the deadline."""
    whole: bool = False
    """Its answer is to be one document, however long it takes."""
    outer: Trail | None = None
    """That of the call which this one is a part of, and whose answer will hold its answer."""
    last_resort: bool = False
    """Everybody else has been asked: those who are ejected from their group may be asked now, too."""
    elsewhere: Elsewhere | None = None
    """Those who stand in for each other, of whom one is asked; None if there is only one."""
    allowance: Allowance | None = None
    """Every attempt beyond the first is drawn from it; None is as many as the policies want."""
    kept: Kept | None = None
    """About the answer, if it was kept."""
    given_by: str = ""
    """The backend whose answer to another call this one has got; empty where it never got any."""
    given_after: int = 0
    """How many attempts there had been by then. One that came later is an answer of its own."""

    def be_whole(self) -> None:
        """Have its answer, and every one that will hold it, be one document."""
        self.whole = True
        if self.outer is not None:
            self.outer.be_whole()

    def be_given(self, backend: str) -> None:
        """It gets an answer of this backend to another call."""
        self.given_by, self.given_after = backend, len(self.hops)

    @property
    def holder(self) -> str:
        """The backend that had the call when it was cut, or had it last; empty if none ever had it (RES-E10)."""
        cut = (hop.backend for hop in reversed(self.hops) if hop.outcome == "cancelled")
        return next(cut, self.answerer)

    @property
    def answerer(self) -> str:
        """The backend that has answered; empty if none has."""
        if self.given_by and self.given_after == len(self.hops):
            return self.given_by
        return self.hops[-1].backend if self.hops else ""


@attrs.define(eq=False, repr=False)
class Call:
    """One request on its way. ``params`` are raw members and copy-on-write: whoever changes one makes a new dict."""

    method: str
    target: str
    """What the caller named: a tool, a prompt, a URI; the method itself where there is no name."""
    params: Params
    caller: Caller = OURSELVES
    back: Back = SILENT
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """The one scope that ends the call and all its copies; `sluicegate.policies.lifetime.Lifetime` enters it."""
    trail: Trail = attrs.field(factory=Trail)
    sent_at: float | None = None
    """When the backend session sent this copy: tells queued from slow."""
    repeated: tuple[tuple[str, str], ...] = ()
    """Arguments that a transport with headers repeats there, by the end of the header's name."""

    @classmethod
    def tool(cls, name: str, arguments: Mapping[str, object] | None = None) -> Call:
        """A call of a tool, from the program itself."""
        return cls("tools/call", name, {"name": Raw(encode(name)), "arguments": Raw(encode(arguments or {}))})

    @property
    def arguments(self) -> dict[str, object]:
        """What a tool or a prompt is called with, decoded; empty where there is no object. A policy that looks decodes it each time."""
        try:
            return read_object(self.params.get("arguments", EMPTY))
        except (TypeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}

    def with_arguments(self, arguments: Mapping[str, object]) -> Call:
        """A copy with these in their place, to be passed on by a policy: ``self.inner(call.with_arguments(call.arguments | {"page": 1}))``."""
        return self.copy(params=self.params | {"arguments": Raw(encode(arguments))})

    def copy(self, *, params: Params | None = None, back: Back | None = None) -> Call:
        """Another attempt at the same call: same caller, scope and trail, not sent yet."""
        return Call(
            self.method,
            self.target,
            self.params if params is None else params,
            self.caller,
            self.back if back is None else back,
            self.scope,
            self.trail,
        )

    @property
    def local(self) -> str:
        """The backend's own name of what is called, once the route has put it into the parameters."""
        return read_text(self.params, NAMED_BY.get(self.method, "")) or ""


NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
}
"""The parameter that says what a method is about."""

WORK = frozenset({"tools/call", "resources/read", "prompts/get"})
"""Methods that have a backend do something. What a person's typing brings about, a completion for each key, is not counted among them."""

READS = frozenset({"resources/read", "prompts/get", "completion/complete", "tasks/get", "tasks/list"})
"""Methods that change nothing, whoever answers them."""


def without_task(params: Params) -> Params:
    """The same, not as a task: where none can be had, the wish for one is to be ignored, also behind us, where nobody would fetch it."""
    return {name: raw for name, raw in params.items() if name != "task"}


Handler = Callable[[Call], Awaitable[Reply]]
"""Any async function from a call to a reply; it always answers."""

Layer = Callable[[Handler], Handler]
"""What puts a policy around a handler."""

AtHand = Callable[[Call, Params], Reply | Coming | None]
"""Answers a call without a task for it: as its caller has made it, with the parameters that its backend is to get. Where it gives nothing, nothing
has happened."""


def at_hand(handler: Handler) -> AtHand | None:
    """What a handler would answer without a task, if there is such a thing: it has an attribute of that name, as `policies.cache.Cache` has."""
    found: AtHand | None = getattr(handler, "at_hand", None)
    return found

"""A session with a backend that wants to hear with each request who asks (P-3, P-45 … P-47, P-66, P-67, P-103)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import msgspec

from ...protocol import faults
from ...protocol.calls import SILENT, Call, Caller, Reply
from ...protocol.eras import DISCOVER, MODERN
from ...protocol.extensions import TASKS, crossing, without_extension
from ...protocol.introduction import SERVER, own_introduction
from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode
from ...protocol.offers import TOOLS, Flaw, Item, Listed, Offer
from ...protocol.question import CAPABILITY
from ...protocol.repeated_arguments import MARK, Argument, arguments_of, misuse, repeated
from ...protocol.spelled import ESCAPED, may_name
from ...protocol.why import Why
from ..lists import MOST_FLAWS
from ..session import BackendSession
from .rounds import MOST_ROUNDS, answers_to, is_question, is_task, too_many

__all__ = ["Introduced"]

_CARRIED = frozenset(CAPABILITY.values())
"""What a client can be asked through the gateway; of all else what belongs to an extension is carried."""
_OURS = frozenset({"resultType", "ttlMs", "cacheScope"})
"""Members of a result that earlier revisions do not know."""


@attrs.define(eq=False, repr=False)
class Introduced:
    """Implements `BackendSession` over another one, which carries the messages."""

    inner: BackendSession
    backend: str
    version: str
    client: Raw = attrs.field(repr=False)
    """Who we are."""
    mirrored: Mapping[str, Sequence[Argument]] = attrs.field(factory=dict)
    """By a tool's name, its arguments that headers repeat."""

    @property
    def pid(self) -> int | None:
        """Of the process at the other end, where there is one."""
        pid = getattr(self.inner, "pid", None)
        return pid if isinstance(pid, int) else None

    @property
    def is_open(self) -> bool:
        """Whether it takes calls, as far as is known."""
        return self.inner.is_open

    def know(self, offer: Offer, *, has_headers: bool = True) -> Offer:
        """What it offers now: a tool says there which of its arguments are repeated. One that says so of what cannot be is left out (P-48)."""
        marked = [(item, _read_value(item.raw["inputSchema"])) for item in offer.lists[TOOLS] if _is_marked(item)]
        self.mirrored = {item.key: tuple(arguments_of(schema)) for item, schema in marked}
        wrong = [(item, why) for item, schema in marked if has_headers and (why := misuse(schema))]
        if not wrong:
            return offer
        out = {id(item) for item, _why in wrong}
        flaws = [Flaw(TOOLS.name, item.key, f"{why}; it is left out") for item, why in wrong[:MOST_FLAWS]]
        kept = Listed(tuple(item for item in offer.lists[TOOLS] if id(item) not in out), (*offer.flaws.get(TOOLS, ()), *flaws))
        return offer.with_list(TOOLS, kept)

    def speak(self, version: str) -> None:
        """It does already."""

    def tell(self, method: str, params: Params) -> None:
        """Pass a notification on."""
        self.inner.tell(method, params)

    async def wait_closed(self) -> Why | str:
        """Wait until the session has ended, and return why."""
        return await self.inner.wait_closed()

    async def request(self, call: Call) -> Reply:
        """Send it in its introduction; where the backend has questions, and its client can be asked in between, ask and send it again (P-104)."""
        more: Params = {}
        for _ in range(MOST_ROUNDS):
            reply = await self._send(call, more)
            if reply.fault is not None or (call.caller.era in MODERN and (call.caller.takes_tasks or not is_task(reply.result))):
                return reply
            if is_task(reply.result):
                return Reply.failed(faults.unreadable(self.backend, Why("it is a task, and the client has not said that it takes one")))
            if not is_question(reply.result):
                plain = _as_before(reply.result)
                return reply if plain is reply.result else Reply(plain, said=reply.hints)
            answers = await answers_to(reply.result, call, self.backend)
            if isinstance(answers, Reply):
                return answers
            more = answers
        return too_many(self.backend)

    async def _send(self, call: Call, more: Params) -> Reply:
        sent = self._introduced(call, more)
        try:
            return await self.inner.request(sent)
        finally:
            call.sent_at = sent.sent_at

    def _introduced(self, call: Call, more: Params) -> Call:
        caller = call.caller
        meta = decode_object(call.params.get("_meta", EMPTY))
        said = own_introduction(self.version, _carried(call, self.version), self.client, _level(caller))
        own = {} if isinstance(meta, Malformed) else meta
        copy = call.copy(params=call.params | more | {"_meta": Raw(encode(own | said))})
        if call.method == "ping":  # which there is no more: this is the least that can be asked
            copy.method = copy.target = DISCOVER
        elif call.method == "tools/call" and self.mirrored:
            copy.repeated = repeated(self.mirrored.get(call.local, ()), call.params)
        return copy


def _is_marked(item: Item) -> bool:
    return may_name(bytes(item.raw.get("inputSchema", b"")), MARK)


def _read_value(raw: Raw) -> object:
    """A schema, decoded; nothing where it is none."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _carried(call: Call, version: str) -> Params:
    """A copy of a call, whose answer goes nowhere, is not to become another task."""
    caller, declared = call.caller, call.caller.capabilities
    if call.back is SILENT and caller.takes_tasks:
        declared = without_extension(declared, TASKS)
    asked = {name: raw for name, raw in declared.items() if name in _CARRIED}
    return asked | crossing(declared, caller.era or version, version)


def _level(caller: Caller) -> str | None:
    """From which level on the log is wanted; whoever has a session and says nothing of it gets what a server would say unasked."""
    if caller.era in MODERN:
        return caller.log_level
    asked = None if caller.home is None else caller.home.level
    return asked or "info" if caller.era else None


def _as_before(result: Raw) -> Raw:
    """The result as earlier revisions have it (P-29)."""
    text = bytes(result)
    if not (b'"resultType"' in text or b'"ttlMs"' in text or ESCAPED in text):
        return result
    members = decode_object(result)
    if isinstance(members, Malformed):
        return result
    kept = {key: raw for key, raw in members.items() if key not in _OURS}
    meta = decode_object(kept.pop("_meta", EMPTY))
    if not isinstance(meta, Malformed) and (left := {key: raw for key, raw in meta.items() if key != SERVER}):
        kept["_meta"] = Raw(encode(left))
    return Raw(encode(kept))

"""What a result or a fault looks like to a client of a revision without a handshake (P-26 … P-30, P-84)."""

from __future__ import annotations

import attrs

from ...protocol import faults
from ...protocol.calls import Call, Reply
from ...protocol.eras import DISCOVER
from ...protocol.errors import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CLIENT_CAPABILITY,
    PARSE_ERROR,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    URL_ELICITATION_REQUIRED,
)
from ...protocol.fault import Fault
from ...protocol.introduction import SERVER
from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, read_text
from ...protocol.offers import KINDS
from ...protocol.spelled import ESCAPED
from ...protocol.why import Why
from .inputs import STATE
from .states import LARGEST_STATE, Kind, RequestState, RequestStates
from .url_elicitation import questions_of

__all__ = ["Stamp", "modern_fault", "status_of"]

_KIND = "resultType"
_CACHED = frozenset({DISCOVER, "resources/read", *(kind.method for kind in KINDS)})
"""Methods whose results say how long they hold, and for whom."""
_HINTS: Params = {"ttlMs": Raw(b"0"), "cacheScope": Raw(b'"private"')}
"""What is true of any backend that says nothing about it."""
_STATUS = {METHOD_NOT_FOUND: 404} | dict.fromkeys(
    (
        HEADER_MISMATCH,
        MISSING_CLIENT_CAPABILITY,
        UNSUPPORTED_VERSION,
        PARSE_ERROR,
        INVALID_REQUEST,
        INVALID_PARAMS,
    ),
    400,
)


@attrs.frozen(repr=False)
class Stamp:
    """Puts into results what the revision demands, and says on them who we are."""

    name: str
    version: str
    states: RequestStates
    _server: Raw = attrs.field(init=False)
    _opening: bytes = attrs.field(init=False)
    """What stands at the beginning of most results."""
    _opening_with_hints: bytes = attrs.field(init=False)

    @_server.default
    def _encode_server(self) -> Raw:
        return Raw(encode({"name": self.name, "version": self.version}))

    @_opening.default
    def _encode_opening(self) -> bytes:
        return b'{"resultType":"complete","_meta":%b,' % encode({SERVER: self._server})

    @_opening_with_hints.default
    def _encode_hints(self) -> bytes:
        return self._opening + encode(_HINTS)[1:-1] + b","

    def on(self, call: Call, reply: Reply) -> Reply:
        """The reply to that call as its client may have it."""
        if reply.fault is not None:
            return self._on_fault(call, reply.fault)
        result = bytes(reply.result)
        cached = call.method in _CACHED
        first = result.find(b'"')  # of its first member; there may be blanks around, and nothing else
        names_any = b'"resultType"' in result or b'"_meta"' in result or (cached and b'"ttlMs"' in result)
        if first < 0 or names_any or ESCAPED in result:
            return self._with_care(call, reply.result, cached=cached)
        # the beginning of a result of which it is certain that it holds none of these
        return Reply(Raw((self._opening_with_hints if cached else self._opening) + result[first:]))

    def _on_fault(self, call: Call, fault: Fault) -> Reply:
        if fault.raw is not None and fault.code == URL_ELICITATION_REQUIRED:
            asked = questions_of(fault, call, self.states)
            if asked is not None:
                return Reply(asked)
        return Reply.failed(modern_fault(fault, call))

    def _with_care(self, call: Call, result: Raw, *, cached: bool) -> Reply:
        members = decode_object(result)
        if isinstance(members, Malformed):
            return Reply(result)
        if STATE in members and read_text(members, _KIND) == "input_required":
            sealed = self._sealed(call, members)
            if isinstance(sealed, Fault):
                return Reply.failed(sealed)
            members = members | {STATE: sealed}
        meta = decode_object(members.get("_meta", EMPTY))
        added: Params = {_KIND: Raw(b'"complete"')}
        if not isinstance(meta, Malformed):
            members = members | {"_meta": Raw(encode({SERVER: self._server} | meta))}  # whose backend names itself is named
        if cached and bytes(members.get(_KIND, b'"complete"')) == b'"complete"':
            added = added | _HINTS
        return Reply(Raw(encode(added | members)))

    def _sealed(self, call: Call, members: Params) -> Raw | Fault:
        """A backend's state as its client may have it: good for that backend, and for nobody else's request."""
        backend = call.trail.answerer
        text = read_text(members, STATE)
        if text is None or len(text) > LARGEST_STATE:
            return faults.unreadable(backend, Why(f'its "{STATE}" is no string, or has more than {LARGEST_STATE} characters'))
        return self.states.give(RequestState(Kind.BACKEND, backend, inner=text), call)


def modern_fault(fault: Fault, call: Call) -> Fault:
    """A fault whose code such a client knows; ours are none of the protocol's own numbers (P-26, P-27)."""
    if fault.raw is None:
        return attrs.evolve(fault, code=INTERNAL_ERROR) if -32019 <= fault.code <= -32000 else fault
    if fault.code == RESOURCE_NOT_FOUND:
        return _told_anew(fault, INVALID_PARAMS, {"uri": Raw(encode(call.target))})
    if fault.code == URL_ELICITATION_REQUIRED:
        return _told_anew(fault, INTERNAL_ERROR, {})
    return fault


def _told_anew(fault: Fault, code: int, data: Params) -> Fault:
    """A backend's own error under another number; what it says beside that stays."""
    members = decode_object(fault.raw or EMPTY)
    if isinstance(members, Malformed):
        return fault
    own = decode_object(members.get("data", EMPTY))
    if data:
        members = members | {"data": Raw(encode(({} if isinstance(own, Malformed) else own) | data))}
    return attrs.evolve(fault, code=code, raw=Raw(encode(members | {"code": Raw(encode(code))})))


def status_of(fault: Fault | None) -> int:
    """The HTTP status of an answer that is no stream (P-28)."""
    return 200 if fault is None else _STATUS.get(fault.code, 200)

"""What a client is given to bring back when it is asked something: sealed, for one principal, one request and some time (P-101, P-102)."""

from __future__ import annotations

import hashlib
from enum import Enum

import attrs
import msgspec

from ...identity.sealing import Seal
from ...protocol import faults
from ...protocol.calls import Call
from ...protocol.fault import Fault
from ...protocol.key_ring import KeyRing, OwnKey
from ...protocol.messages import Params, Raw, encode, read_text
from ...protocol.sealing_key import KEY_NAME, SealingKey
from ...sources import Sources
from .inputs import ANSWERS, STATE

__all__ = ["LARGEST_STATE", "Kind", "RequestState", "RequestStates"]

LARGEST_STATE = 64 * 1024
"""Bytes of a backend's own state."""
HOLDS_SECONDS = 24 * 3600.0
"""A person may sleep on a question."""
LARGEST_READ = 64 * 1024
"""Bytes of a parameter that may be written in another order when it comes again; to read a larger one takes too long, in which everybody waits."""
_PURPOSE = "requestState"
_MOST_SEALS = 64
_MOST_SEALED = LARGEST_STATE * 4 // 3 + 4096
_ASIDE = frozenset({"_meta", STATE, ANSWERS})
"""Members in which two requests may differ that are the same request."""


class Kind(Enum):
    """Whose state it is."""

    BACKEND = "b"
    """A backend's own, which goes back to that one alone."""
    PARKED = "p"
    """Of a call that waits here for its client."""
    AGAIN = "a"
    """Of nobody: the same call is to be sent once more, to the one who has said what its user has to do first."""


class RequestState(msgspec.Struct, frozen=True, array_like=True):
    """One of them."""

    kind: Kind
    about: str
    """The name of the backend, or what a parked call is known by."""
    number: int = 0
    """Of how many rounds of questions it is the last."""
    inner: str = ""
    """The backend's own; of a call that is to be sent again how much its user was asked."""


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    state: RequestState
    principal: str
    request: bytes
    """What tells it from other requests."""
    until: float
    """By the time of day."""


_decoder = msgspec.msgpack.Decoder(_Sealed)


@attrs.define(eq=False, repr=False)
class RequestStates:
    """Seals and reads them."""

    keys: KeyRing
    sources: Sources
    _seals: dict[str, Seal] = attrs.field(factory=dict, init=False, repr=False)
    """By the name of a key."""

    @classmethod
    def alone(cls, sources: Sources) -> RequestStates:
        """Those that hold as long as the process does."""
        return cls(OwnKey(sources.secret), sources)

    async def look_at(self, params: Params) -> None:
        """Have the key with which what a call brings back was sealed, if there is one."""
        if (text := read_text(params, STATE)) is not None:
            await self.keys.look_for(text[-KEY_NAME:])

    def give(self, state: RequestState, call: Call) -> Raw:
        """The member for the client of that call."""
        sealed = _Sealed(state, call.caller.principal.key, _digest(call), self.sources.wall() + HOLDS_SECONDS)
        key = self.keys.newest()
        return Raw(encode(self._seal(key).close(_PURPOSE, msgspec.msgpack.encode(sealed)) + key.id))

    def take(self, call: Call) -> RequestState | Fault:
        """The state that a call brings back. Whatever is wrong with it, the same is said of it."""
        text = read_text(call.params, STATE)
        key = None if text is None or len(text) > _MOST_SEALED else self.keys.find(text[-KEY_NAME:])
        content = None if text is None or key is None else self._seal(key).open(_PURPOSE, text[:-KEY_NAME])
        if content is None:
            return faults.stale_state()
        sealed = _decoder.decode(content)
        whose = (sealed.principal, sealed.request)
        if whose != (call.caller.principal.key, _digest(call)) or self.sources.wall() >= sealed.until:
            return faults.stale_state()
        return sealed.state

    def _seal(self, key: SealingKey) -> Seal:
        seal = self._seals.get(key.id)
        if seal is None:
            if len(self._seals) >= _MOST_SEALS:
                self._seals.clear()
            seal = self._seals[key.id] = Seal(key.derived(_PURPOSE), self.sources.secret)
        return seal


def _digest(call: Call) -> bytes:
    """The same for a request and its repetition, also where a client writes it in another order."""
    own: Params = {name: raw for name, raw in call.params.items() if name not in _ASIDE}
    return hashlib.sha256(encode([call.method, sorted((name, _canonical(raw)) for name, raw in own.items())])).digest()


def _canonical(raw: Raw) -> bytes:
    if memoryview(raw).nbytes > LARGEST_READ:
        return bytes(raw)
    try:
        return msgspec.json.encode(msgspec.json.decode(raw), order="deterministic")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return bytes(raw)

"""Finding out what a backend speaks, and opening a conversation in that (P-9, P-11)."""

from __future__ import annotations

import attrs

from ...protocol import eras
from ...protocol.calls import Call
from ...protocol.errors import HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, UNSUPPORTED_VERSION
from ...protocol.faults import Cause, Fault
from ...protocol.introduction import SERVER, own_introduction
from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, read_text
from ...protocol.offers import Hello
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ..handshake import Handshake, HandshakeFailed
from ..session import BackendSession
from .introduced import Introduced
from .texts import read_texts

__all__ = ["Discovery", "Either"]

log = get_logger("sluicegate.backend")

_NO_HANDSHAKE = frozenset({HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, UNSUPPORTED_VERSION})
"""What a server may say to ``initialize`` that knows no such thing; none of it is sure, so it is asked again in the other way."""


@attrs.define(eq=False, repr=False)
class Discovery:
    """Opens conversations in which nobody shakes hands (implements `Opener`)."""

    name: str
    version: str
    backend: str

    async def __call__(self, session: BackendSession, declared: Params) -> tuple[Hello, BackendSession]:
        """Ask who is there; what its clients can do is said with each of their requests."""
        del declared
        revision = eras.MODERN[-1]
        session.speak(revision)
        client = Raw(encode({"name": self.name, "version": self.version}))
        params = {"_meta": Raw(encode(own_introduction(revision, {}, client)))}
        reply = await session.request(Call(eras.DISCOVER, eras.DISCOVER, params))
        if reply.fault is not None:
            raise HandshakeFailed(reply.fault.why, lasting=reply.fault.lasting, fault=reply.fault)
        hello = _read(reply.result)
        return hello, Introduced(session, self.backend, hello.version, client)


def _read(result: Raw) -> Hello:
    members = decode_object(result)
    if isinstance(members, Malformed):
        raise HandshakeFailed(Why("its answer to server/discover is no object"))
    theirs = read_texts(members.get("supportedVersions"))
    spoken = [version for version in eras.MODERN if version in theirs]
    if not spoken:
        raise HandshakeFailed(Why("it speaks no revision without a handshake that this gateway speaks"), lasting=True)
    meta = _object(members, "_meta")
    return Hello(spoken[-1], _object(members, "capabilities"), _object(meta, SERVER), read_text(members, "instructions") or "")


def _object(members: Params, key: str) -> Params:
    value = decode_object(members.get(key, EMPTY))
    return {} if isinstance(value, Malformed) else value


@attrs.define(eq=False, repr=False)
class Either:
    """A handshake, and where it turns out that the backend knows no such thing, none (implements `Opener`); that is known the next time."""

    handshake: Handshake
    discovery: Discovery
    revision: str | None = None
    """The one that the settings want; None leaves it to the backend."""
    _without: bool = attrs.field(default=attrs.Factory(lambda self: self.revision in eras.MODERN, takes_self=True), init=False)

    async def __call__(self, session: BackendSession, declared: Params) -> tuple[Hello, BackendSession]:
        """Open a conversation."""
        if self._without:
            try:
                return await self.discovery(session, declared)
            except HandshakeFailed:
                self._without = self.revision in eras.MODERN  # it may be another program by now
                raise
        try:
            return await self.handshake(session, declared)
        except HandshakeFailed as failed:
            if self.revision is not None or failed.fault is None or not _may_know_none(failed.fault):
                raise
            try:
                opened = await self.discovery(session, declared)
            except HandshakeFailed:
                raise failed from None
            log.info("backend has no handshake", backend=self.discovery.backend, protocol=opened[0].version)
            self._without = True
            return opened


def _may_know_none(fault: Fault) -> bool:
    return (fault.cause is Cause.BACKEND and fault.code in _NO_HANDSHAKE) or (fault.cause is Cause.TRANSPORT and fault.lasting)

"""The stream on which a backend without a session says what changes (P-113, P-114): one for all clients, opened again when it is lost."""

from __future__ import annotations

import attrs
import trio

from ...protocol.calls import Call
from ...protocol.errors import METHOD_NOT_FOUND
from ...protocol.faults import Cause
from ...protocol.messages import Params, Raw, decode_object, encode
from ...protocol.offers import KINDS, Hello
from ...protocol.subscription import LISTEN
from ...telling.loggers import get_logger
from ..doubling import doubled
from ..link import Link
from ..session import BackendSession
from .acknowledgement import Acknowledgement

__all__ = ["listen"]

log = get_logger("sluicegate.backend")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY_SECONDS = 10.0
"""Who kept it open for so long has not refused it."""


async def listen(session: BackendSession, link: Link, hello: Hello) -> None:
    """Keep it open, until cancelled or the backend says that there is no such thing. What may have been missed meanwhile is read again."""
    wishes = {f"{kind.capability}ListChanged": True for kind in KINDS if _changes(hello, kind.capability)}
    refused, missed = 0, _Missed(link)
    while wishes:
        began = trio.current_time()
        asked = {"notifications": Raw(encode(wishes))}
        fault = (await session.request(Call(LISTEN, LISTEN, asked, back=Acknowledgement(missed.tells_from_now)))).fault
        if fault is not None and fault.cause is Cause.BACKEND and fault.code == METHOD_NOT_FOUND:
            log.info("backend does not say what changes", backend=link.name)
            return
        refused = 0 if trio.current_time() - began >= STEADY_SECONDS else refused + 1
        await trio.sleep(doubled(FIRST_PAUSE, refused, LONGEST_PAUSE))
        missed.stream_ended()


@attrs.define(repr=False)
class _Missed:
    """What changes while no stream is open is told on none: all is read again once one is, and now and then where none comes to be."""

    link: Link
    _may_be: bool = attrs.field(default=False, init=False)
    """Something may have been missed."""
    _is_told: bool = attrs.field(default=False, init=False)

    def tells_from_now(self, _honoured: Params) -> None:
        """The stream is open."""
        self._is_told = True
        if self._may_be:
            self._read_again()

    def stream_ended(self) -> None:
        """Another one is about to be asked for."""
        if not self._is_told:
            self._read_again()
        self._may_be, self._is_told = True, False

    def _read_again(self) -> None:
        self._may_be = False
        for kind in KINDS:
            self.link.notification(kind.changed, {})


def _changes(hello: Hello, capability: str) -> bool:
    """Whether the backend has such a list, and says that it may change."""
    raw = hello.capabilities.get(capability)
    members = decode_object(raw) if raw is not None else {}
    return isinstance(members, dict) and bytes(members.get("listChanged", b"")) == b"true"

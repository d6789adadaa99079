"""The stream on which a backend without a session says what changes (P-113, P-114): one for all clients, opened again when it is lost."""

from __future__ import annotations

import trio

from ...protocol.calls import Call
from ...protocol.errors import METHOD_NOT_FOUND
from ...protocol.faults import Cause
from ...protocol.messages import Raw, decode_object, encode
from ...protocol.offers import KINDS, Hello
from ...protocol.subscription import LISTEN
from ...telling.loggers import get_logger
from ..doubling import doubled
from ..link import Link
from ..session import BackendSession

__all__ = ["listen"]

log = get_logger("sluicegate.backend")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY_SECONDS = 10.0
"""Who kept it open for so long has not refused it."""


async def listen(session: BackendSession, link: Link, hello: Hello) -> None:
    """Keep it open, until cancelled or the backend says that there is no such thing. What may have been missed meanwhile is read again."""
    wishes = {f"{kind.capability}ListChanged": True for kind in KINDS if _changes(hello, kind.capability)}
    refused = 0
    while wishes:
        began = trio.current_time()
        reply = await session.request(Call(LISTEN, LISTEN, {"notifications": Raw(encode(wishes))}))
        fault = reply.fault
        if fault is not None and fault.cause is Cause.BACKEND and fault.code == METHOD_NOT_FOUND:
            log.info("backend does not say what changes", backend=link.name)
            return
        refused = 0 if trio.current_time() - began >= STEADY_SECONDS else refused + 1
        await trio.sleep(doubled(FIRST_PAUSE, refused, LONGEST_PAUSE))
        for kind in KINDS:
            link.notification(kind.changed, {})


def _changes(hello: Hello, capability: str) -> bool:
    """Whether the backend has such a list, and says that it may change."""
    raw = hello.capabilities.get(capability)
    members = decode_object(raw) if raw is not None else {}
    return isinstance(members, dict) and bytes(members.get("listChanged", b"")) == b"true"

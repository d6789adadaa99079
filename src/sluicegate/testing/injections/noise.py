"""What a backend may say beside its answer: each call goes well, and comes with what nobody asked for."""

from __future__ import annotations

from typing import ClassVar

import attrs

from ...protocol.messages import Raw, Request, decode_object, encode, encode_notification
from ..transports import ANYWHERE

__all__ = ["AskBack", "ListStorm", "Noise", "ProgressFlood", "noise_of", "token_of"]


@attrs.frozen
class ListStorm:
    """The backend says so many times that its list of tools has changed, then answers."""

    over: ClassVar = ANYWHERE
    count: int = 100


@attrs.frozen
class ProgressFlood:
    """So many notes of progress come before the answer, asked for or not."""

    over: ClassVar = ANYWHERE
    count: int = 1000


@attrs.frozen
class AskBack:
    """The backend asks its client something before it answers, whether the client has said that it may or not."""

    over: ClassVar = ANYWHERE
    question: str = "sampling/createMessage"


Noise = ListStorm | ProgressFlood | AskBack
"""What comes beside an answer."""


def noise_of(fault: object, request: Request) -> list[bytes]:
    """The messages that come before the answer to this request."""
    if isinstance(fault, ListStorm):
        return [encode_notification("notifications/tools/list_changed", {})] * fault.count
    if isinstance(fault, ProgressFlood):
        token = token_of(request)
        return [
            encode_notification("notifications/progress", {"progressToken": token, "progress": Raw(b"%d" % number)})
            for number in range(1, fault.count + 1)
        ]
    if isinstance(fault, AskBack):
        return [b'{"jsonrpc":"2.0","id":"asked-%d","method":%b,"params":{}}' % (len(request.id), encode(fault.question))]
    return []


def token_of(request: Request) -> Raw:
    """The progress token that a request carries, or else its id, under which nobody has asked for progress."""
    meta = decode_object(request.params.get("_meta", Raw(b"{}")))
    return meta.get("progressToken", Raw(request.id)) if isinstance(meta, dict) else Raw(request.id)

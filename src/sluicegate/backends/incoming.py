"""What comes from a backend, and whose it is: the same rules for a channel, the answer to a POST and a standing stream."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Protocol

from ..loggers import get_logger
from ..protocol import faults
from ..protocol.batches import decode_batch, is_batch
from ..protocol.calls import Call, Reply
from ..protocol.errors import INVALID_REQUEST, PARSE_ERROR
from ..protocol.halves import with_whole_characters
from ..protocol.messages import Malformed, Message, Notification, Params, Raw, Request, Response, decode, encode, encode_notification
from ..protocol.offers import KINDS
from ..protocol.tokens import NOBODY, own_number, progress_token
from ..protocol.why import Why
from .mapping import answer_key, answer_to_backend, reply_from
from .overheard import overheard
from .unreadable import described

__all__ = ["Calls", "Desk", "Waiting", "deliver", "doubt_lists", "messages_in"]

log = get_logger("sluicegate.backend")


class Waiting(Protocol):
    """A call that was sent under an id of ours and has no answer yet."""

    @property
    def call(self) -> Call:
        """What was sent."""
        ...

    @property
    def token(self) -> Raw | None:
        """The caller's own progress token; ours is the id."""
        ...

    def settle(self, reply: Reply) -> None:
        """Here is the answer."""
        ...


class Calls(Protocol):
    """The calls that a message may be about, which depends on where it came."""

    def waiting(self, key: int | str | None) -> Waiting | None:
        """The call that an answer with this id is for; an error about what could not be read has no id."""
        ...

    def reporting(self, number: int) -> Waiting | None:
        """The call that was sent under this number, which is its progress token too."""
        ...


class Desk(Protocol):
    """Takes what is about no call. Nothing here may block."""

    @property
    def backend(self) -> str:
        """The backend's name."""
        ...

    def notification(self, method: str, params: Params) -> None:
        """The backend says something of its own accord."""
        ...

    def respond(self, frame: bytes, what: str) -> None:
        """Send our answer to something that the backend asked."""
        ...

    def unclaimed(self, key: int | str | None) -> None:
        """An answer came that no call waits for."""
        ...

    def complain(self, what: str) -> None:
        """Something came that is no message."""
        ...


def messages_in(data: bytes, backend: str) -> list[tuple[Message, bytes | Raw]]:
    """The one message in a line, a body or an event, or the members of a batch, which 2025-03-26 allows (P-22).

    Half of a surrogate pair, which JavaScript writes where it has cut a text, becomes U+FFFD: it costs a character, and not the answer.
    """
    message = decode(data)
    if isinstance(message, Malformed) and data.startswith(BOM_UTF8):  # which a reader may ignore (RFC 8259, 8.1), and clients do
        data = data.removeprefix(BOM_UTF8)
        message = decode(data)
    if not isinstance(message, Malformed):
        return [(message, data)]
    members = decode_batch(data) if is_batch(data) else message
    if isinstance(members, Malformed) and members.code == PARSE_ERROR and (mended := with_whole_characters(data)) is not None:
        log.warning("backend sends half a character; U+FFFD stands in its place", backend=backend)
        return messages_in(mended, backend)
    if isinstance(members, Malformed):
        return [(message, data)]
    return [(decode(bytes(member)), member) for member in members]


def deliver(message: Message, data: bytes | Raw, desk: Desk, calls: Calls, about: int = NOBODY) -> None:
    """Give one message to whom it belongs. Never raises for what the backend did: an answer that cannot be used fails its call.

    Args:
        message: what came.
        data: the same as it came.
        desk: for what is about no call.
        calls: those that it may be about.
        about: our number of the call on whose way it came, or that the transport names beside it.
    """
    if isinstance(message, Response):
        waiting = calls.waiting(message.key)
        if waiting is None:
            desk.unclaimed(message.key)
        else:
            waiting.settle(reply_from(message, desk.backend))
    elif isinstance(message, Notification):
        _notice(message, desk, calls, about)
    elif isinstance(message, Request):
        desk.respond(answer_to_backend(message), f"the answer to {message.method}")
    else:
        key = answer_key(data)
        waiting = None if key is None else calls.waiting(key)
        if waiting is not None:
            why = Why("it is no message of the protocol" if message.code == INVALID_REQUEST else message.message, message.message)
            waiting.settle(Reply.failed(faults.unreadable(desk.backend, why)))
        desk.complain(described(message, data))


def _notice(note: Notification, desk: Desk, calls: Calls, about: int) -> None:
    if note.method == "notifications/progress":
        waiting = calls.reporting(own_number(bytes(note.params.get("progressToken", b""))))
        if waiting is not None and waiting.token is not None:  # else it is late or was never asked for: nothing after completion (P-120)
            params = note.params | {"progressToken": waiting.token}
            waiting.call.back.note(encode_notification(note.method, params))
    elif note.method == "notifications/message":
        _log_line(note, desk, calls, about)
    else:
        desk.notification(note.method, note.params)


def _log_line(note: Notification, desk: Desk, calls: Calls, about: int) -> None:
    """Pass it on to the call that it is about, if something says which: one that is alone need not be the one whose work goes on (P-120)."""
    meta, token = progress_token(note.params)
    waiting, params = calls.reporting(own_number(bytes(token))), note.params
    if waiting is not None and waiting.token is not None:
        params = params | {"_meta": Raw(encode(meta | {"progressToken": waiting.token}))}
    else:
        waiting = calls.reporting(about)
    if waiting is None:
        overheard(desk.backend, params)
    else:
        waiting.call.back.note(encode_notification(note.method, params))


def doubt_lists(desk: Desk) -> None:
    """Something may have been missed, so every list counts as changed."""
    for method in dict.fromkeys(kind.changed for kind in KINDS):
        desk.notification(method, {})

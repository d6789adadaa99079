"""What comes from a backend, and whose it is: the same rules for a channel, the answer to a POST and a standing stream."""

from __future__ import annotations

import re
from abc import abstractmethod
from codecs import BOM_UTF8

from ..channel.lines import number_at_ends
from ..protocol import faults
from ..protocol.back import SILENT
from ..protocol.batches import decode_batch, is_batch
from ..protocol.calls import Reply
from ..protocol.duplex import Requests
from ..protocol.errors import INVALID_REQUEST, PARSE_ERROR
from ..protocol.halves import with_whole_characters
from ..protocol.introduction import SUBSCRIPTION
from ..protocol.members import is_null
from ..protocol.messages import (
    EMPTY,
    Malformed,
    Message,
    Notification,
    Params,
    Raw,
    Request,
    Response,
    decode,
    decode_object,
    encode,
    encode_notification,
    encode_result,
    read_id,
)
from ..protocol.offers import KINDS
from ..protocol.subscription import ACKNOWLEDGED, UPDATED
from ..protocol.task_ids import related_task
from ..protocol.tokens import NOBODY, own_number, progress_token
from ..protocol.why import Why
from ..telling.loggers import get_logger
from .overheard import overheard
from .questions import Questions
from .unreadable import described
from .waiting import Waiting

__all__ = ["Desk", "answer_key", "doubt_all", "messages_in", "reply_from"]

log = get_logger("sluicegate.backend")

_BRACE = ord("{")
_NULL_META = re.compile(rb'"_meta"\s*+:\s*+null')
"""Looked for in every result, in a long one at both ends alone: 0.1 µs for 100 bytes, 0.5 at most."""
_LONG, _END = 4096, 1024


class Desk:
    """A backend's side of a conversation: what every session does with what comes (implements `Side`). Nothing here may block.

    No message raises for what the backend did: an answer that cannot be used fails its call.
    """

    __slots__ = ()

    backend: str
    questions: Questions

    # -- what each session does in its own way

    @abstractmethod
    def notification(self, method: str, params: Params) -> None:
        """The backend says something of its own accord."""

    @abstractmethod
    def respond(self, frame: bytes, what: str) -> None:
        """Send our answer to something that the backend asked."""

    @abstractmethod
    def unclaimed(self, key: int | str | None) -> None:
        """An answer came that no call waits for."""

    @abstractmethod
    def complain(self, what: str) -> None:
        """Something came that is no message."""

    # -- what all of them do

    def answered(self, request: Waiting, response: Response) -> None:
        """The end of a call."""
        request.settle(reply_from(response, self.backend))

    def progressed(self, request: Waiting, note: Notification) -> None:
        """Pass it on under the caller's own token; else it was never asked for."""
        if request.token is not None:
            request.call.back.note(encode_notification(note.method, note.params | {"progressToken": request.token}))

    def requested(self, request: Request, asked: Requests[Waiting], way: int) -> None:
        """Ping is answered at each hop (P-66); anything else is a question to a client."""
        if request.method == "ping":
            self.respond(encode_result(request.id, b"{}"), "the answer to ping")
        else:
            self.questions.take(request, asked.reporting(way))

    def cancelled(self, key: int | str | None) -> None:
        """The backend takes a question back."""
        self.questions.incoming.cancel(key)

    def notified(self, note: Notification, asked: Requests[Waiting], way: int) -> None:
        """A log line may be about a call; nothing else is. What is about neither a call nor a task is for the one client, if any."""
        one = self.questions.clientele.back
        if note.method == "notifications/elicitation/complete":  # about what was opened in a browser, maybe after its call
            one.note(encode_notification(note.method, note.params))
        elif note.method == ACKNOWLEDGED:
            _acknowledged(note, asked, way)
        elif note.method == "notifications/message":
            if related_task(note.params) is not None and _is_about_none(note, asked, way):
                self.notification(note.method, note.params)
            elif one is not SILENT and _is_about_none(note, asked, way):
                one.note(encode_notification(note.method, note.params))
            else:
                _log_line(note, self.backend, asked, way)
        else:
            self.notification(note.method, note.params)

    def garbled(self, message: Malformed, data: bytes | Raw, asked: Requests[Waiting], way: int) -> None:
        """Fail the call whose answer it was to be, if that can be told."""
        del way
        key = answer_key(data)
        waiting = None if key is None else asked.waiting(key)
        if waiting is not None:
            why = Why("it is no message of the protocol" if message.code == INVALID_REQUEST else message.message, message.message)
            waiting.settle(Reply.failed(faults.unreadable(self.backend, why)))
        self.complain(described(message, data))


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


def answer_key(data: bytes | Raw) -> int | str | None:
    """Whose answer a message was meant to be that cannot be read as one; None if it is no answer, or nobody can tell."""
    whole = bytes(data)
    members = decode_object(Raw(whole))  # a raw value is not checked to be UTF-8, and what matters here is not text
    if isinstance(members, Malformed):
        return number_at_ends(whole)
    if "method" in members or "id" not in members:
        return None
    return read_id(bytes(members["id"]))


def reply_from(response: Response, backend: str) -> Reply:
    """A backend's response as the reply of a call; a result that is no object is none (every result of MCP is one)."""
    if response.error is not None:
        return Reply.failed(faults.backend_error(backend, response.error))
    assert response.result is not None
    view = memoryview(response.result)
    if view[0] != _BRACE:
        return Reply.failed(faults.unreadable(backend, Why("its result is no object")))
    # Whoever writes members in order has metadata first or last, and a mebibyte takes 0.3 ms to look through.
    may_have_null_meta = (
        _NULL_META.search(view) if len(view) <= _LONG else _NULL_META.search(view[:_END]) or _NULL_META.search(view[-_END:])
    )
    return Reply(_without_null_meta(response.result) if may_have_null_meta else response.result)


def _without_null_meta(result: Raw) -> Raw:
    """Metadata that is null says nothing, and there are clients that refuse the answer for it (P-25). Deeper down it may be anybody's."""
    members = decode_object(result)
    if isinstance(members, Malformed) or not is_null(members.get("_meta", EMPTY)):
        return result
    return Raw(encode({key: raw for key, raw in members.items() if key != "_meta"}))


def _log_line(note: Notification, backend: str, asked: Requests[Waiting], about: int) -> None:
    """Pass it on to the call that it is about, if something says which: one that is alone need not be the one whose work goes on (P-120)."""
    meta, token = progress_token(note.params)
    waiting, params = asked.reporting(own_number(bytes(token))), note.params
    if waiting is not None and waiting.token is not None:
        params = params | {"_meta": Raw(encode(meta | {"progressToken": waiting.token}))}
    else:
        waiting = asked.reporting(about)
    if waiting is None:
        overheard(backend, params)
    else:
        waiting.call.back.note(encode_notification(note.method, params))


def _acknowledged(note: Notification, asked: Requests[Waiting], way: int) -> None:
    """What is honoured of a stream's wishes is for who has opened it; where several are on one way, it says which (P-111)."""
    meta = decode_object(note.params.get("_meta", EMPTY))
    number = NOBODY if isinstance(meta, Malformed) else own_number(bytes(meta.get(SUBSCRIPTION, b"")))
    waiting = asked.reporting(number) or asked.reporting(way)
    if waiting is not None:
        waiting.call.back.note(encode_notification(note.method, note.params))


def _is_about_none(note: Notification, asked: Requests[Waiting], about: int) -> bool:
    """Whether nothing ties it to a call; one with a progress token is about a call, be it that this is over."""
    return asked.reporting(about) is None and not bytes(progress_token(note.params)[1])


def doubt_all(desk: Desk) -> None:
    """Something may have been missed, so every list counts as changed, and every resource that somebody wants to hear of."""
    for method in dict.fromkeys((*(kind.changed for kind in KINDS), UPDATED)):
        desk.notification(method, {})

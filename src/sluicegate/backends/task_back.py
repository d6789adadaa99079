"""The way home of a call that is about a task: what goes over it names the task as its caller does."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..protocol.back import Back
from ..protocol.calls import Reply
from ..protocol.fault import Fault
from ..protocol.members import Malformed, Raw, decode_object
from ..protocol.messages import Notification, decode, encode, encode_notification
from ..protocol.question import Question
from ..protocol.task_ids import Renaming, may_name_a_task, with_related_task

__all__ = ["TaskBack"]


@attrs.frozen(eq=False, repr=False)
class TaskBack:
    """Implements `Back` over another one."""

    inner: Back
    outward: Renaming
    """From the backend's ids to the caller's."""
    inward: Renaming

    def note(self, message: bytes) -> None:
        """Pass it on."""
        self.inner.note(_renamed_note(message, self.outward))

    def ask(self, question: Question) -> Fault | None:
        """Pass it on; the answer names the task as the backend does again."""
        asked, answer = question.params, question.answer
        question.params = with_related_task(asked, self.outward)
        question.answer = _renamed_answer(answer, self.inward)
        fault = self.inner.ask(question)
        if fault is not None:
            question.params, question.answer = asked, answer
        return fault

    def hold(self, question: Question) -> None:
        """Pass it on."""
        self.inner.hold(question)


def _renamed_answer(answer: Callable[[Reply], None], inward: Renaming) -> Callable[[Reply], None]:
    def renamed(reply: Reply) -> None:
        members = decode_object(reply.result) if may_name_a_task(bytes(reply.result)) else None
        if members is None or isinstance(members, Malformed):
            answer(reply)
        else:
            answer(Reply(Raw(encode(with_related_task(members, inward)))))

    return renamed


def _renamed_note(message: bytes, outward: Renaming) -> bytes:
    """A notification that names the task that it is about as a client does."""
    if not may_name_a_task(message):
        return message
    note = decode(message)
    if not isinstance(note, Notification):
        return message
    return encode_notification(note.method, with_related_task(note.params, outward))

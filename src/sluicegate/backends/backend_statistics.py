"""How a backend is, for who reads it."""

from __future__ import annotations

import attrs

from ..telling.statistics import counter, gauge, state
from .link import Phase, State

__all__ = ["BackendStatistics"]


@attrs.frozen(repr=False)
class BackendStatistics:
    """How a backend is, and what it has counted since it was configured."""

    is_up: bool = attrs.field(metadata=gauge("backend_up", "Whether a request could be sent to it now."))
    phase: Phase = attrs.field(metadata=state("backend_phase", "1 for how far the last attempt to reach it came.", "phase"))
    state: State = attrs.field(metadata=state("backend_state", "1 for the state that it is in, 0 for the others."))
    restarts: int = attrs.field(metadata=counter("backend_restarts", "Times it was started again."))
    is_healthy: bool | None = attrs.field(metadata=gauge("backend_healthy", "Whether it answers when it is asked how it is."))
    in_flight: int = attrs.field(metadata=gauge("backend_requests_in_flight", "Attempts that it is at."))
    open_questions: int = attrs.field(metadata=gauge("backend_questions_open", "What it has asked clients, and has no answer to."))
    unread: int | None = attrs.field(metadata=gauge("backend_messages_unread", "Messages for it that wait until it reads."))
    unread_bytes: int | None = attrs.field(metadata=gauge("backend_bytes_unread", "Bytes of messages for it that wait until it reads."))
    requests: int = attrs.field(
        metadata=counter("backend_requests_answered", "Requests of its that no client saw: pings, and questions about no call.")
    )
    garbage: int = attrs.field(metadata=counter("backend_unusable_messages", "What it has sent that was no message, or no answer."))
    stderr_lines: int = attrs.field(metadata=counter("backend_stderr_lines", "Lines that it has written to its stderr."))
    stderr_left_out: int = attrs.field(
        metadata=counter("backend_stderr_lines_left_out", "Lines of its stderr that were too many for the log.")
    )

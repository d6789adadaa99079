"""The stable codes of our own faults, and what to do about each: for ``error.data``, ``sluicegate explain`` and ``sluicegate help errors``.

The first digit says whose fault it is. A number is never given to another fault, and one that is no longer used stays unused. A backend's
own JSON-RPC error has no code of ours: it leaves as it came.
"""

from __future__ import annotations

from .cause import Cause
from .code_page import Code
from .denial_codes import DENIALS
from .errors import (
    CIRCUIT_OPEN,
    EJECTED,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CLIENT_CAPABILITY,
    OVERLOADED,
    RATE_LIMITED,
    REQUEST_CANCELLED,
    TIMED_OUT,
    UNSUPPORTED_VERSION,
)

__all__ = ["BY_REASON", "CODES", "Code"]


_NOTHING = "Nothing; the gateway works as it should."
_LOG = "The gateway's log names the backend and why; `sluicegate check --connect` starts it and shows what it says."

CODES = (
    Code(
        "SG-101", "invalid_params", Cause.CLIENT, INVALID_PARAMS, "The parameters are wrong",
        "A member that the gateway itself reads is missing, of the wrong type or too large (`security.max_argument_size`); the message names it. "
        "No backend has seen the call.",
        "Correct the request.", _NOTHING, "correct the request; the message names the member",
    ),
    Code(
        "SG-102", "unknown_tool", Cause.CLIENT, INVALID_PARAMS, "No backend offers this tool",
        "The name is not in the list. It may be spelled without its backend's namespace, or its backend has not been ready yet.",
        "Read tools/list again and use a name from it.",
        "Look with `sluicegate list tools`, and at `/readyz` for a backend that is missing.", "use a name from tools/list",
    ),
    Code(
        "SG-103", "unknown_resource", Cause.CLIENT, INVALID_PARAMS, "No backend offers this resource",
        "The URI is not in the list and fits no template.", "Read resources/list again and use a URI from it.",
        "Look with `sluicegate list resources`.", "use a URI from resources/list",
    ),
    Code(
        "SG-104", "unknown_prompt", Cause.CLIENT, INVALID_PARAMS, "No backend offers this prompt",
        "The name is not in the list.", "Read prompts/list again and use a name from it.", "Look with `sluicegate list prompts`.",
        "use a name from prompts/list",
    ),
    Code(
        "SG-105", "unknown_method", Cause.CLIENT, METHOD_NOT_FOUND, "Nobody implements this method",
        "Neither the gateway nor any backend has it.", "Use what `initialize` has offered.", _NOTHING, "see the capabilities of initialize",
    ),
    Code(
        "SG-106", "not_initialized", Cause.CLIENT, INVALID_REQUEST, "The session has not begun",
        "A request came before `initialize`, or its `initialize` was refused.", "Send `initialize` first.", _NOTHING, "send initialize first",
    ),
    Code(
        "SG-107", "duplicate_id", Cause.CLIENT, INVALID_REQUEST, "The id is in use",
        "A request with this id is still open in the same session.", "Give each request an id of its own.", _NOTHING,
        "give each request an id of its own",
    ),
    Code(
        "SG-108", "cannot_ask", Cause.CLIENT, METHOD_NOT_FOUND, "Nobody is there to be asked",
        "A backend had a question (sampling, elicitation, roots), and this caller cannot be asked.",
        "Nothing; the backend got this answer, and goes on without.", "Use a backend that does not need its client's answers.",
        "go on without the answer",
    ),
    Code(
        "SG-109", "unknown_resource_template", Cause.CLIENT, INVALID_PARAMS, "No backend offers this template",
        "A completion was asked for a URI template that is not in the list.", "Read resources/templates/list again.",
        "Look with `sluicegate list resources`.", "use a template from resources/templates/list",
    ),
    Code(
        "SG-110", "name_too_long", Cause.CLIENT, INVALID_PARAMS, "The name is too long",
        "A name may have 1 KiB and a URI 8 KiB; longer ones are compared with no pattern and sent to no backend.",
        "Use a name or a URI from the list.", _NOTHING, "use a name or a URI from the list",
    ),
    Code(
        "SG-111", "header_mismatch", Cause.CLIENT, HEADER_MISMATCH, "A header does not say what the body says",
        "From 2026-07-28 on `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*` repeat what the body says, so that those in between can "
        "route by them; one is missing, or says something else. No backend has seen the call.",
        "Send what the body says in the header that the message names.",
        "Something between client and gateway may have changed or dropped the header.", "send the header with what the body says",
    ),
    Code(
        "SG-112", "unsupported_version", Cause.CLIENT, UNSUPPORTED_VERSION, "The gateway does not speak this revision",
        "A request without a session names a revision of the protocol that is not spoken; `data.supported` has those that are.",
        "Use one of `data.supported`, or open a session with `initialize`.", _NOTHING, "use one of data.supported",
    ),
    Code(
        "SG-113", "stale_request_state", Cause.CLIENT, INVALID_PARAMS, "The requestState does not hold",
        "A request brings back a `requestState` that the gateway did not give for it: it is another principal's or another request's, was changed, was used, "
        "is too old, or is of a gateway that has been restarted since; or its backend is not there under this name any more. No backend has seen the call.",
        "Send the request anew, without `requestState` and `inputResponses`.", _NOTHING, "send the request anew, without requestState",
    ),
    Code(
        "SG-114", "unknown_task", Cause.CLIENT, INVALID_PARAMS, "There is no such task",
        "The id is none that the gateway has given to this caller: it is another principal's, was changed, its backend is not there under this name any "
        "more, or the gateway has another key since. No backend was asked.",
        "Use an id as it came; `tasks/list` has those of this session, where backends list tasks.", _NOTHING, "use the id of a task as it came",
    ),
    Code(
        "SG-115", "no_task", Cause.CLIENT, METHOD_NOT_FOUND, "The tool cannot be run as a task",
        "The call wants to be a task, and the backend of this tool has none, or has them in another revision only (`sluicegate help protocol`).",
        "Call the tool without `task`.", _NOTHING, "call the tool without task",
    ),
    Code(
        "SG-116", "undeclared", Cause.CLIENT, MISSING_CLIENT_CAPABILITY, "The client has not declared what this needs",
        "A request is about an extension of the protocol that the client has not declared with it; `data.requiredCapabilities` has what is missing.",
        "Declare it in the request's `_meta`, if the client can do it.", _NOTHING, "declare data.requiredCapabilities",
    ),
    Code(
        "SG-201", "backend_unavailable", Cause.UNAVAILABLE, INTERNAL_ERROR, "The backend is not there",
        "There is no live session with it: it is starting, restarting, stopped, or cannot be reached. The call was not sent.",
        "Try again in a while; the gateway connects anew by itself.", _LOG + " `failover_for` gives it a stand-in.",
        "it is being connected to; try again in a while",
    ),
    Code(
        "SG-202", "redirected", Cause.UNAVAILABLE, INTERNAL_ERROR, "The backend sends us elsewhere",
        "It answered with a redirect to another origin, to no URL, or once too often. Its credentials were sent nowhere else.",
        "Nothing; tell whoever runs the gateway.", "Write the address that you trust as the backend's `url`.",
        "whoever runs the gateway must correct the backend's url",
    ),
    Code(
        "SG-203", "no_credential", Cause.UNAVAILABLE, INTERNAL_ERROR, "There is nothing to show the backend for this caller",
        "It is told who calls, and no token could be had for this caller: the authorization server did not exchange his. Others are not concerned.",
        "Log in again; if that does not help, tell whoever runs the gateway.",
        "The gateway's log says what the authorization server answered; `sluicegate help backends` tells of `token_exchange`.",
        "log in again",
    ),
    Code(
        "SG-301", "connection_lost", Cause.TRANSPORT, INTERNAL_ERROR, "The backend went away before it answered",
        "Its process ended or its connection broke while the call was on it. With `outcome: unknown` nobody knows if it has done the work.",
        "Look whether it was done before you send it again.", _LOG + " `retry` repeats what does no harm.",
        "look whether it was done before you send it again", None,
    ),
    Code(
        "SG-302", "bad_answer", Cause.TRANSPORT, INTERNAL_ERROR, "The backend's answer cannot be used",
        "It is no JSON-RPC answer, too large (`security.max_message_size`, or what the message names), compressed (but for gzip, deflate), or its result is no object. The work may be done.",
        "Look whether it was done before you send it again.",
        "It is the backend's mistake; the message says what is wrong with the answer.",
        "the backend answered, but not in MCP; the work may be done", True,
    ),
    Code(
        "SG-303", "http_status", Cause.TRANSPORT, INTERNAL_ERROR, "The backend answered with an HTTP error",
        "`data.status` is its status. With one from 400 to 499, or 503, the work did not begin. 429 says that we send too much: that is "
        "overload, and does not count against the backend.",
        "After 429 and 503 wait for `retryAfterMs` milliseconds, if it is there; else tell whoever runs the gateway.",
        "401 and 403: see the backend's `headers` and `bearer_token`. 404 and 410: see its `url`.", "see data.status", None,
    ),
    Code(
        "SG-304", "backend_unreachable", Cause.TRANSPORT, INTERNAL_ERROR, "No connection to the backend came about",
        "There is a session with it, but its address, or the way there, did not take a connection. The call was not sent.",
        "Try again in a while.",
        "See that it runs at its `url`, and that the network and `proxy` lead there. `failover_for` gives it a stand-in.",
        "it was not sent; try again in a while",
    ),
    Code(
        "SG-401", "timeout", Cause.TIMEOUT, TIMED_OUT, "It took too long",
        "`timeout.seconds` for the whole call, or `timeout.per_attempt_seconds` for one attempt, passed after it had been sent. The "
        "backend was told to stop, but may have done the work.",
        "Look whether it was done before you send it again; ask for less at a time.",
        "Raise the timeout for work that takes long. A backend that sends progress keeps an attempt alive.",
        "look whether it was done before you send it again", True,
    ),
    Code(
        "SG-501", "overloaded", Cause.OVERLOAD, OVERLOADED, "It never got its turn",
        "The call waited in the gateway until its time was over, or there was no room for it. No backend has seen it.",
        "Try again, with fewer calls at a time.", "Raise `concurrency.max_concurrent` or the timeout, or add a backend.",
        "it was not sent; try again with fewer calls at a time",
    ),
    Code(
        "SG-502", "rate_limited", Cause.OVERLOAD, RATE_LIMITED, "Too many calls in too short a time",
        "`rate_limit` of the backend or of `[proxy]` has no token left, and none within the time that the call may wait.",
        "Wait for `retryAfterMs` milliseconds.", "Raise `requests` or `burst`, or let calls wait longer with `max_wait_seconds`.",
        "wait for retryAfterMs milliseconds",
    ),
    Code(
        "SG-503", "queue_full", Cause.OVERLOAD, OVERLOADED, "The backend is busy, and so is the queue for it",
        "`concurrency.max_concurrent` calls are under way, and `max_queue` wait already.", "Try again, with fewer calls at a time.",
        "Raise one of the two numbers, or add a backend.", "it was not sent; try again with fewer calls at a time",
    ),
    Code(
        "SG-504", "queue_timeout", Cause.OVERLOAD, OVERLOADED, "No place became free in time",
        "The call waited for `concurrency.queue_timeout_seconds`.", "Try again, with fewer calls at a time.",
        "Raise `max_concurrent` or `queue_timeout_seconds`.", "it was not sent; try again with fewer calls at a time",
    ),
    Code(
        "SG-505", "no_place_to_wait", Cause.OVERLOAD, OVERLOADED, "Too many calls wait for answers",
        "A backend has asked the client something in the middle of the call. Such calls wait in the gateway until their clients come back, and "
        "`security.max_parked_calls` of them do already, or as many of yours as there is room for. The backend was told to stop.",
        "Answer the questions that are open, then send it again.", "Raise `max_parked_calls`, or lower `parked_seconds`.",
        "answer the questions that are open, then send it again", True,
    ),
    Code(
        "SG-601", "circuit_open", Cause.BARRED, CIRCUIT_OPEN, "Too many calls to the backend have failed",
        "Its circuit breaker is open, so the call was not sent. After `wait_duration_seconds` a few calls are let through to see.",
        "Wait for `retryAfterMs` milliseconds; without it, somebody must let the backend in again.",
        "Find out why it fails; the log has its errors. `failover_for` gives it a stand-in.",
        "it was not sent; try again after retryAfterMs, or in a while",
    ),
    Code(
        "SG-602", "ejected", Cause.BARRED, EJECTED, "The backend does worse than it may",
        "Outlier detection has taken it out of its group for a while; the call was not sent.",
        "Wait for `retryAfterMs` milliseconds; without it, somebody must let the backend in again.",
        "Find out why it fails. Each time that it is ejected again lasts longer.",
        "it was not sent; try again after retryAfterMs, or in a while",
    ),
    Code(
        "SG-603", "unfit_arguments", Cause.BARRED, INVALID_PARAMS, "The stand-in has other tools than the list says",
        'Arguments that fit the list do not fit the tools of the backend that stands in, whose `validate` is "enforce"; the call was not sent to it, '
        "and nobody else was left to ask.",
        "Try again in a while; the backend that is listed may be back then.",
        "Have the stand-in's tools take what those of its primary take, or give it no `validate` of its own.", "try again in a while",
    ),
    *DENIALS,
    Code(
        "SG-801", "cancelled", Cause.CANCELLED, REQUEST_CANCELLED, "The call was cancelled",
        "The caller cancelled it, its connection or session ended, or the gateway is going down. The backend was told to stop, but "
        "may have done the work.",
        "Look whether it was done before you send it again.", _NOTHING, "look whether it was done before you send it again", True,
    ),
    Code(
        "SG-901", "bug", Cause.BUG, INTERNAL_ERROR, "A bug of the gateway",
        "Our own code, or a policy of the embedding program, failed. It cost this call and nothing else.",
        "Tell whoever runs the gateway.", "The traceback is in the log; please report it.", "the gateway's log has the traceback", True,
    ),
)  # fmt: skip
"""In the order of their numbers."""

BY_REASON = {code.reason: code for code in CODES}

"""What becomes of each part of the protocol between a client and a backend (P-13): one table, for the command line and for what refuses."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from .eras import MODERN
from .extensions import EXTENSIONS, Way

__all__ = ["CROSSINGS", "Between", "Crossing", "Part", "between", "crossings", "tasks_pass"]


class Between(enum.Enum):
    """Who speaks with whom, as far as it makes a difference; the value is for the operator."""

    OWN_SESSIONS = "both have a handshake, and each client a session of its own with the backend"
    ONE_SESSION = "both have a handshake, and all clients share one session with the backend"
    LONE_CLIENT = "the client has no handshake, the backend has one"
    PARKED = "the client has no handshake, the backend has one, and a session for each call that may be asked something"
    LONE_BACKEND = "the client has a handshake, the backend has none"
    ALONE = "neither has a handshake"


def between(client: str, backend: str, *, per_client: bool, parks: bool = False) -> Between:
    """The case of a client and a backend of these revisions.

    Args:
        client: its revision.
        backend: its revision.
        per_client: whether the backend has a session with each client that opens one.
        parks: whether calls of clients that open none may be parked.
    """
    if client in MODERN:
        return Between.ALONE if backend in MODERN else Between.PARKED if per_client and parks else Between.LONE_CLIENT
    if backend in MODERN:
        return Between.LONE_BACKEND
    return Between.OWN_SESSIONS if per_client else Between.ONE_SESSION


class Part(enum.Enum):
    """A part of the protocol; the value is its name for the operator."""

    TOOLS = "tools"
    RESOURCES = "resources"
    PROMPTS = "prompts"
    COMPLETIONS = "completions"
    PROGRESS = "progress"
    LOG = "log lines"
    CANCELLATION = "cancellation"
    QUESTIONS = "elicitation, sampling, roots"
    TASKS = "tasks"
    LISTS = "changed lists"
    SUBSCRIPTIONS = "subscriptions to resources"
    PINGS = "ping"
    ENVELOPE = "unknown members of envelopes"
    SURROGATES = "lone surrogates"


@attrs.frozen(repr=False)
class Crossing:
    """What becomes of it, and the words for that."""

    way: Way
    why: str = ""


_CARRIED = Crossing(Way.CARRIED)
_AS_IT_CAME = dict.fromkeys(Between, _CARRIED)
_RESULTS = {
    Between.LONE_CLIENT: Crossing(Way.TRANSLATED, "results get what the client's revision puts around them"),
    Between.LONE_BACKEND: Crossing(Way.TRANSLATED, "results lose what the client's revision does not know"),
}
_NAMED = Crossing(Way.TRANSLATED, "names and URIs get the backend's namespace, where it has one")
_OFFERED = dict.fromkeys(Between, _NAMED) | {case: attrs.evolve(one, why=f"{one.why}; {_NAMED.why}") for case, one in _RESULTS.items()}

_TABLE: Mapping[Part, Mapping[Between, Crossing]] = MappingProxyType(
    {
        Part.TOOLS: _OFFERED,
        Part.RESOURCES: _OFFERED,
        Part.PROMPTS: _OFFERED,
        Part.COMPLETIONS: _OFFERED,
        Part.PROGRESS: _AS_IT_CAME,
        Part.LOG: {
            Between.OWN_SESSIONS: _CARRIED,
            Between.ONE_SESSION: Crossing(Way.TRANSLATED, "to the client whose call a line is about; others stay in the gateway's log"),
            Between.LONE_CLIENT: Crossing(
                Way.TRANSLATED, "lines that are about its call, from the level that it names; others stay in the gateway's log"
            ),
            Between.LONE_BACKEND: Crossing(
                Way.TRANSLATED, "the session's level is said with each call; lines that are about no call stay in the gateway's log"
            ),
            Between.ALONE: _CARRIED,
        },
        Part.CANCELLATION: _AS_IT_CAME
        | {
            Between.LONE_CLIENT: Crossing(Way.TRANSLATED, "a client that closes its answer is a call taken back"),
            Between.LONE_BACKEND: Crossing(Way.TRANSLATED, "a call that is taken back is an answer closed"),
        },
        Part.QUESTIONS: {
            Between.OWN_SESSIONS: _CARRIED,
            Between.ONE_SESSION: Crossing(Way.REFUSED, "all clients share one session, so none can be declared"),
            Between.LONE_CLIENT: Crossing(Way.REFUSED, "a client of this revision takes no questions during a call"),
            Between.LONE_BACKEND: Crossing(
                Way.TRANSLATED, "the client is asked during the call, and the call is sent again with its answers"
            ),
            Between.ALONE: _CARRIED,
        },
        Part.TASKS: {
            Between.OWN_SESSIONS: Crossing(
                Way.TRANSLATED, "the ids of tasks lead to their backends; a task ends with the session of its client"
            ),
            Between.ONE_SESSION: Crossing(Way.TRANSLATED, "the ids of tasks lead to their backends; lists have the caller's own"),
            **dict.fromkeys(
                (Between.LONE_CLIENT, Between.PARKED),
                Crossing(Way.REFUSED, "the client leaves it to the backend, and this one wants to be asked with the call"),
            ),
            Between.LONE_BACKEND: Crossing(Way.REFUSED, "the client asks with the call, and the backend decides for itself"),
            Between.ALONE: Crossing(Way.TRANSLATED, "as the extension: the ids of tasks lead to their backends"),
        },
        Part.LISTS: _AS_IT_CAME
        | dict.fromkeys(
            (Between.LONE_CLIENT, Between.LONE_BACKEND),
            Crossing(Way.TRANSLATED, "what is told to a session on one side is a listening stream on the other"),
        ),
        Part.SUBSCRIPTIONS: {
            Between.OWN_SESSIONS: _NAMED,
            Between.ONE_SESSION: Crossing(Way.TRANSLATED, "asked for once, however many clients want it, and told to these alone"),
        }
        | dict.fromkeys(
            (Between.LONE_CLIENT, Between.LONE_BACKEND, Between.ALONE),
            Crossing(Way.TRANSLATED, "a listening stream's wishes, where there are no sessions, and asked for once for all clients"),
        ),
        Part.PINGS: dict.fromkeys(Between, Crossing(Way.TRANSLATED, "answered by the gateway on each side")),
        Part.ENVELOPE: dict.fromkeys(Between, Crossing(Way.REFUSED, "left out, since SDKs lose messages that have such")),
        Part.SURROGATES: dict.fromkeys(
            Between, Crossing(Way.REFUSED, "half a pair becomes U+FFFD in what backends say, and is refused in what clients say")
        ),
    }
)
CROSSINGS: Mapping[Part, Mapping[Between, Crossing]] = MappingProxyType(
    {part: {**cases, Between.PARKED: cases[Between.LONE_CLIENT]} for part, cases in _TABLE.items()}
    | {
        Part.QUESTIONS: {
            **_TABLE[Part.QUESTIONS],
            Between.PARKED: Crossing(Way.TRANSLATED, "a question is the client's answer, and the call waits until it comes back"),
        }
    }
)
"""Every part in every case."""


def tasks_pass(client: str, backend: str) -> bool:
    """Whether a client of that revision can have tasks of a backend of that."""
    return CROSSINGS[Part.TASKS][between(client, backend, per_client=False)].way is not Way.REFUSED


def crossings(client: str, backend: str, *, per_client: bool, parks: bool = False) -> dict[str, Crossing]:
    """All of it for a client and a backend of these revisions, by name: parts of the protocol, then the extensions."""
    case = between(client, backend, per_client=per_client, parks=parks)
    parts = {part.value: cases[case] for part, cases in CROSSINGS.items()}
    return parts | {name: Crossing(one.way if one.crosses(client, backend) else Way.REFUSED, one.why) for name, one in EXTENSIONS.items()}

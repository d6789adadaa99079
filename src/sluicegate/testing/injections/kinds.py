"""What becomes of one attempt to call a backend, and what can go wrong with it: plain values, which mean the same on every transport that has such a thing.

Where it matters whether the backend has run the call: `Refuse`, `Reset`, `Hang` and everything that is answered in the backend's place keep
the request from it; all others spoil an answer that it has given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from ..transports import ANYWHERE, CHANNELS, CHILD, HTTP, Transport
from .child_kinds import ChildExit, DeafChild, StderrFlood
from .draws import Amount
from .noise import AskBack, ListStorm, Noise, ProgressFlood
from .statuses import Forgotten, HttpStatus, SessionLost, TooManyRequests, Unauthorized, Unavailable

__all__ = [
    "Answer",
    "Ask",
    "AskBack",
    "ChildExit",
    "DeafChild",
    "Delay",
    "Drip",
    "DropAnswer",
    "Duplicate",
    "Echo",
    "Forgotten",
    "Garble",
    "Hang",
    "Injection",
    "ListStorm",
    "Note",
    "Oversize",
    "ProgressFlood",
    "Refuse",
    "Reorder",
    "Reset",
    "Result",
    "RpcError",
    "SessionLost",
    "StderrFlood",
    "Step",
    "TooManyRequests",
    "ToolFails",
    "Transport",
    "Truncate",
    "Unauthorized",
    "Unavailable",
    "WrongId",
]


@attrs.frozen
class Delay:
    """The answer comes so much later."""

    over: ClassVar = ANYWHERE
    seconds: Amount = 1.0
    then: Step | HttpStatus | None = None
    """What happens then; None is what would have happened anyway."""


@attrs.frozen
class Refuse:
    """Nobody takes the connection: the request is not sent. A channel is found closed, and all that is on it is lost."""

    over: ClassVar = ANYWHERE


@attrs.frozen
class Reset:
    """The connection is lost once the request has left; on a channel that is shared, everybody's."""

    over: ClassVar = ANYWHERE
    why: str = "the connection was reset"


@attrs.frozen
class Hang:
    """The request gets nowhere, and nothing comes back."""

    over: ClassVar = ANYWHERE


@attrs.frozen
class DropAnswer:
    """The backend runs the call, and its answer is lost on the way."""

    over: ClassVar = ANYWHERE


@attrs.frozen
class Truncate:
    """The answer breaks off, and the connection ends with it."""

    over: ClassVar = ANYWHERE
    size: int | None = None
    """Bytes that still come; None is half of them."""


@attrs.frozen
class Garble:
    """These bytes come in the place of the answer."""

    over: ClassVar = ANYWHERE
    data: bytes = b"\x00garbled\xff"


@attrs.frozen
class Duplicate:
    """The answer comes twice."""

    over: ClassVar = ANYWHERE


@attrs.frozen
class Reorder:
    """The next answer on the same channel overtakes this one; if there is none for so long, it comes after all."""

    over: ClassVar = CHANNELS
    seconds: float = 1.0


@attrs.frozen
class Drip:
    """The answer comes in pieces of this many bytes, each after a pause. A channel in memory has no pieces: there it comes late as a whole."""

    over: ClassVar = ANYWHERE
    size: int = 16
    seconds: float = 0.1


@attrs.frozen
class WrongId:
    """The answer has an id that nobody has used."""

    over: ClassVar = ANYWHERE


@attrs.frozen
class RpcError:
    """A JSON-RPC error in the place of an answer."""

    over: ClassVar = ANYWHERE
    code: int = -32603
    message: str = "broken"
    data: object = None


@attrs.frozen
class ToolFails:
    """A successful answer whose result says ``isError``."""

    over: ClassVar = ANYWHERE
    text: str = "it failed"


@attrs.frozen
class Oversize:
    """An answer whose text has so many bytes; the default is more than ``security.max_message_size``. Messages in memory have no limit."""

    over: ClassVar = CHILD | HTTP
    size: int = 17 * 1024 * 1024


Injection = (
    Delay
    | Refuse
    | Reset
    | Hang
    | DropAnswer
    | Truncate
    | Garble
    | Duplicate
    | Reorder
    | Drip
    | WrongId
    | RpcError
    | ToolFails
    | Oversize
    | ListStorm
    | ProgressFlood
    | AskBack
    | Forgotten
    | HttpStatus
    | ChildExit
    | DeafChild
    | StderrFlood
)
"""What goes wrong with one attempt."""


@attrs.frozen
class Answer:
    """A tool result with this text."""

    text: str = ""


@attrs.frozen
class Echo:
    """A tool result that says who was called, how, and for the how manyth time: ``name {"a":1} #1``."""


@attrs.frozen
class Result:
    """Any result, as JSON text, sent byte for byte."""

    json: bytes


@attrs.frozen
class Note:
    """Send a progress notification for the call, or this notification, then go on."""

    progress: float = 0.5
    then: Step = Echo()
    message: bytes = b""


@attrs.frozen
class Ask:
    """Ask the client something, and go on once it has answered: without ``then`` with a text that is its answer, as JSON."""

    method: str = "elicitation/create"
    params: Mapping[str, object] = attrs.field(
        factory=lambda: {"message": "sure?", "requestedSchema": {"type": "object", "properties": {}}}
    )
    then: Step | None = None


Spoiling = Refuse | Reset | Hang | DropAnswer | Truncate | Garble | Duplicate | Reorder | Drip | WrongId | Noise
Step = Answer | Ask | Echo | Result | Note | Delay | RpcError | ToolFails | Spoiling
"""One thing that a scripted backend does with one call."""

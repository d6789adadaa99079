"""What a scripted backend does with a call: plain values, played in order."""

from __future__ import annotations

import attrs

__all__ = ["Answer", "Close", "Delay", "Echo", "Error", "Garble", "Hang", "Note", "Result", "Step", "ToolError"]


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
class ToolError:
    """A successful answer whose result says ``isError``."""

    text: str = "it failed"


@attrs.frozen
class Error:
    """A JSON-RPC error."""

    code: int = -32603
    message: str = "broken"
    data: object = None


@attrs.frozen
class Delay:
    """Wait for some seconds, then go on."""

    seconds: float
    then: Step = Echo()


@attrs.frozen
class Note:
    """Send a progress notification for the call, or this notification, then go on."""

    progress: float = 0.5
    then: Step = Echo()
    message: bytes = b""


@attrs.frozen
class Hang:
    """Never answer."""


@attrs.frozen
class Close:
    """Lose the connection."""

    why: str = "the script closed the connection"


@attrs.frozen
class Garble:
    """Send these bytes instead of an answer, then go on hanging."""

    line: bytes


Step = Answer | Echo | Result | ToolError | Error | Delay | Note | Hang | Close | Garble
"""One thing that a scripted backend does with one call."""

"""The headers of one request, read once: what decides about it, by name, and all others to be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .headers import METHOD, NAME

__all__ = ["PARAM", "RequestHeaders", "read_headers"]

PARAM = b"mcp-param-"
"""How the headers begin that repeat arguments of a tool."""
_METHOD, _NAME = METHOD.encode(), NAME.encode()

Pairs = Sequence[tuple[bytes, bytes]]


class RequestHeaders(msgspec.Struct, frozen=True, eq=False):
    """What came with a request. Texts have no white space around them; of a header that comes twice they are joined by commas."""

    host: tuple[bytes, ...]
    """All values, as they came; so with the next two."""
    origin: tuple[bytes, ...]
    authorization: tuple[bytes, ...]
    accept: str | None
    content_type: str
    """Empty where there is none; so with the next two."""
    content_encoding: str
    content_length: str
    expects: bool
    """The client may wait for a word before it sends the body."""
    protocol_version: str | None
    session_id: str | None
    last_event_id: str | None
    repeats_body: bool
    """There are some that repeat what the body says (``Mcp-Method``, ``Mcp-Name``, ``Mcp-Param-…``)."""
    several: Mapping[bytes, tuple[bytes, ...]]
    """Each value of those that come more than once, by the name in lower case."""
    fields: Mapping[bytes, bytes]
    """Every header, by the name in lower case."""

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """Every value of a header; the name in lower case."""
        value = self.fields.get(name)
        return () if value is None else self.several.get(name, (value,))

    def text(self, name: bytes) -> str | None:
        """The value of a header; None if it is not there."""
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1").strip()


def read_headers(given: Pairs, *, lower: bool = False) -> RequestHeaders:
    """Read them.

    Args:
        given: in the order in which they came.
        lower: their names are known to be in lower case.
    """
    fields = dict(given)
    several: Mapping[bytes, tuple[bytes, ...]] = {}
    if not lower or len(fields) != len(given):
        fields, several = _gathered(given)
    get = fields.get  # from here on without a function of our own: it is on the way of each request
    host, origin, authorization = get(b"host"), get(b"origin"), get(b"authorization")
    accept, version, session, event = get(b"accept"), get(b"mcp-protocol-version"), get(b"mcp-session-id"), get(b"last-event-id")
    return RequestHeaders(
        () if host is None else several.get(b"host", (host,)),
        () if origin is None else several.get(b"origin", (origin,)),
        () if authorization is None else several.get(b"authorization", (authorization,)),
        None if accept is None else accept.decode("latin-1").strip(),
        get(b"content-type", b"").decode("latin-1").strip(),
        get(b"content-encoding", b"").decode("latin-1").strip(),
        get(b"content-length", b"").decode("latin-1").strip(),
        b"expect" in fields,
        None if version is None else version.decode("latin-1").strip(),
        None if session is None else session.decode("latin-1").strip(),
        None if event is None else event.decode("latin-1").strip(),
        _METHOD in fields or _NAME in fields or PARAM in b"\n".join(fields),
        several,
        fields,
    )


def _gathered(given: Pairs) -> tuple[dict[bytes, bytes], dict[bytes, tuple[bytes, ...]]]:
    """All of them by name in lower case, and each value of those that come more than once."""
    every: dict[bytes, list[bytes]] = {}
    for name, value in given:
        every.setdefault(name.lower(), []).append(value)
    joined = {name: b", ".join(values) for name, values in every.items()}
    return joined, {name: tuple(values) for name, values in every.items() if len(values) > 1}

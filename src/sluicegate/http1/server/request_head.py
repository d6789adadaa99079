"""The head of a request: the rules that llhttp leaves to us (RFC 9112 sections 3 and 6, RFC 9110 section 7.2)."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

import attrs
import msgspec

from ..framing import CHUNKS, RefusedMessage, declared_length, stays, words

__all__ = ["JUDGED", "HeadLimits", "RequestLine", "ServerRequest", "check_host", "read_head", "read_line", "split_target"]

LINE = re.compile(rb"([A-Z][A-Z_-]*) ([!\"$-~]+) HTTP/([0-9]\.[0-9])\r\n")
LINE_BESIDE_TARGET = 32
"""Bytes of a request line that are not its target: the longest method has 13."""

ABSOLUTE = re.compile(rb"https?://([^/?]*)([^?]*)", re.IGNORECASE)
HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")

JUDGED = frozenset({b"content-length", b"transfer-encoding", b"host", b"expect", b"connection"})
"""The headers that say what a request is, and where it ends."""


class HeadLimits(msgspec.Struct, frozen=True):
    """How much of one request is accepted."""

    target: int = 8192
    """Bytes of the request target; more is answered with 414."""
    head: int = 65_536
    """Bytes of the request line and all headers; more is answered with 431."""
    headers: int = 100
    """Header lines; more is answered with 431."""
    body: int | None = None
    """Bytes of the body; more is answered with 413."""
    ahead: int = 16
    """Requests that are parsed before one of them is taken; fewer where their heads are large."""


class RequestLine(msgspec.Struct, frozen=True):
    """The first line of a request."""

    method: str
    target: bytes
    """As it was sent."""
    version: str
    """``1.0`` or ``1.1``."""
    authority: bytes | None
    """The host that the target names; None if it names none."""
    path: str
    """Percent-decoded, as ASGI wants it."""
    raw_path: bytes
    query: bytes


@attrs.define(eq=False, repr=False)
class ServerRequest:
    """One request, as far as it has come."""

    line: RequestLine
    headers: list[tuple[bytes, bytes]]
    """Names in lower case, values without white space around them, in order. Trailers are dropped."""
    content_length: int | None
    """None when it is chunked, or has no body."""
    expects_continue: bool = False
    """Whether there is a body, and the client may wait for a 100 before it sends it."""
    keep_alive: bool = True
    complete: bool = False
    """Whether the whole body has come."""
    body: list[bytes] = attrs.field(factory=list)
    """The pieces that came and were not taken yet."""
    waiting: int = 0
    """Their bytes."""
    weight: int = 0
    """About how many bytes of memory its head takes."""

    def take(self) -> bytes:
        """All pieces that came and were not taken yet."""
        pieces = self.body
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.waiting = 0
        return taken


def read_line(data: bytes, start: int, limits: HeadLimits) -> RequestLine | None:
    """The request line at `start`; None if it has not come whole.

    Raises:
        RefusedMessage: It will never be one.
    """
    if not b"A" <= data[start : start + 1] <= b"Z":
        raise RefusedMessage(400, "no request line")
    end = data.find(b"\n", start) + 1
    if (end or len(data)) - start > limits.target + LINE_BESIDE_TARGET:
        raise RefusedMessage(414, "target too long")
    return _read_whole_line(data[start:end], limits.target) if end else None


@lru_cache  # most clients ask for the same again and again
def _read_whole_line(line: bytes, most: int) -> RequestLine:
    match = LINE.fullmatch(line)
    if match is None:
        raise RefusedMessage(400, "malformed request line")
    method, target, version = match[1].decode("ascii"), match[2], match[3]
    if version not in {b"1.0", b"1.1"}:
        raise RefusedMessage(505, "no version but 1.0 and 1.1")
    if len(target) > most:
        raise RefusedMessage(414, "target too long")
    if method == "CONNECT":
        raise RefusedMessage(501, "no tunnels here")
    authority, raw_path, query = split_target(method, target)
    if authority is not None and HOST.fullmatch(authority) is None:
        raise RefusedMessage(400, "malformed target")
    path = raw_path.decode("ascii")
    return RequestLine(method, target, version.decode("ascii"), authority, unquote(path) if "%" in path else path, raw_path, query)


def read_head(line: RequestLine, headers: list[tuple[bytes, bytes]], judged: dict[bytes, list[bytes]]) -> tuple[ServerRequest, int]:
    """The request with this head, and the length of its body in bytes, or `CHUNKS`.

    Args:
        line: As `read_line` has read it.
        headers: All of them.
        judged: The values of those in `JUDGED`.

    Raises:
        RefusedMessage: Two readers could understand it differently.
    """
    version = line.version
    length = declared_length(judged.get(b"content-length"), judged.get(b"transfer-encoding"), version)
    check_host(line.authority, judged.get(b"host", []), version)
    expectations = words(judged[b"expect"]) if b"expect" in judged and version == "1.1" else set()
    if not expectations <= {b"100-continue"}:
        raise RefusedMessage(417, "no expectation but 100-continue")
    request = ServerRequest(line, headers, None if length == CHUNKS else length)
    request.expects_continue = bool(expectations) and bool(length)
    request.keep_alive = stays(version, judged.get(b"connection"))
    return request, length or 0


def split_target(method: str, target: bytes) -> tuple[bytes | None, bytes, bytes]:
    """The authority (None if there is none), path and query of a target.

    Raises:
        RefusedMessage: It is in no form that this method has.
    """
    whole, _, query = target.partition(b"?")
    if whole.startswith(b"/"):
        return None, whole, query
    if target == b"*" and method == "OPTIONS":
        return None, target, b""
    absolute = ABSOLUTE.fullmatch(whole)
    if absolute is None:
        raise RefusedMessage(400, "malformed target")
    return absolute[1], absolute[2] or b"/", query


def check_host(authority: bytes | None, hosts: list[bytes], version: str) -> None:
    """Exactly one host, the same wherever it is named; HTTP/1.0 may leave it out.

    Raises:
        RefusedMessage: Two readers could come to different hosts.
    """
    if len(hosts) != 1 and (hosts or version == "1.1"):
        raise RefusedMessage(400, "not exactly one Host")
    for host in hosts:
        if not _is_host(host):
            raise RefusedMessage(400, "bad Host")
        if authority is not None and host.lower() != authority.lower():
            raise RefusedMessage(400, "another Host than in the target")


@lru_cache
def _is_host(text: bytes) -> bool:
    return HOST.fullmatch(text) is not None

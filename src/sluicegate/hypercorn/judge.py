"""Which HTTP/2 requests are refused before the application hears of them: the rules of our own server, behind the parser of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..http1.framing import RefusedMessage
from ..http1.server.request_head import HeadLimits, check_host, split_target

__all__ = ["Limited", "judge_http2"]

Headers = Sequence[tuple[bytes, bytes]]


class Limited(Protocol):
    """Hypercorn's configuration with our limits in it."""

    limits: HeadLimits
    on_refused: Callable[[int, str], None]
    takes_sockets: bool


def judge_http2(headers: Headers, limits: HeadLimits) -> None:
    """Whether a request can be given to an application; raises `RefusedMessage`."""
    _judge_size(headers, limits)
    fields = dict(headers)
    path, method = fields.get(b":path"), fields.get(b":method", b"")
    if path is None or method == b"CONNECT":
        raise RefusedMessage(501, "no tunnels here")
    if not path.isascii() or not method.isascii():
        raise RefusedMessage(400, "malformed target")
    if len(path) > limits.target:
        raise RefusedMessage(414, "target too long")
    split_target(method.decode("ascii"), path)
    authority = fields.get(b":authority")
    hosts = [value for name, value in headers if name == b"host"]
    check_host(authority, hosts or ([] if authority is None else [authority]), "1.1")


def _judge_size(headers: Headers, limits: HeadLimits) -> None:
    if len(headers) > limits.headers:
        raise RefusedMessage(431, "too many headers")
    if sum(len(name) + len(value) + 4 for name, value in headers) > limits.head:
        raise RefusedMessage(431, "headers too large")

"""Who may send us a request at all: ``Host`` and ``Origin``, and what browsers are told about it (P-41, HTTP-3, HTTP-4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import attrs

from ..protocol.addresses import is_loopback

__all__ = ["Admission", "cors_headers", "preflight_headers"]

_ALLOWED_METHODS = b"GET, POST, DELETE, OPTIONS"
_ALLOWED_HEADERS = b"Accept, Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, Traceparent, Tracestate"
_EXPOSED_HEADERS = b"Mcp-Session-Id, Mcp-Protocol-Version, WWW-Authenticate"


@attrs.frozen(repr=False)
class Admission:
    """The rules. A browser page elsewhere must not reach a gateway on this machine, neither directly nor by DNS rebinding."""

    on_loopback: bool = True
    """Whether only this machine can connect: then a foreign ``Host`` can only be a trick."""
    allowed_hosts: Sequence[str] = ()
    """``name`` or ``name:*`` (any port), ``name:port``, or ``*``; where there are some, only those (and this machine's own names on loopback)."""
    allowed_origins: Sequence[str] = ()
    """``scheme://host[:port]``, or ``*``; pages of this machine are always allowed."""

    allows_host: Callable[[tuple[bytes, ...]], bool] = attrs.field(init=False, eq=False)
    """Whether a request with these ``Host`` headers may come in; the same few come all the time."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "allows_host", lru_cache(self._judge_host))

    def _judge_host(self, values: tuple[bytes, ...]) -> bool:
        if not self.on_loopback and not self.allowed_hosts:
            return True
        if len(values) != 1:
            return False
        host, name, is_local = _read_host(values[0])
        if name is None:
            return False
        if self.on_loopback and is_local:
            return True
        return any(allowed == "*" or _is_meant(allowed, host, name) for allowed in self.allowed_hosts)

    def knows_host(self, values: tuple[bytes, ...]) -> bool:
        """Whether a request's ``Host`` is allowed by its name, and not only because any is; such a one can be said back to others."""
        host, name, is_local = _read_host(values[0]) if len(values) == 1 else ("", None, False)
        if name is None:
            return False
        return (self.on_loopback and is_local) or any(_is_meant(allowed, host, name) for allowed in self.allowed_hosts if allowed != "*")

    def allows_origin(self, values: Sequence[bytes]) -> bool:
        """Whether a request with these ``Origin`` headers may come in; programs send none."""
        if not values:
            return True
        if len(values) != 1:
            return False
        origin = values[0].decode("latin-1").strip().lower()
        if any(allowed in ("*", origin) for allowed in map(_normal, self.allowed_origins)):
            return True
        scheme, separator, rest = origin.partition("://")
        name = _split_host(rest)
        return bool(separator) and scheme in ("http", "https") and name is not None and is_loopback(name)


def _read_host(value: bytes) -> tuple[str, str | None, bool]:
    """The value in lower case, the name in it, and whether that is one of this machine."""
    host = value.decode("latin-1").strip().lower()
    name = _split_host(host)
    return host, name, name is not None and is_loopback(name)


def _is_meant(allowed: str, host: str, name: str) -> bool:
    return allowed.lower().removesuffix(":*") in (host, name, f"[{name}]")


def _normal(origin: str) -> str:
    return origin.lower().rstrip("/")


@lru_cache
def _split_host(host: str) -> str | None:
    """The name in ``name``, ``name:port`` or ``[v6]:port``; None if it is none of these."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  raises for a bad one
    except ValueError:
        return None
    whole = parts.path == "" and not parts.query and not parts.fragment and parts.username is None
    return parts.hostname if whole else None


def cors_headers(origin: bytes) -> list[tuple[bytes, bytes]]:
    """What a response to a page with an allowed origin carries."""
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED_HEADERS), (b"vary", b"Origin")]


def preflight_headers(named: Sequence[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """What a page may send us, with the headers that tools are given."""
    return [
        (b"access-control-allow-methods", _ALLOWED_METHODS),
        (b"access-control-allow-headers", b", ".join((_ALLOWED_HEADERS, *named))),
        (b"access-control-max-age", b"600"),
    ]

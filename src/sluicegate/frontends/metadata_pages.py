"""Where clients learn whom to ask for tokens: public documents, for programs and for pages of any origin (RFC 9728, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..identity.protected_resource import ProtectedResource
from ..protocol.principal import Principal
from .paths import Guard, HttpRoute
from .request import HttpRequest

__all__ = ["metadata_pages"]

_ANY_PAGE = [(b"access-control-allow-origin", b"*")]
"""Nothing in them is a secret, no credentials are looked at, and an inspector in a browser reads them before it has any."""
_PREFLIGHT = [
    *_ANY_PAGE,
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"600"),
]


def metadata_pages(
    resource: ProtectedResource, allows_host: Callable[[tuple[bytes, ...]], bool], refused: Callable[[int, str], None]
) -> Iterator[tuple[str, HttpRoute]]:
    """The rows of the table of paths, each with its path."""

    async def show(http: HttpRequest, _principal: Principal) -> None:
        hosts = http.headers.host
        document = resource.document(http.path, hosts) if allows_host(hosts) else None
        if document is None:  # what was sent as Host must not become an address that others take for ours
            refused(404, _UNKNOWN)
            await http.respond(404, _UNKNOWN.encode(), kind=b"text/plain; charset=utf-8", headers=_ANY_PAGE)
        else:
            await http.respond(200, document, headers=_ANY_PAGE)

    async def allow(http: HttpRequest, _principal: Principal) -> None:
        await http.respond(204, headers=_PREFLIGHT)

    row = HttpRoute({"GET": show, "HEAD": show, "OPTIONS": allow}, Guard.OPEN)
    for path in resource.paths:
        yield path, row


_UNKNOWN = "Not Found: this gateway does not know by which address you reach it; its operator sets proxy.public_url"

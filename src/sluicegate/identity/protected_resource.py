"""This gateway as OAuth sees it: a resource that is named by a URL, and says whom to ask for tokens (RFC 9728; P-142, AUTH-12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import attrs

from ..protocol.messages import encode

__all__ = ["WELL_KNOWN", "ProtectedResource"]

WELL_KNOWN = "/.well-known/oauth-protected-resource"
_ENDPOINT = "/mcp"
Hosts = tuple[bytes, ...]


@attrs.frozen(eq=False, repr=False)
class ProtectedResource:
    """There are two resources, one within the other: the MCP endpoint, and everything that is served."""

    name: str
    """For people."""
    servers: tuple[str, ...]
    """The issuers whose tokens are good here, at least one."""
    scopes: tuple[str, ...] = ()
    """Which there are, for a client that knows of none."""
    public_url: str | None = None
    """Where clients find what is ``/`` here."""
    scheme: str = "http"
    """Of our own listeners; where there is no public URL."""
    may_repeat: Callable[[Hosts], bool] = lambda _hosts: False
    """Whether a request's ``Host`` is one that was allowed by name, so that whoever wrote it may be told it again."""

    @property
    def paths(self) -> Iterator[str]:
        """Where its documents are to be found, each with and without what the public URL has of a path."""
        prefix = urlsplit(self.public_url or "").path.rstrip("/")
        for before in dict.fromkeys((prefix, "")):
            yield from (f"{WELL_KNOWN}{before}", f"{WELL_KNOWN}{before}{_ENDPOINT}", f"{WELL_KNOWN}{before}{_ENDPOINT}/")

    def identifier(self, path: str, hosts: Hosts) -> str | None:
        """The resource that a path belongs to; None where nobody knows what clients call it."""
        base = self._base(hosts)
        return None if base is None else base + _own_part(path)

    def metadata_url(self, path: str, hosts: Hosts) -> str | None:
        """Where the document of that resource is."""
        base = self._base(hosts)
        if base is None:
            return None
        parts = urlsplit(base)
        return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path}{_own_part(path)}"

    def document(self, path: str, hosts: Hosts) -> bytes | None:
        """What is found under one of `paths`."""
        identifier = self.identifier(path, hosts)
        if identifier is None:
            return None
        scopes = {"scopes_supported": self.scopes} if self.scopes else {}
        return encode(
            {
                "resource": identifier,
                "authorization_servers": self.servers,
                "bearer_methods_supported": ["header"],
                "resource_name": self.name,
                **scopes,
            }
        )

    def _base(self, hosts: Hosts) -> str | None:
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        return f"{self.scheme}://{hosts[0].decode('latin-1').strip().lower()}" if self.may_repeat(hosts) else None


def _own_part(path: str) -> str:
    """What distinguishes the endpoint from the rest."""
    return _ENDPOINT if path.rstrip("/").endswith(_ENDPOINT) else ""

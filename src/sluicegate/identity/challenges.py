"""What a refusal tells a client that speaks OAuth: where to get a token, and for what (RFC 6750, section 3; RFC 9728, section 5.1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import attrs

from ..protocol.errors import TOKEN_REFUSED
from .identify import Refused, Sent
from .protected_resource import ProtectedResource

__all__ = ["Challenges", "challenge", "unavailable"]

_REALM = "sluicegate"
_UNSAFE = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
"""What must not stand in these values, quoted or not (RFC 6750, section 3)."""


def challenge(error: str = "", description: str = "", *, scopes: Iterable[str] = (), metadata: str | None = None) -> bytes:
    """A value of ``WWW-Authenticate``.

    Args:
        error: a code of RFC 6750; none where nothing was shown at all.
        description: for whoever looks into why his client is refused.
        scopes: all that are needed, so that nobody has to ask twice (P-141).
        metadata: the URL of the document that names the authorization server.
    """
    parts = {
        "realm": _REALM,
        "error": error,
        "error_description": description,
        "scope": " ".join(scopes),
        "resource_metadata": metadata or "",
    }
    return ("Bearer " + ", ".join(f'{name}="{_UNSAFE.sub("?", value)}"' for name, value in parts.items() if value)).encode()


@attrs.frozen(eq=False, repr=False)
class Challenges:
    """The refusals of one gateway that takes an issuer's tokens. What was sent stands in none of them."""

    resource: ProtectedResource
    required: tuple[str, ...] = ()
    """The scopes without which nobody comes in."""

    def missing(self, request: Sent) -> Refused:
        """He has shown nothing: no error, only where to begin (RFC 6750, 3.1)."""
        return Refused("missing bearer token", self._challenge(request, self.required), code=TOKEN_REFUSED)

    def invalid(self, request: Sent, why: str) -> Refused:
        """What he has shown is no good, and another token may be; ``why`` is in words of ours."""
        return Refused(why, self._challenge(request, self.required, "invalid_token", why), code=TOKEN_REFUSED)

    def insufficient(self, request: Sent, needed: Collection[str], granted: Collection[str]) -> Refused:
        """He is known, and may not do this without other scopes (AUTH-13): all that are needed are named, with those that he has of them."""
        lacking = [scope for scope in needed if scope not in granted]
        why = f"insufficient scope: required [{', '.join(needed)}], missing [{', '.join(lacking)}]"
        return Refused(why, self._challenge(request, needed, "insufficient_scope", why), status=403)

    def _challenge(self, request: Sent, scopes: Iterable[str], error: str = "", description: str = "") -> bytes:
        return challenge(error, description, scopes=scopes, metadata=self.resource.metadata_url(request.path, request.headers.host))


def unavailable(retry_after: int) -> Refused:
    """Nobody can tell at the moment: the issuer, or its keys, are away."""
    return Refused("the identity provider cannot be reached; try again later", status=503, retry_after=retry_after)

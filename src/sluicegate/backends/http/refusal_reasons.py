"""What an endpoint lacks, or wants, as far as the status and the head of its refusal tell."""

from __future__ import annotations

import re

from ...http1.client.response import ClientResponse
from ...protocol.why import Why

__all__ = ["what_is_missing"]

_METADATA = re.compile(r'resource_metadata\s*=\s*"?(https?://[!#-~]{1,500}?)"?\s*(?:,|\Z)', re.IGNORECASE)
"""RFC 9728, 5.1."""

SSE_ONLY = Why(
    "HTTP+SSE only: it takes no POST here, and the gateway speaks Streamable HTTP; look whether the server has an address for that, often /mcp"
)


def what_is_missing(answer: ClientResponse) -> Why | None:
    """What would have to be there for a POST to be taken; None if nothing says so. The address is the backend's word, so callers do not get it."""
    if answer.status == 405:
        return SSE_ONLY
    if answer.status in {401, 403}:
        for name, value in answer.headers:
            if name == b"www-authenticate" and (found := _METADATA.search(value.decode("latin-1"))) is not None:
                return Why("needs OAuth", f"needs OAuth: {found[1]}")
    return None

"""What an endpoint lacks, or wants, as far as the status and the head of its refusal tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...http1.client.response import ClientResponse
from ...protocol.why import Why

__all__ = ["NEEDS_LOGIN", "hint_of", "what_is_missing", "what_it_means"]

_METADATA = re.compile(r'resource_metadata\s*=\s*"?(https?://[!#-~]{1,500}?)"?\s*(?:,|\Z)', re.IGNORECASE)
"""RFC 9728, 5.1."""

SSE_ONLY = Why(
    'HTTP+SSE only: it takes no POST here; write transport = "sse", or look whether the server has an address for Streamable HTTP, often /mcp'
)
NEEDS_LOGIN = "needs login"
_HOW_TO_LOG_IN = "write auth = { type = \"authorization_code\" } in its table, then run 'sluicegate login' with its name"
_CREDENTIALS = "check the backend's headers and bearer_token"
_MEANT: Mapping[int, tuple[str, str]] = {
    401: ("it wants to know who calls", _CREDENTIALS),
    403: ("it does not let us in", f"{_CREDENTIALS}, and which hosts and origins it allows"),
    410: ("what was at its url is gone for good", "write its new address as the backend's url"),
}
"""What some statuses mean, and what to do about it."""


def what_it_means(status: int) -> str:
    """In words of ours, whatever comes with it; empty where the number says as much."""
    return _MEANT.get(status, ("", ""))[0]


def hint_of(status: int) -> str:
    """What to do about a refusal, for whoever runs the gateway; empty where that is not known."""
    return _MEANT.get(status, ("", ""))[1]


def what_is_missing(answer: ClientResponse) -> Why | None:
    """What would have to be there for a POST to be taken; None if nothing says so. The address is the backend's word, so callers do not get it."""
    if answer.status == 405:
        return SSE_ONLY
    if answer.status in {401, 403}:
        for name, value in answer.headers:
            if name == b"www-authenticate" and (found := _METADATA.search(value.decode("latin-1"))) is not None:
                return Why(NEEDS_LOGIN, f"{NEEDS_LOGIN}: {_HOW_TO_LOG_IN} (it speaks OAuth: {found[1]})")
    return None

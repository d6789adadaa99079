"""How a request can fail, by the one question that matters: may the server have seen it?"""

from __future__ import annotations

__all__ = ["Broken", "TooLarge", "Unreachable"]


class Unreachable(Exception):
    """Nothing was sent: refused, unknown host, no TLS, the proxy said no, or it took too long. The message says which."""


class Broken(Exception):
    """The connection ended after sending had begun, so nobody knows what became of the request. The message says how."""


class TooLarge(Exception):
    """The body of a response is over the limit."""

"""Why a running gateway cannot be reached, in words for whoever asked for it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

__all__ = ["is_untrusted", "reason"]


def reason(error: BaseException) -> str:
    """The first words in a chain of errors: the outer ones, of the HTTP library, often have none."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({link.verify_message}); SSL_CERT_FILE can name a file with its authority"
    return next((str(link) for link in _chain(error) if str(link)), type(error).__name__)


def is_untrusted(error: BaseException) -> bool:
    """Whether the certificate is to blame, so that waiting is of no use."""
    return any(isinstance(link, ssl.SSLCertVerificationError) for link in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

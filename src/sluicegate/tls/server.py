"""The gateway's own certificate: from files to what the TLS library wants. Loads no event loop, so that ``check`` can try it."""

from __future__ import annotations

import ssl
from typing import NoReturn

__all__ = ["BadCertificate", "server_context"]

PROTOCOLS = ("h2", "http/1.1")
"""What a client may choose during the handshake (ALPN), best first."""


class BadCertificate(OSError):
    """The files do not make up what TLS needs; the text says what is wrong."""


def server_context(certificate: str, key: str | None, client_ca: str | None) -> ssl.SSLContext:
    """What a server needs to speak TLS 1.2 or later; raises `BadCertificate`.

    Args:
        certificate: a PEM file with the certificate and those that lead to its authority.
        key: a PEM file with the private key; None if the certificate's file holds it.
        client_ca: a PEM file with authorities; only clients with a certificate of one of them may connect. None lets everybody in.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(PROTOCOLS))
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise BadCertificate(_explained(error, certificate, key)) from None
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ValueError) as error:
            raise BadCertificate(f"'{client_ca}' holds no certificate of an authority: {_plain(error)}") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _no_password() -> NoReturn:
    """Called for an encrypted key; without it the library would ask on the terminal."""
    raise ValueError("the key is encrypted, and nobody can be asked for its password")


def _explained(error: Exception, certificate: str, key: str | None) -> str:
    files = f"'{certificate}'" if key is None else f"'{certificate}' and '{key}'"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"the key in '{key or certificate}' does not belong to the certificate in '{certificate}'"
    return f"{files} do not hold a certificate and its key in PEM form: {_plain(error)}"


def _plain(error: Exception) -> str:
    """Why, without the library's own file names and lines."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").lower().replace("_", " ")
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)

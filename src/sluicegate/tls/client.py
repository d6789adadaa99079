"""TLS towards servers: whom we trust, and who we say we are."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

import msgspec

__all__ = ["TlsFiles", "client_context"]


class TlsFiles(msgspec.Struct, frozen=True):
    """Files in PEM form; what is None is the system's own, or nothing."""

    ca: str | None = None
    """Certificates that are trusted, instead of the system's."""
    certificate: str | None = None
    """Our own, with its chain, for servers that ask for it."""
    key: str | None = None
    """Its private key; None if that is in the same file."""


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """What `trio.SSLStream` needs; raises `ValueError` that names the file.

    Files are read anew each time, because certificates are renewed while programs run. The system's own take 20 ms, and are read once.
    """
    if files == TlsFiles():
        return _system_context()
    if files.key is not None and files.certificate is None:
        raise ValueError(f"key '{files.key}' needs a certificate beside it")
    context = _trusting(files.ca)
    if files.certificate is not None:
        _identify(context, files.certificate, files.key)
    context.set_alpn_protocols(["http/1.1"])
    return context


@functools.cache
def _system_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _trusting(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ValueError(f"ca '{ca}' holds no certificate in PEM form") from error
    except OSError as error:
        raise ValueError(f"ca '{ca}' cannot be read: {error.strerror or error}") from error


def _identify(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Load our own certificate. A key with a password is refused: nobody is there to be asked for it."""

    def refuse() -> bytes:
        raise ValueError(f"key '{key or certificate}' is encrypted; write it without a password, readable by this user alone")

    found = _read(certificate, "certificate")
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise ValueError(f"certificate '{certificate}' holds no certificate in PEM form")
    if b"PRIVATE KEY-----" not in (found if key is None else _read(key, "key")):
        raise ValueError(
            f"key '{key}' holds no key in PEM form" if key else f"certificate '{certificate}' holds no private key, so name its key"
        )
    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as error:
        why = "do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else f"cannot be used: {error.reason or error}"
        raise ValueError(f"certificate '{certificate}' and key '{key or certificate}' {why}") from error


def _read(path: str, what: str) -> bytes:
    """The errors of `ssl` do not say which file is missing, or has nothing of use in it."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{what} '{path}' cannot be read: {error.strerror or error}") from error

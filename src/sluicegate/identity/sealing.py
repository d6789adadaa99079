"""Text that only a holder of the key can make or read: what a client keeps for us and brings back, and must not be able to write itself."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import attrs

__all__ = ["KEY_BYTES", "Seal"]

KEY_BYTES = 32
"""Of a key: XChaCha20-Poly1305 of libsodium, which takes 5 to 7 µs for 200 bytes, and 1 MiB of memory once it is loaded. The *cryptography* library
would take 0.7 µs and 8 MiB."""
_NONCE_BYTES = 24
"""Drawn by chance for each text: long enough for any number of them."""
_TAG_BYTES = 16


@attrs.define(eq=False, repr=False)
class Seal:
    """Seals bytes with a key, and opens what was sealed with it. The text is URL-safe base64 without padding."""

    key: bytes = attrs.field(repr=False)
    """`KEY_BYTES` of them."""
    secret: Callable[[int], bytes] = attrs.field(repr=False)
    """That many unguessable bytes."""

    def close(self, purpose: str, content: bytes) -> str:
        """Seal some bytes. The text has four thirds of their number, and 54 more; what was sealed for one purpose opens for no other."""
        from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt  # 4 ms, which nobody pays who seals nothing

        nonce = self.secret(_NONCE_BYTES)
        sealed = nonce + encrypt(content, purpose.encode(), nonce, self.key)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, purpose: str, text: str) -> bytes | None:
        """What was sealed; None if any of it is not as it was, or was sealed for something else, or with another key."""
        sealed = _decoded(text)
        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            return None
        from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
        from nacl.exceptions import CryptoError

        try:
            return decrypt(sealed[_NONCE_BYTES:], purpose.encode(), sealed[:_NONCE_BYTES], self.key)
        except CryptoError:
            return None


def _decoded(text: str) -> bytes:
    """The bytes; nothing where the text is none that `Seal.close` makes, which has one spelling for each."""
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return sealed if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() == text else b""

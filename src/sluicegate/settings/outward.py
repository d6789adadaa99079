"""What the gateway shows a backend, so that it is let in: ``[backends.auth]``."""

from __future__ import annotations

from typing import Literal

import attrs

from .secret import Secret, secret

__all__ = ["OutwardSettings"]


@attrs.frozen(repr=False)
class OutwardSettings:
    """How requests to it show who asks; never what a client has shown."""

    type: Literal["header", "client_credentials", "private_key_jwt", "authorization_code", "token_exchange", "identity"]
    """A header of its own; a token of an authorization server, for a secret, for a signature, or for what a person has allowed, or for the
    caller's own; or one that we sign and that tells who calls."""
    header: str = "Authorization"
    """With header: its name."""
    value: Secret | None = attrs.field(default=None, converter=secret)
    """With header: its value."""
    client_id: str | None = None
    """With client_credentials, private_key_jwt and token_exchange: who the gateway is there. With authorization_code it registers itself, unless given."""
    client_secret: Secret | None = attrs.field(default=None, converter=secret)
    """With client_credentials; with authorization_code where the client has one; with token_exchange unless there is a key."""
    client_metadata_url: str | None = None
    """With authorization_code: the address of a document that says who the gateway is, for servers that take that instead of a registration."""
    key: str | None = None
    """With private_key_jwt, or token_exchange: the private key that signs, a PEM file; EC, Ed25519 or RSA. With identity: one beside the gateway's own."""
    issuer: str | None = None
    """The authorization server; with private_key_jwt the one that the backend names, unless given."""
    token_endpoint: str | None = None
    """Where tokens are asked for; what the issuer names, unless given."""
    scopes: tuple[str, ...] = ()
    """What the token is to be good for; what the backend names, unless given."""
    resource: str | None = None
    """What the token is for; what the backend calls itself, or its url, unless given."""

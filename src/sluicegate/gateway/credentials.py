"""From a backend's settings to what requests to it show, where that is more than a header that never changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..config.backends import BackendConfig
from ..identity.fetching import Fetcher
from ..outside import Outside
from ..protocol.credential import Credential
from ..settings.outward import OutwardSettings
from ..sources import Sources

if TYPE_CHECKING:
    from ..identity.outward.grants import ClientGrant

__all__ = ["credential_for"]

HINT = "check the backend's auth, and whether the authorization server knows this client"


def credential_for(backend: BackendConfig, outside: Outside, sources: Sources) -> Credential | None:
    """None where requests carry what stands in the configuration, and nothing else."""
    auth = backend.auth
    if auth is None or auth.type == "header":
        return None
    from ..identity.outward.token_keeper import TokenKeeper

    fetcher = Fetcher(outside.open_http)
    source = _client_grant(backend.url or "", auth, fetcher, outside, sources)
    return TokenKeeper(backend.name, source, fetcher, sources.chance(f"token:{backend.name}"), HINT)


def _client_grant(url: str, auth: OutwardSettings, fetcher: Fetcher, outside: Outside, sources: Sources) -> ClientGrant:
    from ..identity.outward.grants import ClientGrant, KeyProof, SecretProof
    from ..identity.outward.server_search import ServerSearch
    from ..identity.outward.signing import KeyFile

    async def read(path: Path) -> bytes:
        return await outside.run_blocking(path.read_bytes, abandon=True)

    client = auth.client_id or ""
    if auth.type == "client_credentials":
        proof: SecretProof | KeyProof = SecretProof(client, auth.client_secret.reveal() if auth.client_secret else "")
    else:
        proof = KeyProof(client, KeyFile(auth.key or "", read, sources.wall, sources.secret))
    search = ServerSearch(url, fetcher, auth.issuer, auth.token_endpoint, auth.resource)
    return ClientGrant(search, fetcher, proof, auth.scopes)

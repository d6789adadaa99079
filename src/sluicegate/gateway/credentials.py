"""From a backend's settings to what requests to it show, where that is more than a header that never changes."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..config.backends import BackendConfig
from ..config.model import Config
from ..identity.fetching import Fetcher
from ..outside import Outside
from ..protocol.credential import Credential
from ..settings.outward import OutwardSettings
from ..sources import Sources
from ..telling.loggers import get_logger

if TYPE_CHECKING:
    from ..identity.outward.grants import ClientGrant
    from ..identity.outward.identity_keys import IdentityKeys
    from ..identity.outward.stored_login import StoredLogin

__all__ = ["Credentials"]

log = get_logger("sluicegate.gateway")

_OTHERS = 0o007
HINT = "check the backend's auth, and whether the authorization server knows this client"


@attrs.define(eq=False, repr=False)
class Credentials:
    """Those of all backends of a gateway, and what they have in common. What they are made with is loaded with the first that needs it."""

    config: Config
    outside: Outside
    sources: Sources
    _keys: IdentityKeys | None = attrs.field(default=None, init=False)
    _read_before: set[Path] = attrs.field(factory=set, init=False)

    def of(self, backend: BackendConfig) -> Credential | None:
        """None where requests carry what stands in the configuration, and nothing else."""
        auth = backend.shows
        if auth is None or auth.type == "header":
            return None
        if auth.type == "identity":
            return self._own_tokens(backend, auth)
        from ..identity.outward.token_keeper import TokenKeeper

        fetcher, chance = Fetcher(self.outside.open_http), self.sources.chance(f"token:{backend.name}")
        if auth.type == "authorization_code":
            login = self._stored_login(backend, fetcher)
            return TokenKeeper(backend.name, login, fetcher, chance, f"run '{login.command}'")
        grant = self._client_grant(backend.url or "", auth, fetcher)
        own = TokenKeeper(backend.name, grant, fetcher, chance, HINT)
        if auth.type != "token_exchange":
            return own
        from ..identity.outward.exchanged_tokens import ExchangedTokens

        return ExchangedTokens(backend.name, own, grant.search, fetcher, grant.proof, auth.scopes)

    def published(self) -> bytes:
        """The keys by which backends know what we say of callers, as a document; empty where we say nothing."""
        return b"" if self._keys is None else self._keys.published()

    def _stored_login(self, backend: BackendConfig, fetcher: Fetcher) -> StoredLogin:
        from ..identity.outward.stored_login import StoredLogin
        from ..outside.login_file import LoginFile

        folder, source = self.config.logins, self.config.source
        store = None if folder is None else LoginFile.of(folder, backend.name, self.outside.run_blocking)
        command = shlex.join(["sluicegate", "login", backend.name, *(("-c", str(source)) if source is not None else ())])
        return StoredLogin(backend.url or "", command, store, fetcher, self.sources.wall)

    def _client_grant(self, url: str, auth: OutwardSettings, fetcher: Fetcher) -> ClientGrant:
        from ..identity.outward.grants import ClientGrant, KeyProof, SecretProof
        from ..identity.outward.server_search import ServerSearch
        from ..identity.outward.signing import KeyFile

        client = auth.client_id or ""
        if auth.key is None:
            proof: SecretProof | KeyProof = SecretProof(client, auth.client_secret.reveal() if auth.client_secret else "")
        else:
            proof = KeyProof(client, KeyFile(auth.key or "", self._read, self.sources.wall, self.sources.secret))
        search = ServerSearch(url, fetcher, auth.issuer, auth.token_endpoint, auth.resource)
        return ClientGrant(search, fetcher, proof, auth.scopes)

    def _own_tokens(self, backend: BackendConfig, auth: OutwardSettings) -> Credential:
        from ..identity.outward.identity_keys import IdentityKeys
        from ..identity.outward.own_tokens import OwnTokens
        from ..identity.outward.server_search import canonical

        self._keys = self._keys or IdentityKeys(self._own_key, self._read)
        proxy = self.config.proxy
        audience = auth.resource or canonical(backend.url or "")
        issuer = proxy.public_url or proxy.name
        return OwnTokens(backend.name, issuer, audience, self._keys, auth.key, self.sources.wall, self.sources.secret)

    async def _read(self, path: Path) -> bytes:
        """A key that the operator has put there; that his group can read it may be what he wants. It is read often, and told of once."""
        from ..outside.secret_file import read_secret

        mask = 0 if path in self._read_before else _OTHERS
        content = await self.outside.run_blocking(partial(read_secret, path, mask=mask), abandon=True)
        self._read_before.add(path)
        return content

    async def _own_key(self) -> bytes:
        """The one that is kept beside the configuration; one of this process where there is no such place, or nothing can be kept there."""
        from ..identity.outward.identity_keys import new_key
        from ..outside.secret_file import first_of

        file = self.config.identity_key
        if file is None:
            return new_key()
        try:
            return await self.outside.run_blocking(partial(first_of, file, new_key), abandon=True)
        except OSError as error:
            log.warning(
                "the key that tells backends who calls is kept nowhere, and is another one after a restart",
                file=str(file),
                error=str(error),
            )
            return new_key()

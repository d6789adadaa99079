"""Callers who show a certificate of an authority that the listener believes: they are who it is made out to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import attrs

from ..protocol.principal import Principal
from .identify import Refused, Sent

__all__ = ["CertifiedCallers"]

_ISSUER = "mtls"
"""In the place of a URL: which authorities there are is for the listener to know."""
_LONGEST = 1024
"""Characters of a name."""
_MOST_KEPT = 1024
"""Callers; of more, those who have not come for longest are read again."""
_NONE = Refused("Missing client certificate. Connect over TLS with one that an authority of this gateway has signed.")
_NAMELESS = Refused("The client certificate names nobody that is known here. It needs a subject alternative name.", status=403)


@attrs.frozen(eq=False, repr=False)
class CertifiedCallers:
    """Goes by the alternative names of the certificate's subject (RFC 5280, 4.2.1.6); its common name is nobody's (RFC 9525)."""

    kinds: Sequence[str]
    """Which names may be somebody's, the first choice first, as Python calls them: ``URI``, ``DNS``, ``email``."""
    otherwise: Principal | None = None
    """Who everybody else is; None refuses them."""
    roles_of: Callable[[Mapping[str, object]], frozenset[str]] = lambda _claims: frozenset()
    """The roles that claims stand for."""
    _by_names: Callable[[tuple[tuple[str, str], ...]], Principal | Refused] = attrs.field(init=False)
    """The same object for the same names, whatever the connection: by that it is seen at once that nothing of somebody has changed."""

    @_by_names.default
    def _kept(self) -> Callable[[tuple[tuple[str, str], ...]], Principal | Refused]:
        return lru_cache(_MOST_KEPT)(self._named)

    async def identify(self, request: Sent) -> Principal | Refused:
        """Who it is. The handshake has shown that the certificate is his, and that it holds now."""
        certificate = request.certificate
        if not certificate:
            return self.otherwise or _NONE
        return self._by_names(tuple(_names(certificate)))

    def _named(self, names: tuple[tuple[str, str], ...]) -> Principal | Refused:
        for kind in self.kinds:
            own = [value for of, value in names if of == kind]
            if own and 0 < len(own[0]) <= _LONGEST and own[0].isprintable():
                claims = MappingProxyType({"san": [f"{of}:{value}" for of, value in names], "name": own[0]})
                roles = self.roles_of(claims)
                return Principal(f"{kind}:{own[0]}", _ISSUER, roles=roles, how="mtls", claims=claims, name=own[0])
        return self.otherwise or _NAMELESS


def _names(certificate: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Kind and value of each."""
    found = certificate.get("subjectAltName")
    for entry in found if isinstance(found, tuple) else ():
        if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str) and isinstance(entry[1], str):
            yield entry

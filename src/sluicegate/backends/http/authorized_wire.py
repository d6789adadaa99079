"""Requests to a backend that wants to know who asks: each shows what is at hand, and one that was refused is sent once more with something newer."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from ...http1.client.dial_limit import Leaves
from ...http1.client.origin import Address
from ...http1.client.pool import HttpClient
from ...http1.client.response import ClientResponse
from ...protocol import faults
from ...protocol.credential import Challenge, Credential, challenge_of
from ...protocol.faults import Fault
from ...protocol.principal import NOBODY, Principal
from ...protocol.why import Why
from .wire import UNSHOWN, Wire

_BEARER = re.compile(rb"bearer[\s\"':=]{1,8}[\w.~+/-]{4,}=*", re.IGNORECASE)

__all__ = ["AuthorizedWire", "what_is_asked", "wire_with"]


def wire_with(
    credential: Credential | None,
    backend: str,
    address: Address,
    headers: bytes,
    client: HttpClient,
    limit: int,
    wall: Callable[[], float],
    owner: Principal,
) -> Wire:
    """Requests that show the credential, where there is one."""
    if credential is None:
        return Wire(backend, address, headers, client, limit, wall)
    return AuthorizedWire(backend, address, headers, client, limit, wall, credential=credential, owner=owner)


@attrs.frozen(eq=False, repr=False)
class AuthorizedWire(Wire):
    """The same with a credential. A server that answers 401, or 403 for scopes that are missing, has not begun with the request (P-140, P-141)."""

    credential: Credential = attrs.field(kw_only=True)
    owner: Principal = attrs.field(default=NOBODY, kw_only=True)
    """On whose behalf all goes that is about no call."""

    async def open(
        self,
        method: bytes,
        headers: bytes,
        body: bytes | None = None,
        *,
        principal: Principal = NOBODY,
        purpose: object = None,
        leaves: Leaves = None,
    ) -> ClientResponse | Fault:
        """Send one request, and once more where what it shows has been refused and there is something else."""
        credential, principal = self.credential, principal if principal.key else self.owner
        shown = credential.at_hand(principal)
        if shown is None:
            had = await credential.have(principal)
            if isinstance(had, Why):
                return self._without(had, principal)
            shown = had
        answer = await Wire.open(self, method, shown + headers, body, purpose=purpose, leaves=leaves)
        if isinstance(answer, Fault) or (challenge := what_is_asked(answer.status, answer.headers)) is None:
            return answer
        renewed: bytes | Why | None = None
        try:
            renewed = await credential.renewed(principal, shown, challenge)
        finally:
            if not isinstance(renewed, Why):  # cut or broken, too: then nobody else closes it
                answer.close()
        if isinstance(renewed, Why):
            return answer
        return await Wire.open(self, method, renewed + headers, body, purpose=purpose, leaves=leaves)

    def missing_in(self, answer: ClientResponse) -> Why | None:
        """It has been shown something, and that was not it."""
        if answer.status not in {401, 403}:
            return Wire.missing_in(self, answer)
        refused = "what it was shown is not taken"
        return Why(refused, f"{refused}; {self.credential.hint}")

    def status_fault(self, answer: ClientResponse, body: bytes) -> Fault:
        """What is to be done about a refusal is the credential's to say."""
        fault = Wire.status_fault(self, answer, _BEARER.sub(b"Bearer ***", body))  # pages of debuggers show what was sent
        return attrs.evolve(fault, hint=self.credential.hint) if answer.status in {401, 403} and self.credential.hint else fault

    def _without(self, why: Why, principal: Principal) -> Fault:
        fault = faults.unavailable(self.backend, why, self.credential.hint)
        return attrs.evolve(fault, reason=UNSHOWN) if self.credential.is_of_callers and principal.key else fault


def what_is_asked(status: int, headers: list[tuple[bytes, bytes]]) -> Challenge | None:
    """What another credential has to be, for it to be let in where this one was not; None where none would help."""
    if status not in {401, 403}:
        return None
    challenge = challenge_of(value for name, value in headers if name.lower() == b"www-authenticate")
    if status == 401:
        return challenge or Challenge()
    return challenge if challenge is not None and challenge.error == "insufficient_scope" else None

"""HTTP requests to one backend: where they go, what they carry, how much may come back. All failures are values."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import attrs
import trio

from ...channel.reading import in_pieces, is_quick
from ...http1.client.dial_limit import Leaves
from ...http1.client.failures import Broken, TooLarge, Unreachable
from ...http1.client.head import encode_headers
from ...http1.client.origin import Address
from ...http1.client.pool import HttpClient
from ...http1.client.response import ClientResponse
from ...http1.content_coding import Inflater, Undecodable
from ...protocol import faults
from ...protocol.errors import INTERNAL_ERROR
from ...protocol.faults import Cause, Fault
from ...protocol.headers import EVENT_STREAM, JSON
from ...protocol.messages import Raw
from ...protocol.principal import NOBODY, Principal
from ...protocol.why import Why
from .coding import CODING, inflater_for, read_inflated
from .refusal_reasons import hint_of, what_is_missing, what_it_means
from .retry_after import retry_after

__all__ = ["CODING", "Wire", "own_headers", "own_host"]

MOST_REDIRECTS = 3
ASTRAY = "redirected"
"""The reason of a fault for a redirect that was not followed: the backend is there, but sends us elsewhere."""
UNSHOWN = "no_credential"
"""The reason of a fault for one caller, for whom there is nothing to show the backend."""
SHOWN = 200
"""Characters of an error page that are shown."""

_REDIRECTS = frozenset({301, 302, 307, 308})
_TOO_MANY, _NO_ROOM = 429, 503
_MAY_PASS = frozenset({408, 425, 429})
"""Of the statuses that blame the request, those that may be gone the next time."""
_ABOUT_CALL = frozenset({400, 406, 411, 413, 414, 415, 422, 431})
"""What one caller's arguments can bring about, and must not count against the backend for all others."""
_NOT_THEIRS = frozenset({"accept", "accept-encoding", "content-length", "host"})
"""Headers that a configuration does not change; ``host`` goes another way."""

Take = Callable[[bytes], float | None]
"""Gets each piece of a body. None: go on. A number: enough, wait that many seconds for the end so that the connection can be kept."""


def own_headers(address: Address, headers: Mapping[str, str]) -> bytes:
    """What every request carries, credentials included; raises `ValueError` for headers that are no headers."""
    own = {"accept": f"{JSON}, {EVENT_STREAM}", "accept-encoding": "identity", "user-agent": "sluicegate"}
    if address.userinfo:
        own["authorization"] = address.basic
    given = {key.lower(): value for key, value in headers.items() if key.lower() not in _NOT_THEIRS}
    return encode_headers((own | given).items())


def own_host(headers: Mapping[str, str]) -> str:
    """What the configuration wants to stand in ``Host``, for servers that go by it; usually nothing."""
    return next((value.strip() for key, value in headers.items() if key.lower() == "host"), "")


@attrs.frozen(eq=False, repr=False)
class Wire:
    """Sends requests to one endpoint and to no other origin."""

    backend: str
    address: Address
    headers: bytes = attrs.field(repr=False)
    """Sent with every request, as lines."""
    client: HttpClient
    limit: int
    """The largest body, or event, in bytes."""
    wall: Callable[[], float] = time.time
    """Time of day, for a moment that an answer names without naming its own."""

    async def open(
        self,
        method: bytes,
        headers: bytes,
        body: bytes | None = None,
        *,
        principal: Principal = NOBODY,  # noqa: ARG002  for those that show more than the same to each
        purpose: object = None,
        leaves: Leaves = None,
    ) -> ClientResponse | Fault:
        """Send one request and wait for the head of the answer, whatever its status. The caller closes the answer.

        Args:
            method: in capital letters.
            headers: lines beyond those that every request carries.
            body: None where there is none.
            principal: on whose behalf; nobody's where it is the gateway's own.
            purpose: what the request can be cut by.
            leaves: called when its first byte is about to leave.
        """
        address = self.address
        for _ in range(MOST_REDIRECTS + 1):
            try:
                answer = await self.client.request(method, address.target, self.headers + headers, body, purpose=purpose, leaves=leaves)
            except Unreachable as error:
                return faults.unreachable(self.backend, f"cannot connect to {self.address.origin}: {error}")
            except Broken as error:
                return faults.lost(self.backend, str(error))
            if answer.status not in _REDIRECTS:
                return answer
            answer.close()
            found = self._follow(address, answer.header(b"location"))
            if isinstance(found, Fault):
                return found
            address = found
        return self._astray(Why(f"it redirected more than {MOST_REDIRECTS} times"))

    def _follow(self, address: Address, location: str) -> Address | Fault:
        """Where a redirect leads; credentials never leave the origin that was configured (CORE-66)."""
        try:
            found = address.join(location)
        except ValueError:
            return self._astray(Why("it redirected to something that is no URL"))
        if not location or found.origin != self.address.origin:
            hint = "if you trust that address, write it as the backend's url"
            what = "it redirected to another origin, which was not contacted"
            return self._astray(Why(what, f"it redirected to another origin, {found.origin}, which was not contacted"), hint)
        return found

    def _astray(self, why: Why, hint: str = "") -> Fault:
        return attrs.evolve(faults.unavailable(self.backend, why, hint), reason=ASTRAY)

    async def pump(self, answer: ClientResponse, take: Take) -> Fault | None:
        """Hand the body to ``take``, piece by piece. None if it ended or was enough, else why it broke."""
        enough = False
        try:
            inflater = inflater_for(answer.header(CODING))
            while chunk := await answer.receive():
                linger = take(chunk) if inflater is None and is_quick(chunk) else await _take_in_turns(chunk, inflater, take)
                if linger is not None and not enough:
                    enough = True
                    answer.hurry(linger)
            if inflater is not None and not enough:
                inflater.finish()
        except Broken as error:
            return None if enough else faults.lost(self.backend, str(error))
        except Undecodable as error:
            return None if enough else self.undecodable(error)
        return None

    async def read(self, answer: ClientResponse) -> bytes | Fault:
        """The whole body, or why there is none."""
        try:
            inflater = inflater_for(answer.header(CODING))
            return await (answer.read(self.limit) if inflater is None else read_inflated(answer, inflater, self.limit))
        except Broken as error:
            return faults.lost(self.backend, str(error))
        except TooLarge:
            return self.too_large()
        except Undecodable as error:
            return self.undecodable(error)

    def undecodable(self, error: Undecodable) -> Fault:
        """It is compressed, and that cannot be undone."""
        return faults.unreadable(self.backend, Why(str(error)))

    def read_now(self, answer: ClientResponse) -> bytes | Fault:
        """The same, of an answer that is complete."""
        try:
            return answer.read_now(self.limit)
        except TooLarge:
            return self.too_large()

    @staticmethod
    def is_refusal(fault: Fault) -> bool:
        """Whether no connection came about at all."""
        return not fault.started and fault.reason not in {ASTRAY, UNSHOWN}

    def too_large(self) -> Fault:
        """What came back is over the limit."""
        return faults.unreadable(self.backend, Why(f"it is larger than {self.limit} bytes"))

    def status_fault(self, answer: ClientResponse, body: bytes) -> Fault:
        """An answer that is no message: the status, and for the operator the beginning of its text."""
        status = answer.status
        shown = " ".join(body[: 4 * SHOWN].decode(errors="replace").split())[:SHOWN]
        missing = self.missing_in(answer)
        meant = what_it_means(status)
        why = Why(meant, "; it says: ".join(filter(None, (meant, shown)))) if missing is None else missing
        why = why.after(f"backend '{self.backend}' answered HTTP {status}")
        fault = Fault(
            Cause.TRANSPORT,
            INTERNAL_ERROR,
            why.public,
            "http_status",
            self.backend,
            hint_of(status),
            started=not 400 <= status < 500,
            details={"status": Raw(b"%d" % status)},
            for_operator=why.operator,
        )
        return self.judged(answer, fault)

    def missing_in(self, answer: ClientResponse) -> Why | None:
        """What would have to be there for a request to be taken; None if nothing says so."""
        return what_is_missing(answer)

    def judged(self, answer: ClientResponse, fault: Fault) -> Fault:
        """The same fault with what the status says about it, whatever words or code came with it.

        One that blames the request is the same the next time, and if a caller's arguments can bring it about, it speaks against nobody:
        servers on the TypeScript SDK say -32000 in all of them. 429 and 503 are about a call that was not begun, and may say after which
        time to come again. 429 is about how much we send: overload. 503 is the backend's own trouble, and a server error like any other
        (DEC-5).
        """
        status = answer.status
        if status not in {_TOO_MANY, _NO_ROOM}:
            lasts = 400 <= status < 500 and status not in _MAY_PASS
            if fault.raw is not None and (missing := self.missing_in(answer)) is not None:
                fault = attrs.evolve(fault, for_operator=f"{missing.operator}; it says: {fault.told}")
            return attrs.evolve(fault, lasting=True, is_about_call=status in _ABOUT_CALL) if lasts else fault
        cause = Cause.OVERLOAD if status == _TOO_MANY else Cause.TRANSPORT
        seconds = retry_after(answer.header(b"retry-after"), answer.header(b"date"), self.wall())
        return attrs.evolve(fault, cause=cause, started=False, retry_after=seconds)


async def _take_in_turns(chunk: bytes, inflater: Inflater | None, take: Take) -> float | None:
    """The same for each piece, while others get their turn in between; the first number of those that say enough."""
    enough = None
    for part in (chunk,) if inflater is None else inflater.feed(chunk):
        for piece in in_pieces(part):
            linger = take(piece)
            enough = linger if enough is None else enough
            await trio.lowlevel.checkpoint()
    return enough

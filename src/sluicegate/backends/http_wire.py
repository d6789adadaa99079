"""HTTP requests to one backend: where they go, what they carry, how much may come back. All failures are values.

Bodies are read to their end or until a scope cancels the reading, never left in the middle of an iteration: a half-read asynchronous
generator would be finalised at some later time by the garbage collector, together with the connection that it holds.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from urllib.parse import unquote

import attrs
import httpx2
import trio

from ..protocol import faults
from ..protocol.errors import INTERNAL_ERROR
from ..protocol.faults import Cause, Fault
from ..protocol.headers import EVENT_STREAM, JSON
from ..protocol.messages import Raw

__all__ = ["Wire", "wire_to"]

MOST_REDIRECTS = 3
CONNECT_SECONDS = 30.0
"""How long the transport may try to connect; everything else is bounded by the caller's scopes."""
ASTRAY = "redirected"
"""The reason of a fault for a redirect that was not followed: the backend is there, but sends us elsewhere."""
SHOWN = 200
"""Characters of an error page that are shown."""

_REDIRECTS = frozenset({301, 302, 307, 308})
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol, httpx2.ProxyError)
_NOT_STARTED = frozenset({429, 503})

Take = Callable[[bytes], float | None]
"""Gets each piece of a body. None: go on. A number: enough, wait that many seconds for the end so that the connection can be kept."""


def wire_to(name: str, url: str, headers: Mapping[str, str], transport: httpx2.AsyncBaseTransport, limit: int) -> Wire:
    """A wire to the endpoint; raises `httpx2.InvalidURL`, or `ValueError` for headers that are no headers."""
    target = httpx2.URL(url)
    if target.scheme not in {"http", "https"} or not target.host:
        raise httpx2.InvalidURL("it must begin with http:// or https:// and name a host")
    own = {"accept": f"{JSON}, {EVENT_STREAM}", "accept-encoding": "identity", "user-agent": "sluicegate"}
    if target.userinfo and not any(key.lower() == "authorization" for key in headers):
        own["authorization"] = "Basic " + base64.b64encode(unquote(target.userinfo.decode()).encode()).decode()
    kept = {key.lower(): value for key, value in headers.items() if key.lower() not in {"accept", "accept-encoding", "content-length"}}
    for key, value in kept.items():
        if not key.isascii() or any(char in value for char in "\r\n\0"):
            raise ValueError(f"header {key!r} cannot be sent: its name must be ASCII and its value one line")
    return Wire(name, target.copy_with(userinfo=b"", fragment=None), own | kept, transport, limit)


@attrs.frozen(eq=False)
class Wire:
    """Sends requests to one endpoint and to no other origin."""

    backend: str
    url: httpx2.URL
    headers: dict[str, str] = attrs.field(repr=False)
    """Sent with every request, credentials included."""
    transport: httpx2.AsyncBaseTransport
    limit: int
    """The largest body, or event, in bytes."""

    async def open(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> httpx2.Response | Fault:
        """Send one request and wait for the head of the answer, whatever its status. The caller closes the answer."""
        url = self.url
        for _ in range(MOST_REDIRECTS + 1):
            request = httpx2.Request(method, url, headers={**self.headers, **headers}, content=body, extensions={"timeout": _TIMEOUTS})
            try:
                answer = await self.transport.handle_async_request(request)
            except httpx2.TransportError as error:
                return self._failed(error)
            if answer.status_code not in _REDIRECTS:
                return answer
            await answer.aclose()
            found = self._follow(url, answer.headers.get("location", ""))
            if isinstance(found, Fault):
                return found
            url = found
        return self._astray(f"it redirected more than {MOST_REDIRECTS} times")

    def _follow(self, url: httpx2.URL, location: str) -> httpx2.URL | Fault:
        """Where a redirect leads; credentials never leave the origin that was configured (CORE-66)."""
        try:
            found = url.join(location).copy_with(fragment=None, userinfo=b"")
        except httpx2.InvalidURL:
            return self._astray("it redirected to something that is no URL")
        if not location or _origin(found) != _origin(self.url):
            where = "://".join(str(part) for part in _origin(found)[:2])
            hint = "if you trust that address, write it as the backend's url"
            return self._astray(f"it redirected to another origin, {where}, which was not contacted", hint)
        return found

    def _astray(self, why: str, hint: str = "") -> Fault:
        return attrs.evolve(faults.unavailable(self.backend, why, hint), reason=ASTRAY)

    async def pump(self, answer: httpx2.Response, take: Take) -> Fault | None:
        """Hand the body to ``take``, piece by piece. None if it ended or was enough, else why it broke."""
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        with trio.CancelScope() as reading:
            try:
                async for chunk in answer.stream:
                    linger = take(chunk)
                    if linger is not None:
                        reading.deadline = min(reading.deadline, trio.current_time() + linger)
            except httpx2.TransportError as error:
                return self._failed(error)
        return None

    async def read(self, answer: httpx2.Response) -> bytes | Fault:
        """The whole body, or why there is none."""
        parts: list[bytes] = []
        room = self.limit

        def take(chunk: bytes) -> float | None:
            nonlocal room
            room -= len(chunk)
            if room < 0:
                parts.clear()
                return 0.0
            parts.append(chunk)
            return None

        broken = await self.pump(answer, take)
        return broken or (self.too_large() if room < 0 else b"".join(parts))

    @staticmethod
    def is_refusal(fault: Fault) -> bool:
        """Whether no connection came about at all."""
        return not fault.started and fault.reason != ASTRAY

    def too_large(self) -> Fault:
        """What came back is over the limit."""
        return faults.unreadable(self.backend, f"it is larger than {self.limit} bytes")

    def _failed(self, error: httpx2.TransportError) -> Fault:
        what = str(error) or type(error).__name__
        if isinstance(error, _UNSENT):
            host, port = self.url.host, self.url.port
            return faults.unavailable(self.backend, f"cannot connect to {self.url.scheme}://{host}{f':{port}' if port else ''}: {what}")
        return faults.lost(self.backend, what)

    def status_fault(self, status: int, body: bytes) -> Fault:
        """An answer that is no message: the status and the beginning of its text."""
        shown = " ".join(body[: 4 * SHOWN].decode(errors="replace").split())[:SHOWN]
        hint = "check the backend's headers and bearer_token" if status in {401, 403} else ""
        return Fault(
            Cause.TRANSPORT,
            INTERNAL_ERROR,
            f"backend '{self.backend}' answered HTTP {status}" + (f": {shown}" if shown else ""),
            "http_status",
            self.backend,
            hint,
            started=not (400 <= status < 500 or status in _NOT_STARTED),
            details={"status": Raw(b"%d" % status)},
        )


_TIMEOUTS = {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": None}
_PORTS = {"http": 80, "https": 443}


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)

"""Asking an identity provider over HTTP: one JSON object, within bounds of bytes and time, from the very address that was named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

if TYPE_CHECKING:
    import httpx2

__all__ = ["Fetched", "Fetcher", "Unfetched"]

LARGEST = 512 * 1024
"""Bytes of an answer: a set of a hundred keys with their certificates is a fifth of it."""
SECONDS = 10.0
GOODBYE_SECONDS = 1.0
_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})\b", re.IGNORECASE)
_LONGEST_REFUSAL = 16 * 1024
_CODE = re.compile(r"[a-z_]{1,40}")
_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}
"""No packed bodies, whose size is known only when they are unpacked."""


class Fetched(msgspec.Struct, frozen=True):
    """What an address gave."""

    members: Mapping[str, object]
    max_age: float | None = None
    """Seconds for which it may be kept, where the answer says so."""


class Unfetched(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    why: str
    """For the operator; nothing of the answer's body stands in it."""
    status: int | None = None
    """Of HTTP, where there was an answer at all."""
    code: str = ""
    """The error's name, where a form was refused with one (RFC 6749, 5.2)."""
    challenges: tuple[bytes, ...] = ()
    """The values of ``WWW-Authenticate``."""
    is_too_large: bool = False
    """Whether there was a good answer, of more bytes than are taken."""


@attrs.define(eq=False, repr=False)
class Fetcher:
    """Holds the connections to a provider. Redirects are not followed: a provider that has moved is to be named anew, by who trusts it."""

    open_http: Callable[[], httpx2.AsyncBaseTransport]
    seconds: float = SECONDS
    """For one question, with all that belongs to it."""
    largest: int = LARGEST
    """Bytes of an answer."""
    _client: httpx2.AsyncClient | None = attrs.field(default=None, init=False)

    async def get(self, url: str) -> Fetched | Unfetched:
        """What stands at an address."""
        return await self._ask("GET", url)

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Fetched | Unfetched:
        """What is answered to a form."""
        return await self._ask("POST", url, form, headers or {})

    async def keep(self) -> None:
        """Close what is open when this is cancelled. Whoever asks does so within the life of this."""
        try:
            await trio.sleep_forever()
        finally:
            if self._client is not None:
                with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                    await self._client.aclose()

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Fetched | Unfetched:
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(transport=self.open_http(), timeout=None, follow_redirects=False)
        with trio.move_on_after(self.seconds) as scope:
            try:
                async with self._client.stream(method, url, data=form, headers=_HEADERS | dict(headers or {})) as response:
                    return await _read(response, self.largest)
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                return Unfetched(f"{type(error).__name__}: {str(error)[:200]}")
        assert scope.cancelled_caught
        return Unfetched(f"no answer within {self.seconds:g} seconds")


async def _read(response: httpx2.Response, largest: int) -> Fetched | Unfetched:
    if response.status_code != 200:
        code = await _code_of(response) if response.status_code in {400, 401} else ""
        challenges = tuple(value for name, value in response.headers.raw if name.lower() == b"www-authenticate")
        return Unfetched(f"HTTP {response.status_code}" + (f", {code}" if code else ""), response.status_code, code, challenges)
    if response.headers.get("content-encoding", "identity") != "identity":
        return Unfetched("the answer is packed, though it was asked for plain", response.status_code)
    parts = bytearray()
    async with aclosing(response.aiter_raw()) as pieces:
        async for piece in pieces:
            parts += piece
            if len(parts) > largest:
                return Unfetched(f"the answer has more than {largest} bytes", response.status_code, is_too_large=True)
    try:
        found = msgspec.json.decode(bytes(parts))
    except (msgspec.DecodeError, RecursionError):
        return Unfetched("the answer is no JSON", response.status_code)
    if not isinstance(found, dict):
        return Unfetched("the answer is no JSON object", response.status_code)
    age = _MAX_AGE.search(response.headers.get("cache-control", ""))
    return Fetched(found, float(age[1]) if age else None)


async def _code_of(response: httpx2.Response) -> str:
    """The name of the error, if the refusal has one; other words of it may hold what was sent."""
    parts = bytearray()
    async with aclosing(response.aiter_raw()) as pieces:
        async for piece in pieces:
            parts += piece
            if len(parts) > _LONGEST_REFUSAL:
                return ""
    try:
        found = msgspec.json.decode(bytes(parts))
    except (msgspec.DecodeError, RecursionError):
        return ""
    code = found.get("error") if isinstance(found, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""

"""Where a browser comes back to after a login: a page on this machine, for one visit (RFC 8252, 7.3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from hmac import compare_digest
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio

from .listening import Listen

__all__ = ["Loopback", "answer_in", "open_loopback"]

HOST, PATH = "127.0.0.1", "/callback"
LARGEST = 16 * 1024
SECONDS = 10.0
"""For one request to come."""
MOST_AT_ONCE = 8

_DONE = b"<!doctype html><title>Sluicegate</title><p>You are logged in, or were refused; the terminal says which. You can close this page."
_OTHER = b"<!doctype html><title>Sluicegate</title><p>This answers no question that the login in the terminal has asked. You can close this page."


@attrs.define(eq=False, repr=False)
class Loopback:
    """Waits for the one visit that brings the answer."""

    port: int
    _came: trio.Event = attrs.field(factory=trio.Event, init=False)
    _answer: Mapping[str, str] = attrs.field(factory=dict, init=False)
    _state: str = attrs.field(default="", init=False)

    @property
    def url(self) -> str:
        """Where the browser is sent to."""
        return f"http://{HOST}:{self.port}{PATH}"

    def expect(self, state: str) -> None:
        """What our question says of itself has to come back with the answer (RFC 6749, 10.12): any page may send a browser here."""
        self._state = state

    def take(self, answer: Mapping[str, str]) -> bool:
        """It has come, on whichever way; the first one counts. Whether it answers our question."""
        if not self._state or not compare_digest(answer.get("state", "").encode(), self._state.encode()):
            return False
        if not self._came.is_set():
            self._answer = answer
            self._came.set()
        return True

    async def wait(self) -> Mapping[str, str]:
        """The answer's parameters."""
        await self._came.wait()
        return self._answer

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer one request; what is no answer to a login is not found."""
        try:
            with trio.move_on_after(SECONDS):
                head = b""
                while b"\r\n\r\n" not in head and len(head) < LARGEST:
                    piece = bytes(await stream.receive_some(4096))
                    if not piece:
                        return
                    head += piece
                target = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
                answer = answer_in(target[1]) if len(target) == 3 and target[0] == "GET" else None
                is_ours = answer is not None and self.take(answer)
                status, body = (b"200 OK", _DONE) if is_ours else (b"404 Not Found", b"" if answer is None else _OTHER)
                kind = b"Content-Type: text/html; charset=utf-8\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
                await stream.send_all(
                    b"HTTP/1.1 %b\r\n%bConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)
                )
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


def answer_in(target: str) -> Mapping[str, str] | None:
    """The parameters in an address that a browser was sent to; None where it is not ours."""
    try:
        parts = urlsplit(target.strip())
        found = dict(parse_qsl(parts.query, max_num_fields=32))
    except ValueError:
        return None
    return found if parts.path == PATH and found.keys() & {"code", "error"} else None


@asynccontextmanager
async def open_loopback(listen: Listen, port: int) -> AsyncGenerator[Loopback, None]:
    """Listen for the length of a block, on this machine alone; raises `OSError`."""
    (listener, *_) = await listen(HOST, port)
    bound = listener.socket.getsockname()[1] if isinstance(listener, trio.SocketListener) else port
    loopback, limit = Loopback(bound), trio.CapacityLimiter(MOST_AT_ONCE)

    async def one(stream: trio.abc.Stream) -> None:
        async with limit:
            await loopback.serve(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, one, [listener])
        yield loopback
        nursery.cancel_scope.cancel()

"""A response: its head, and its body piece by piece as it comes."""

from __future__ import annotations

import attrs

from ..message_parser import append_piece
from .connection import ClientConnection
from .failures import Broken, TooLarge

__all__ = ["ClientResponse", "begin_response"]


@attrs.define(eq=False, repr=False)
class ClientResponse:
    """What came back. As soon as it is complete its connection is used again; whoever wants no more of it closes it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case, in the order in which they came."""
    _connection: ClientConnection | None
    """Set while there is more to come."""
    _pieces: list[bytes] = attrs.field(init=False)
    """What has come of its body, and was not taken yet."""
    _failure: str = ""
    _first: dict[bytes, bytes] | None = None
    """The first header of each name, once somebody has asked for one."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def complete(self) -> bool:
        """Whether all of it has come, so that nothing waits any more."""
        return self._connection is None and not self._failure

    @property
    def is_framed(self) -> bool:
        """Whether it says itself where it ends; else it does when the server closes the connection."""
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def header(self, name: bytes) -> str:
        """The first header of this name (in lower case); empty if there is none."""
        if self._first is None:
            self._first = dict(reversed(self.headers))
        return self._first.get(name, b"").decode("latin-1")

    async def receive(self) -> bytes:
        """More of the body, empty at its end; raises `Broken`. What came before the break is handed out first.

        What has come already is returned without a checkpoint. It may be called again after it was cancelled.
        """
        while not self._pieces and self._connection is not None:
            self.absorb(self._connection, await self._connection.receive())
        if self._pieces:
            return self._take()
        if self._failure:
            raise Broken(self._failure)
        return b""

    async def read(self, limit: int) -> bytes:
        """The whole body; raises `Broken`, and `TooLarge` as soon as more than ``limit`` bytes have come."""
        parts: list[bytes] = []
        while part := await self.receive():
            limit -= len(part)
            if limit < 0:
                return self._refuse()
            append_piece(parts, part)
        return b"".join(parts)

    def read_now(self, limit: int) -> bytes:
        """The same, of a response that is complete."""
        data = self._take()
        return data if len(data) <= limit else self._refuse()

    def _take(self) -> bytes:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return data

    def _refuse(self) -> bytes:
        self.close()
        raise TooLarge

    def hurry(self, seconds: float) -> None:
        """Let what is left come within that time; else it is broken."""
        if self._connection is not None:
            self._connection.hurry(seconds)

    def close(self) -> None:
        """Want no more of it. Never blocks; a response that is not complete costs its connection."""
        if self._connection is not None:
            self._connection.end("the response was closed")
            self._connection, self._failure = None, "the response was closed"

    def absorb(self, connection: ClientConnection, failure: str) -> None:
        """Take over what the parser has found; nothing is left from before."""
        parser = connection.parser
        self._pieces, parser.body = parser.body, []
        if failure:
            self._connection, self._failure = None, failure
            connection.end(failure)
        elif parser.complete:
            self._connection = None
            connection.home.take_back(connection)


def begin_response(connection: ClientConnection, failure: str) -> ClientResponse:
    """The response whose head has come; raises `Broken` if none has."""
    parser = connection.parser
    if not parser.status:
        raise Broken(failure)
    response = ClientResponse(parser.status, parser.headers, connection)
    response.absorb(connection, failure)
    return response

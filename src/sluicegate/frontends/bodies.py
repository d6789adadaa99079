"""Bodies of POSTs: what is taken, and that large ones take turns."""

from __future__ import annotations

import attrs

from ..http1.fair_turns import FairTurns
from ..protocol.errors import INVALID_REQUEST
from ..protocol.members import SMALL
from .endpoint import Endpoint
from .media_types import accepted, is_json
from .request import BodyCrowded, BodyTooLarge, ClientGone, Headers, HttpRequest

__all__ = ["Bodies"]


@attrs.frozen(eq=False, repr=False)
class Bodies:
    """Reads them."""

    endpoint: Endpoint
    turns: FairTurns

    async def read(self, http: HttpRequest) -> bytes | None:
        """The body, in its turn; None if the request was answered already."""
        if True not in accepted(http.headers.accept):
            await self._refuse(http, 406, INVALID_REQUEST, "Not Acceptable: accept application/json and text/event-stream")
            return None
        if not is_json(http.headers.content_type):
            await self._refuse(http, 415, INVALID_REQUEST, "Unsupported Media Type: send application/json in UTF-8")
            return None
        if http.headers.content_encoding.lower() not in ("", "identity"):
            await self._refuse(http, 415, INVALID_REQUEST, "Unsupported Media Type: send the body without a content encoding")
            return None
        limit = self.endpoint.limits.max_body_size
        try:
            body = await http.read_body(limit, self.turns)
        except BodyTooLarge:
            message = f"Request body exceeds the maximum size of {limit} bytes"
            await self._refuse(http, 413, INVALID_REQUEST, message, headers=[(b"connection", b"close")])
        except BodyCrowded as crowded:
            await self._refuse(http, 400, crowded.why.code, crowded.why.message, id=crowded.why.id)
        except ClientGone:
            pass
        else:
            if len(body) > SMALL and not self.turns.enter():  # 60 KiB may take half a millisecond to read, and many may come at once
                await self.turns.wait()
            return body
        return None

    async def _refuse(self, http: HttpRequest, status: int, code: int, message: str, *, id: bytes = b"null", headers: Headers = ()) -> None:
        await self.endpoint.door.opens()
        self.endpoint.door.refuse(status, message, http)
        await http.refuse(status, code, message, id=id, headers=headers)

"""Streamable HTTP: what POST, GET and DELETE on the endpoint mean."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..protocol.batches import is_batch, read_batch
from ..protocol.calls import OURSELVES, Caller
from ..protocol.eras import BATCHES, LEGACY, MODERN, OPENS, SPOKEN
from ..protocol.errors import HEADER_MISMATCH, INVALID_REQUEST, OVERLOADED, SESSION_NOT_FOUND, SESSION_REQUIRED
from ..protocol.faults import Fault
from ..protocol.messages import Malformed, Message, Notification, Request, Response, decode
from ..protocol.principal import Principal
from .answer import PostAnswer
from .bodies import Bodies
from .endpoint import Endpoint, read_opening
from .large_lines import NO_ROOM
from .media_types import accepted
from .mirrored_headers import contradiction
from .modern.sessionless import Sessionless
from .news_stream import listen
from .owners import NoPlace
from .paths import Answer
from .request import Headers, HttpRequest, version_header
from .resuming import Resuming
from .session_table import LARGE, SessionTable
from .sessions import Session
from .stream import read_event_id

__all__ = ["StreamableHttp"]


@attrs.define(eq=False, repr=False)
class StreamableHttp:
    """One MCP endpoint over HTTP."""

    endpoint: Endpoint
    table: SessionTable
    bodies: Bodies
    resuming: Resuming
    alone: Sessionless = attrs.field(
        default=attrs.Factory(lambda self: Sessionless(self.endpoint, self.table), takes_self=True), init=False
    )
    draining: bool = attrs.field(default=False, init=False)
    """No new requests are taken. All else is: who cancels a call shortens the drain, and who answers a question, too."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What is answered, by method."""
        return {"GET": self._get, "POST": self._post, "DELETE": self._delete}

    async def _post(self, http: HttpRequest, principal: Principal) -> None:
        body = await self.bodies.read(http)
        if body is None:
            return
        may_be_json, may_stream = accepted(http.headers.accept)
        if (self.draining or self.endpoint.door.is_shut) and not isinstance(decode(body), Notification | Response):
            await self.endpoint.door.opens()
            if self.draining:
                await self.refuse_new(http)
                return
        if body[:1] != b"{" and is_batch(body):
            await self._post_batch(http, principal, body, may_be_json=may_be_json, may_stream=may_stream)
            return
        message, size = decode(body), len(body)
        step_up = self.endpoint.step_up
        if step_up is not None and isinstance(message, Request) and (why := step_up(http, principal, message)) is not None:
            self.endpoint.door.refuse(why.status, why.message, http, message)
            await http.refuse(why.status, why.code, why.message, id=message.id, headers=why.headers)
            return
        if isinstance(message, Malformed):
            await self._refuse(http, 400, message.code, message.message, id=message.id)
        elif http.stands_alone(message):
            await self.alone.post(http, principal, message, size, may_be_json=may_be_json, may_stream=may_stream)
        elif isinstance(message, Request) and message.method in OPENS:
            await self._open(http, principal, message, size, may_be_json=may_be_json)
        else:
            await self._post_one(http, principal, message, size, may_be_json=may_be_json, may_stream=may_stream)

    async def _post_one(
        self, http: HttpRequest, principal: Principal, message: Message, size: int, *, may_be_json: bool, may_stream: bool
    ) -> None:
        own = message.id if isinstance(message, Request) else b"null"
        session = await self._session(http, principal, id=own)
        if session is None or (http.headers.repeats_body and await self._is_contradicted(http, message, session.caller, own)):
            return
        if isinstance(message, Request):
            answer = PostAnswer(session, principal, self.table, self.endpoint, may_be_json, may_stream)
            if size < LARGE or await self._hold(http, answer, size, message.id):
                await answer.run(http, [message])
        else:
            await self._accept(http, session, principal, [message])

    async def _hold(self, http: HttpRequest, answer: PostAnswer, size: int, id: bytes = b"null") -> bool:
        """Keep a large request until it has its answer, which begins at once; or refuse it, for want of room."""
        if self.table.may_hold(answer.session.owner, size):
            answer.held = size
            return True
        answer.session.touch()
        await self._refuse(http, 503, OVERLOADED, NO_ROOM, id=id, headers=[(b"retry-after", b"1")])
        return False

    async def _open(self, http: HttpRequest, principal: Principal, request: Request, size: int, *, may_be_json: bool) -> None:
        """``initialize`` always opens a session of its own (HTTP-7)."""
        opening = read_opening(request.params)
        if isinstance(opening, Fault):
            await self._refuse(http, 400, opening.code, opening.message, id=request.id)
            return
        if http.headers.repeats_body and await self._is_contradicted(http, request, OURSELVES, request.id):
            return
        await self.resuming.begin()
        session = self.table.open(opening, principal, http.network)
        if isinstance(session, NoPlace):
            await self._turn_away(http, session, request.id)
            return
        self.endpoint.opened(opening)
        extra = ((b"mcp-session-id", session.id.encode()),)
        answer = PostAnswer(session, principal, self.table, self.endpoint, may_be_json, not may_be_json, extra=extra)
        is_held = size < LARGE or await self._hold(http, answer, size, request.id)
        if is_held:
            await answer.run(http, [request])
        if not (is_held and session.opened):  # else whoever exceeds the rate limit would fill the table
            await self.resuming.end(session, told=answer.log is not None)

    async def _turn_away(self, http: HttpRequest, why: NoPlace, id: bytes) -> None:
        await self._refuse(http, why.status, INVALID_REQUEST, why.message, id=id, headers=[(b"retry-after", b"30")])

    async def _post_batch(self, http: HttpRequest, principal: Principal, body: bytes, *, may_be_json: bool, may_stream: bool) -> None:
        session = await self._session(http, principal)
        if session is None or (http.headers.repeats_body and await self._is_contradicted(http, None, session.caller)):
            return
        session.touch()
        if session.version not in BATCHES:
            why = f"batches exist only in revision 2025-03-26; this session speaks {session.version}"
            await self._refuse(http, 400, INVALID_REQUEST, why)
            return
        messages = read_batch(body)
        if isinstance(messages, Malformed):
            await self._refuse(http, 400, messages.code, messages.message)
            return
        if any(isinstance(message, Request | Malformed) for message in messages):
            answer = PostAnswer(session, principal, self.table, self.endpoint, may_be_json, may_stream, is_batch=True)
            if len(body) < LARGE or await self._hold(http, answer, len(body)):
                await answer.run(http, messages)
        else:
            await self._accept(http, session, principal, messages)

    async def _accept(self, http: HttpRequest, session: Session, principal: Principal, messages: list[Message]) -> None:
        """Take what needs no answer (P-23)."""
        session.touch()
        way = PostAnswer(session, principal, self.table, self.endpoint, may_be_json=True, may_stream=False)
        for message in messages:
            session.receive(message, way)
        await http.respond(202, headers=version_header(session.version))

    async def _get(self, http: HttpRequest, principal: Principal) -> None:
        if http.headers.protocol_version in MODERN or self.draining:
            await (self.refuse_new(http) if self.draining else self.alone.refuse_verb(http))
            return
        accept = http.headers.accept
        if accept is None or not accepted(accept)[1]:
            await self._refuse(http, 406, INVALID_REQUEST, "Not Acceptable: accept text/event-stream")
            return
        session = await self._session(http, principal)
        if session is None:
            return
        session.touch()
        if len(session.streams) >= self.endpoint.limits.max_streams_per_session:
            await self._refuse(http, 429, INVALID_REQUEST, f"this session has {len(session.streams)} open streams; close one")
            return
        if not self.table.may_stream(session.owner):
            await self._refuse(http, 429, INVALID_REQUEST, f"you have {session.owner.streams} open streams; close one")
            return
        resumed = http.headers.last_event_id
        if not resumed:
            await listen(http, session, self.table, self.endpoint.waits, None)
            return
        place = read_event_id(resumed)
        if place is not None and place[0] == 0:
            await listen(http, session, self.table, self.endpoint.waits, place[1])
        elif place is not None and (answer := session.answers.get(place[0])) and principal.may_go_on_for(answer.principal):
            await answer.resume(http, place[1])
        else:
            await self._refuse(http, 400, INVALID_REQUEST, f"nothing is kept after event {resumed!r}")

    async def _delete(self, http: HttpRequest, principal: Principal) -> None:
        if http.headers.protocol_version in MODERN:
            await self.alone.refuse_verb(http)
        elif (session_id := await self._named(http)) is not None:
            ended = await self.resuming.end_named(session_id, principal)
            if isinstance(ended, str):
                await http.respond(200, headers=version_header(ended))
            else:
                await self._refuse_session(http, ended)

    async def refuse_new(self, http: HttpRequest) -> None:
        """Refuse a request because the gateway drains."""
        await self._refuse(
            http, 503, INVALID_REQUEST, "the gateway is going down", headers=[(b"connection", b"close"), (b"retry-after", b"1")]
        )

    async def _is_contradicted(self, http: HttpRequest, message: Message | None, caller: Caller, id: bytes = b"null") -> bool:
        """Whether headers say something else than the body, by what is there for its sender; then the request is refused."""
        wrong = contradiction(http.headers, message, self.endpoint.directory.seen_by(caller))
        if wrong is not None:
            what_to_do = "send what the body says, or leave the header out"
            await self._refuse(http, 400, HEADER_MISMATCH, f"Header mismatch: {wrong}; {what_to_do}", id=id)
        return wrong is not None

    async def _session(self, http: HttpRequest, principal: Principal, *, id: bytes = b"null") -> Session | None:
        """The session that the request names; None if it was refused and answered."""
        session_id = await self._named(http, id)
        if session_id is None:
            return None
        session = self.table.find(session_id, principal) or await self.resuming.take_in(session_id, principal, http.network)
        if isinstance(session, Session):
            return session
        await self._refuse_session(http, session, id)
        return None

    async def _named(self, http: HttpRequest, id: bytes = b"null") -> str | None:
        """The id of the session that the request names; None if it was refused and answered."""
        version = http.headers.protocol_version
        if version is not None and version not in LEGACY:
            why = f"Unsupported protocol version: {version!r}; send one of {', '.join(SPOKEN)}"
            await self._refuse(http, 400, INVALID_REQUEST, why, id=id, data={"supported": SPOKEN, "requested": version})
            return None
        session_id = http.headers.session_id
        if session_id is None:
            await self._refuse(http, 400, SESSION_REQUIRED, "Session required: send initialize first, then its Mcp-Session-Id", id=id)
        return session_id

    async def _refuse_session(self, http: HttpRequest, why: NoPlace | None, id: bytes = b"null") -> None:
        """There is no such session, or none can be had now."""
        if why is None:
            await self._refuse(http, 404, SESSION_NOT_FOUND, "Session not found or expired: send initialize again", id=id)
        else:
            await self._turn_away(http, why, id)

    async def _refuse(
        self, http: HttpRequest, status: int, code: int, message: str, *, id: bytes = b"null", data: object = None, headers: Headers = ()
    ) -> None:
        await self.endpoint.door.opens()
        self.endpoint.door.refuse(status, message, http)
        await http.refuse(status, code, message, id=id, data=data, headers=headers)

"""Requests of 2026-07-28 over HTTP: taken one by one, judged by what each says of itself (P-1 … P-6, P-40 … P-46)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Call, Caller
from ...protocol.eras import MODERN
from ...protocol.errors import HEADER_MISMATCH, INVALID_REQUEST, OVERLOADED
from ...protocol.faults import Fault
from ...protocol.introduction import VERSION, Introduction, read_introduction, unsupported
from ...protocol.messages import Message, Notification, Request, encode_error
from ...protocol.principal import Principal
from ...protocol.request_headers import RequestHeaders
from ..endpoint import Endpoint
from ..large_lines import NO_ROOM
from ..listeners import Listener
from ..mirrored_headers import contradiction
from ..owners import Owner
from ..request import Headers, HttpRequest
from ..session_table import LARGE, SessionTable
from ..subscribed import Subscribed
from .inputs import STATE
from .lone_answer import LoneAnswer
from .lone_calls import LoneCalls
from .parking import Comeback
from .stamp import status_of
from .subscriptions import LISTEN, counted, honoured, serve, subscribe

__all__ = ["Sessionless"]


@attrs.define(eq=False, repr=False)
class Sessionless:
    """Answers them."""

    endpoint: Endpoint
    table: SessionTable
    """Of the sessions of all others, with whom these share what there is."""
    calls: LoneCalls = attrs.field(default=attrs.Factory(lambda self: LoneCalls(self.endpoint), takes_self=True), init=False)

    async def refuse_verb(self, http: HttpRequest) -> None:
        """There is nothing to GET or to DELETE (P-40)."""
        message = f"{http.method} means nothing in revision {http.headers.protocol_version}; use POST"
        await self._refuse(http, 405, INVALID_REQUEST, message, headers=[(b"allow", b"POST, OPTIONS")])

    async def post(
        self, http: HttpRequest, principal: Principal, message: Message, size: int, *, may_be_json: bool, may_stream: bool
    ) -> None:
        """Answer one message of so many bytes."""
        if isinstance(message, Notification):  # there is none that would mean anything here
            await http.respond(202)
        elif not isinstance(message, Request):
            await self._refuse(http, 400, INVALID_REQUEST, "this revision has no questions to clients, so send no answers")
        elif isinstance(introduction := self._judged(http.headers, message, principal), Fault):
            await self._fail(http, message, introduction)
        elif message.method == LISTEN:
            await self._listen(http, principal, message, introduction, size, may_stream=may_stream)
        else:
            if STATE in message.params:
                await self.endpoint.states.look_at(message.params)
            answer = LoneAnswer(self.calls, introduction, may_be_json, may_stream)
            call = self.calls.read(message, introduction, principal, http.network)
            if isinstance(call, Fault):
                await self._fail(http, message, call)
            elif size < LARGE:
                await answer.run(http, message, call)
            else:
                await self._run_large(http, message, call, answer, self.table.owners.of(principal.key, http.network), size)

    def _judged(self, headers: RequestHeaders, request: Request, principal: Principal) -> Introduction | Fault:
        """What a request says of itself, if all of it is right."""
        if headers.protocol_version is None:
            return _mismatch("MCP-Protocol-Version is missing")
        introduction = read_introduction(request.params)
        if isinstance(introduction, Fault):
            return introduction
        if b"mcp-protocol-version" in headers.several or headers.protocol_version != introduction.version:
            return _mismatch(f'MCP-Protocol-Version is not "{VERSION}" of the body')
        if introduction.version not in MODERN:
            return unsupported(introduction.version)
        wrong = contradiction(headers, request, self.endpoint.directory.open_to(principal), required=True)
        return introduction if wrong is None else _mismatch(wrong)

    async def _run_large(
        self, http: HttpRequest, request: Request, call: Call | Comeback, answer: LoneAnswer, owner: Owner, size: int
    ) -> None:
        """A request that takes room until it has its answer; its owner's share is what sessions share, too."""
        if not self.table.may_hold(owner, size):
            await self._refuse(http, 503, OVERLOADED, NO_ROOM, id=request.id, headers=[(b"retry-after", b"1")])
            return
        self.table.owners.add(owner, answer)
        await answer.run(http, request, call, partial(self._let_go, owner, answer, size))

    def _let_go(self, owner: Owner, answer: LoneAnswer, size: int) -> None:
        self.table.let_go(owner, size)
        self.table.owners.remove(owner, answer)

    async def _listen(
        self, http: HttpRequest, principal: Principal, request: Request, introduction: Introduction, size: int, *, may_stream: bool
    ) -> None:
        """A stream, which counts from its beginning, and ends with a drain that begins before it can be told anything."""
        owner = self.table.owners.of(principal.key, http.network)
        held = size if size >= LARGE else 0  # for as long as it is open
        if not may_stream:
            await self._refuse(http, 406, INVALID_REQUEST, "Not Acceptable: accept text/event-stream", id=request.id)
        elif not self.table.may_stream(owner):
            await self._refuse(http, 429, INVALID_REQUEST, f"you have {owner.streams} open streams; close one", id=request.id)
        elif held and not self.table.may_hold(owner, held):
            await self._refuse(http, 503, OVERLOADED, NO_ROOM, id=request.id, headers=[(b"retry-after", b"1")])
        else:
            home = self.calls.home_for(introduction, principal, http.network)
            caller = Caller(introduction.version, introduction.capabilities, principal, home=home)
            listener = Listener(request.id, frozenset(), http.downlink, caller)
            self.endpoint.waits.standing.begin(http.downlink, principal)
            try:
                with counted(self.table, owner, listener, held):
                    await self._keep_open(http, request, introduction, listener, owner)
            finally:
                self.endpoint.waits.standing.end(http.downlink)

    async def _keep_open(self, http: HttpRequest, request: Request, introduction: Introduction, listener: Listener, owner: Owner) -> None:
        await self.endpoint.settled()
        directory = self.endpoint.directory
        granted = directory.refuses(listener.caller) or honoured(introduction.params, directory.seen_by(listener.caller))
        if isinstance(granted, Fault):
            await self._fail(http, request, granted)
            return
        listener.wanted = frozenset(granted.lists.values())
        uris: Sequence[str] = ()
        if granted.uris and http.downlink.is_open:
            wake = partial(self.table.listeners.wake, listener)
            uris = await subscribe(listener, granted.uris, Subscribed(self.endpoint.subscriptions, owner.key, wake))
        began = trio.current_time()
        try:
            await serve(http, listener, granted.lists, uris, self.endpoint.waits.listeners)
        finally:
            self.endpoint.door.tell_of_stream(request, listener.caller, began, None)

    async def _fail(self, http: HttpRequest, request: Request, fault: Fault) -> None:
        status = status_of(fault)
        self.endpoint.door.refuse(status, fault.message, http, request)
        await http.respond(status, encode_error(request.id, fault.encode()))

    async def _refuse(self, http: HttpRequest, status: int, code: int, message: str, *, id: bytes = b"null", headers: Headers = ()) -> None:
        await self.endpoint.door.opens()
        self.endpoint.door.refuse(status, message, http)
        await http.refuse(status, code, message, id=id, headers=headers)


def _mismatch(wrong: str) -> Fault:
    return faults.client_mistake(f"Header mismatch: {wrong}", code=HEADER_MISMATCH, reason="header_mismatch")

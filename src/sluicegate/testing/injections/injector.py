"""Injections around the backends of a gateway: which attempt gets which, and what has happened so far.

They are put around the session and not into the chain of policies, so that every request counts, a mirror's copies too; so that a handshake,
a list and a ping never do; and so that backends that join later are reached as well.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial

import attrs
import trio

from ...backends.http.connector import HttpConnector
from ...backends.inprocess import InProcessConnector
from ...backends.session import BackendSession, Connector, Inbox
from ...backends.sse.sse_connector import SseConnector
from ...backends.stdio import StdioConnector
from ...backends.websocket.websocket_connector import WebSocketConnector
from ...outside import Child, OpenProcess, ProcessSpec
from ...protocol.calls import SILENT, Call, Reply
from ...protocol.messages import Params
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ..answers import unfold
from ..peer import ScriptedConnector
from ..script import ROUTED, InjectionSchedule, Script
from .child import FaultyChild
from .frames import faulty_channel
from .http import FaultyHttp, refusing
from .kinds import Injection, Refuse, Transport
from .pending import Pending, pending
from .rules import Attempt, is_over
from .words import WrongFault, fault_in, name_of

__all__ = ["Injected", "Injections", "Injector", "load_faults"]

log = get_logger("sluicegate.faults")

MOST_KEPT = 10_000

_wished: ContextVar[list[Injection] | None] = ContextVar("sluicegate wished fault", default=None)
"""What a request wants to go wrong with its call: once, so the list is emptied."""


@attrs.frozen
class Injected:
    """An injection that has happened."""

    number: int
    """Of the attempt, counted from 1 for each backend."""
    fault: Injection


@attrs.define(eq=False, repr=False)
class Injector:
    """The injections of one backend."""

    backend: str
    transport: Transport
    schedule: InjectionSchedule
    others: InjectionSchedule
    """Of what is no call of a client: handshakes, lists and pings, which only a rule reaches that names their method."""
    log: deque[Injected] = attrs.field(factory=lambda: deque(maxlen=MOST_KEPT), init=False)
    """The last of them, in order."""
    injected: int = attrs.field(default=0, init=False)

    def next(self, call: Call) -> Injection | None:
        """Count an attempt; the injection that it gets."""
        fault = self.schedule.next(Attempt(call.method, call.local, call.caller.principal.key, call.target))
        wished = _wished.get()
        if not wished or call.back is SILENT:  # a mirror's copy comes from the same request, but nobody waits for it
            return fault
        wish = wished.pop()
        if is_over(wish, self.transport):
            return wish
        log.warning("no such fault on this transport", backend=self.backend, fault=name_of(wish), transport=self.transport.value)
        return fault

    def note(self, number: int, fault: Injection) -> None:
        """The injection happens now."""
        self.injected += 1
        self.log.append(Injected(number, fault))
        log.warning("fault injected", backend=self.backend, attempt=number, fault=repr(fault))

    async def attempt(self, session: BackendSession, call: Call) -> Reply:
        """Make one attempt with the injection that is due."""
        is_routed = call.method in ROUTED
        fault = self.next(call) if is_routed else self.others.next(Attempt(call.method)) if self.others.rules else None
        if fault is None:
            return await session.request(call)
        note = partial(self.note, (self.schedule if is_routed else self.others).attempts, fault)
        seconds, after = unfold(fault)
        if isinstance(after, Refuse) and seconds:  # it takes its time before anything of it is there
            await trio.sleep(seconds)
            fault = after
        due = Pending(fault, note)
        token = pending.set(due)
        try:
            return await session.request(call)
        finally:
            due.is_over = True
            pending.reset(token)


@attrs.define(eq=False, repr=False)
class _Session:
    """Another session, and what goes wrong with its calls (implements `BackendSession`)."""

    inner: BackendSession
    injector: Injector

    @property
    def pid(self) -> int | None:
        pid = getattr(self.inner, "pid", None)
        return pid if isinstance(pid, int) else None

    @property
    def is_open(self) -> bool:
        return self.inner.is_open

    async def request(self, call: Call) -> Reply:
        return await self.injector.attempt(self.inner, call)

    def speak(self, version: str) -> None:
        self.inner.speak(version)

    def tell(self, method: str, params: Params) -> None:
        self.inner.tell(method, params)

    async def wait_closed(self) -> Why | str:
        return await self.inner.wait_closed()


@attrs.frozen(eq=False, repr=False)
class _Connector:
    """Opens sessions in which injections happen (implements `Connector`)."""

    inner: Connector
    injector: Injector

    @property
    def transport(self) -> str:
        return self.inner.transport

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        async with self.inner(inbox) as session:
            yield _Session(session, self.injector)


@attrs.define(eq=False, repr=False)
class Injections:
    """The injections of a gateway: ``open_gateway(config, faults=Injections(script))``."""

    script: Script
    plan: str = ""
    """Where the script was read."""
    injectors: dict[str, Injector] = attrs.field(factory=dict, init=False)
    """By backend."""

    @property
    def injected(self) -> int:
        """How many injections have happened."""
        return sum(injector.injected for injector in self.injectors.values())

    def health(self) -> Mapping[str, object]:
        """What ``/health`` shows."""
        return {"seed": self.script.seed, "plan": self.plan, "injected": self.injected}

    def around(self, name: str, connector: Connector) -> Connector:
        """The same connector, with injections; one whose wire nobody knows is left as it is, with a warning."""
        faulty, transport = _on_bad_wire(connector)
        if faulty is None:
            log.warning("no faults can be injected here", backend=name, transport=connector.transport)
            return connector
        return _Connector(faulty, self.injector(name, transport))

    def injector(self, name: str, transport: Transport) -> Injector:
        """The injections of one backend; those of one that was replaced go on where they were."""
        found = self.injectors.get(name)
        if found is None or found.transport is not transport:
            found = self.injectors[name] = Injector(
                name, transport, self.script.schedule(name, transport), self.script.schedule(name, transport, routed=False)
            )
        return found

    def wished(self, text: str) -> AbstractContextManager[None]:
        """Inside of the block, the first attempt of the first call gets this injection; raises `ValueError` if there is no such thing."""
        try:
            return _wishing(fault_in(text))
        except WrongFault as error:
            raise ValueError(str(error)) from None


def load_faults(plan: str, seed: str | None, backends: Mapping[str, str] | None = None) -> Injections:
    """The injections of a plan; its seed is what is given, or the plan's own, or drawn. Otherwise as `Script.load`."""
    script = Script.load(plan, backends)
    given = script.seed if seed is None else seed
    text = str(given) or str(int.from_bytes(os.urandom(4)))
    return Injections(attrs.evolve(script, seed=int(text) if text.isdecimal() else text), plan)


@contextmanager
def _wishing(fault: Injection) -> Iterator[None]:
    token = _wished.set([fault])
    try:
        yield
    finally:
        _wished.reset(token)


def _on_bad_wire(connector: Connector) -> tuple[Connector | None, Transport]:
    """The same connector with a wire that knows of injections."""
    if isinstance(connector, HttpConnector):
        return attrs.evolve(connector, open_stream=refusing(connector.open_stream), finish=FaultyHttp), Transport.HTTP
    children: dict[int, FaultyChild] = {}
    make = faulty_channel(children)
    if isinstance(connector, StdioConnector):
        return attrs.evolve(connector, open_process=_watched(connector.open_process, children), make_session=make), Transport.CHILD
    if isinstance(connector, WebSocketConnector):
        return attrs.evolve(connector, make_session=make), Transport.SOCKET
    if isinstance(connector, SseConnector):
        return attrs.evolve(connector, make_session=make), Transport.EVENTS
    if isinstance(connector, InProcessConnector | ScriptedConnector):
        return attrs.evolve(connector, make_session=make), Transport.FRAMES
    return None, Transport.FRAMES


def _watched(open_process: OpenProcess, children: dict[int, FaultyChild]) -> OpenProcess:
    async def open_watched(spec: ProcessSpec) -> Child:
        child = FaultyChild(await open_process(spec))
        children.clear()  # the one before has ended, and its session knows it
        children[child.pid] = child
        return child

    return open_watched

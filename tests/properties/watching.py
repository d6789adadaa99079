"""What can be seen of a gateway from its two sides: every attempt that reaches a session, every call that is led to a backend, every draw."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio
from tests.kit.wild import read_mark

from sluicegate.backends.session import BackendSession, Connector, Inbox
from sluicegate.gateway.handles import Policies
from sluicegate.policies.breaker import Breaker
from sluicegate.policies.gate import failed
from sluicegate.protocol.calls import Allowance, Call, Handler, Layer, Reply
from sluicegate.protocol.messages import Params
from sluicegate.protocol.why import Why
from sluicegate.testing.injections.injector import Injections
from sluicegate.testing.script import Script
from sluicegate.testing.transcript import Transcript

__all__ = ["Attempt", "Draw", "Turn", "Watch"]

RUNNING = "running"


@attrs.define(eq=False)
class Attempt:
    """One request that was handed to the session of a backend."""

    number: int
    """Among those of its backend."""
    backend: str
    mark: str
    begins: float
    state: str
    """Of the backend's breaker then; empty without one."""
    period: int
    """How many times the breaker had changed its state by then."""
    out: tuple[str, ...]
    """Who was ejected then."""
    last_resort: bool = False
    """Failover had nobody else left."""
    ends: float = float("inf")
    outcome: str = RUNNING
    bad: bool | None = None
    """Whether it speaks against the backend; None if it says nothing."""


@attrs.frozen
class Draw:
    """An attempt beyond the first was asked for."""

    at: float
    path: str
    mark: str
    granted: bool


@attrs.frozen
class Turn:
    """A breaker has changed its state."""

    at: float
    backend: str
    state: str


@attrs.define(eq=False)
class Watch(Injections):
    """Faults, and an eye on everything beneath the policies and above them."""

    transcript: Transcript = attrs.field(kw_only=True)
    paths: Mapping[str, str] = attrs.field(kw_only=True)
    """From a backend to its primary."""
    attempts: list[Attempt] = attrs.field(factory=list, init=False)
    entries: list[tuple[float, str, str]] = attrs.field(factory=list, init=False)
    """When a call was led to a backend, which, and the call's mark: once for each candidate, however often it retries."""
    draws: list[Draw] = attrs.field(factory=list, init=False)
    turns: list[Turn] = attrs.field(factory=list, init=False)
    _policies: dict[str, Policies] = attrs.field(factory=dict, init=False)
    _periods: dict[str, int] = attrs.field(factory=dict, init=False)
    _counts: dict[str, int] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, script: Script, transcript: Transcript, paths: Mapping[str, str]) -> Watch:
        return cls(script, transcript=transcript, paths=paths)

    def look_at(self, policies: Mapping[str, Policies]) -> None:
        """From now on."""
        self._policies = dict(policies)
        for one in self._policies.values():
            if one.breaker is not None:
                one.breaker.on_change = self._turned

    def _turned(self, breaker: Breaker) -> None:
        self._periods[breaker.name] = self._periods.get(breaker.name, 0) + 1
        self.turns.append(Turn(trio.current_time(), breaker.name, breaker.state.value))
        self.transcript.note(breaker.name, "breaker is", breaker.state.value)

    def end_all_faults(self) -> None:
        """From now on no attempt gets one."""
        for injector in self.injectors.values():
            injector.schedule.rules = ()

    # -- beneath the policies

    def around(self, name: str, connector: Connector) -> Connector:
        """The same connector with faults, and with somebody who looks on."""
        return _Connector(super().around(name, connector), name, self)

    def begin(self, backend: str, call: Call) -> Attempt:
        now = trio.current_time()
        one = self._policies.get(backend)
        breaker = None if one is None else one.breaker
        out = tuple(name for name, one in self._policies.items() if one.outlier is not None and one.outlier.is_out(now))
        state = "" if breaker is None else breaker.state.value
        self._counts[backend] = number = self._counts.get(backend, 0) + 1
        attempt = Attempt(number, backend, read_mark(call.params), now, state, self._periods.get(backend, 0), out, call.trail.last_resort)
        self.attempts.append(attempt)
        self.transcript.note(backend, "<=", attempt.mark, f"attempt {attempt.number}", state)
        return attempt

    def end(self, attempt: Attempt, reply: Reply | None) -> None:
        attempt.ends = trio.current_time()
        fault = None if reply is None else reply.fault
        attempt.outcome = "cut" if reply is None else "ok" if fault is None else fault.reason or str(fault.code)
        attempt.bad = None if reply is None else failed(fault)
        self.transcript.note(attempt.backend, "=>", attempt.mark, f"attempt {attempt.number}", attempt.outcome)

    # -- above them

    def layer(self, name: str) -> Layer:
        """A layer of the program's own, outside of all that repeats."""

        def around(inner: Handler) -> Handler:
            async def seen(call: Call) -> Reply:
                mark, allowance = read_mark(call.params), call.trail.allowance
                self.entries.append((trio.current_time(), name, mark))
                self.transcript.note("led to", name, mark)
                if allowance is not None and not isinstance(allowance, _Watched):
                    call.trail.allowance = _Watched(allowance, self, self.paths[name], mark)
                return await inner(call)

            return seen

        return around


@attrs.frozen(eq=False)
class _Watched:
    """An allowance whose draws are told (implements `Allowance`)."""

    inner: Allowance
    watch: Watch
    path: str
    mark: str

    def draw(self) -> bool:
        granted = self.inner.draw()
        self.watch.draws.append(Draw(trio.current_time(), self.path, self.mark, granted))
        self.watch.transcript.note(self.path, "draws for", self.mark, granted)
        return granted

    def reserve(self) -> bool:
        return self.inner.reserve()

    def release(self) -> None:
        self.inner.release()


@attrs.frozen(eq=False)
class _Connector:
    """Opens sessions that are looked at (implements `Connector`)."""

    inner: Connector
    name: str
    watch: Watch

    @property
    def transport(self) -> str:
        return self.inner.transport

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        async with self.inner(inbox) as session:
            yield _Session(session, self.name, self.watch)


@attrs.frozen(eq=False)
class _Session:
    """A session whose calls are looked at (implements `BackendSession`)."""

    inner: BackendSession
    name: str
    watch: Watch

    @property
    def is_open(self) -> bool:
        return self.inner.is_open

    async def request(self, call: Call) -> Reply:
        if call.method != "tools/call":
            return await self.inner.request(call)
        attempt = self.watch.begin(self.name, call)
        reply: Reply | None = None
        try:
            reply = await self.inner.request(call)
            return reply
        finally:
            self.watch.end(attempt, reply)

    def speak(self, version: str) -> None:
        self.inner.speak(version)

    def tell(self, method: str, params: Params) -> None:
        self.inner.tell(method, params)

    async def wait_closed(self) -> Why | str:
        return await self.inner.wait_closed()

"""The ASGI lifespan: an application hears when its server starts and ends, and may leave something for its requests."""

from __future__ import annotations

from typing import Any

import attrs
import trio

from ...telling.loggers import get_logger
from ..asgi import ASGIApp, Message, Scope

__all__ = ["Lifespan", "StartUpFailed"]


log = get_logger("sluicegate.http1")


class StartUpFailed(Exception):
    """The application says that it cannot start."""


@attrs.define(eq=False, repr=False)
class Lifespan:
    """One application's start and end. Applications that know no lifespan are served without."""

    app: ASGIApp
    state: dict[str, Any] | None = attrs.field(default=None, init=False)
    """What it left for its requests; None if it knows no lifespan."""
    _given: dict[str, Any] = attrs.field(factory=dict, init=False)
    _task_status: trio.TaskStatus[str] | None = attrs.field(default=None, init=False)
    """There until it has started."""
    _asked: int = attrs.field(default=0, init=False)
    _ending: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Run it; returns after its end. Reports why it cannot start, or ""."""
        self._task_status = task_status
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._given}
        try:
            await self.app(scope, self._receive, self._send)
        except Exception as error:
            if self.has_started:
                log.exception("an application's lifespan failed")
            else:
                log.debug("the application knows no lifespan", error=repr(error))
        self._report("")

    @property
    def has_started(self) -> bool:
        """Whether requests may come."""
        return self._task_status is None

    def end(self) -> None:
        """Tell it that the server has ended."""
        self._ending.set()

    def _report(self, failure: str) -> None:
        if self._task_status is not None:
            status, self._task_status = self._task_status, None
            status.started(failure)

    async def _receive(self) -> Message:
        self._asked += 1
        if self._asked == 1:
            await trio.lowlevel.checkpoint()
            return {"type": "lifespan.startup"}
        await self._ending.wait()
        if self._asked > 2:
            await trio.sleep_forever()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self.state = self._given
            self._report("")
        elif kind == "lifespan.startup.failed":
            self._report(str(message.get("message", "")) or "the application gave no reason")
        elif kind == "lifespan.shutdown.failed":
            log.error("an application could not end well", said=str(message.get("message", "")))

"""A backend that runs tasks, as a revision with a handshake has them, and as the extension has them in one without."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from sluicegate.backends.channel import ChannelSession
from sluicegate.protocol.messages import Request, Response, decode
from sluicegate.testing.backend import ScriptedBackend

__all__ = ["RELATED", "TASKS", "Job", "TaskServer"]

RELATED = "io.modelcontextprotocol/related-task"
TASKS = "io.modelcontextprotocol/tasks"
STATED = {"createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z"}
Json = dict[str, Any]


@attrs.define(eq=False)
class Job:
    """One task."""

    id: str
    session: ChannelSession
    asks: bool
    status: str = "working"
    waiting: list[Request] = attrs.field(factory=list)
    """Who waits for its result."""
    answers: list[Json] = attrs.field(factory=list)


class TaskServer(ScriptedBackend):
    """Its tools: ``work`` and ``ask`` may be tasks, ``plain`` may not. Whoever fetches the result of ``ask`` is asked first."""

    def __init__(self, name: str = "b", *, version: str = "2025-11-25", page_size: int = 100, ttl: int | None = 60_000) -> None:
        tools = [
            {"name": tool, "inputSchema": {"type": "object"}, "execution": {"taskSupport": support}}
            for tool, support in (("work", "optional"), ("ask", "optional"), ("plain", "forbidden"))
        ]
        super().__init__(name=name, tools=tools, version=version)
        self.is_new = version == "2026-07-28"
        self.page_size, self.ttl = page_size, ttl
        self.jobs: dict[str, Job] = {}
        self.heard: list[Json] = []
        """Requests about tools and tasks, each with its parameters."""
        self.broken = ""
        """A method that costs the session."""
        self.apart = False
        """While true: each session has tasks of its own, counted from 1."""
        self.is_mute = False
        """While true: it does not answer when it has begun a task."""
        self._own: dict[ChannelSession, dict[str, Job]] = {}

    def jobs_of(self, session: ChannelSession) -> dict[str, Job]:
        """Those that can be asked for in a session."""
        return self._own.setdefault(session, {}) if self.apart else self.jobs

    def finish(self, id: str, session: ChannelSession | None = None) -> None:
        """A task comes to its end."""
        job = (self.jobs if session is None else self.jobs_of(session))[id]
        job.status = "completed"
        self._say(job.session, method="notifications/tasks/status", params=self._told(job))
        for request in job.waiting:
            self._result(job, request)

    def log(self, id: str) -> None:
        """Tell of something about a task."""
        params = {"level": "info", "data": "on it", "_meta": {RELATED: {"taskId": id}}}
        self._say(self.jobs[id].session, method="notifications/message", params=params)

    async def converse(self, session: ChannelSession) -> None:
        """Be the other end of a session."""
        while (frame := await session.next_frame()) is not None:
            message = decode(frame)
            if isinstance(message, Request):
                self.received.append(message)
                self._take(session, message, msgspec.json.decode(frame).get("params", {}))
            elif isinstance(message, Response):
                self._answered(msgspec.json.decode(frame))

    def _take(self, session: ChannelSession, request: Request, params: Json) -> None:
        method = request.method
        if method == "tools/call" or method.startswith("tasks/"):
            self.heard.append({"method": method, **params})
        if method == self.broken:
            session.close("it broke")
        elif method == "initialize" and not self.is_new:
            tasks: Json = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
            hello = {"protocolVersion": self.version, "capabilities": {"tools": {}, "logging": {}, "tasks": tasks}}
            self._answer(session, request, hello | {"serverInfo": {"name": self.name, "version": "1"}})
        elif method == "server/discover" and self.is_new:
            capabilities: Json = {"tools": {}, "extensions": {TASKS: {}}}
            self._answer(session, request, {"supportedVersions": [self.version], "capabilities": capabilities})
        elif method == "tools/list":
            self._answer(session, request, {"tools": self.lists["tools"]})
        elif method == "tools/call":
            self._call(session, request, params)
        elif method == "tasks/list" and not self.is_new:
            at = int(params.get("cursor", 0))
            jobs = self.jobs_of(session)
            page = [self._told(job) for job in list(jobs.values())[at : at + self.page_size]]
            more = {"nextCursor": str(at + self.page_size)} if at + self.page_size < len(jobs) else {}
            self._answer(session, request, {"tasks": page} | more)
        elif method.startswith("tasks/") and (job := self.jobs_of(session).get(params.get("taskId", ""))) is not None:
            self._about(job, session, request, params)
        elif method == "ping":
            self._answer(session, request, {})
        else:
            code = -32602 if method.startswith("tasks/") else -32601
            self._say(session, id=msgspec.json.decode(request.id), error={"code": code, "message": f"no {method}"})

    def _call(self, session: ChannelSession, request: Request, params: Json) -> None:
        can = params.get("_meta", {}).get("io.modelcontextprotocol/clientCapabilities", {})
        wants = TASKS in can.get("extensions", {}) if self.is_new else "task" in params
        if not wants or params["name"] == "plain":
            self._answer(session, request, {"content": [{"type": "text", "text": f"{params['name']} at once"}]})
            return
        jobs = self.jobs_of(session)
        job = jobs[f"job.{len(jobs) + 1}"] = Job(f"job.{len(jobs) + 1}", session, params["name"] == "ask")
        if self.is_mute:
            return
        told = self._told(job)
        self._answer(session, request, {"resultType": "task", **told} if self.is_new else {"task": told, "_meta": {"x": 1.50}})

    def _about(self, job: Job, session: ChannelSession, request: Request, params: Json) -> None:
        if request.method == "tasks/cancel":
            job.status = "cancelled"
        if request.method == "tasks/update":
            job.answers.append(params["inputResponses"])
        if request.method in {"tasks/get", "tasks/cancel"}:
            inline = {"result": self._end(job)} if self.is_new and job.status == "completed" else {}
            empty: Json = {} if self.is_new and request.method == "tasks/cancel" else self._told(job) | inline
            self._answer(session, request, empty)
        elif request.method == "tasks/update":
            self._answer(session, request, {})
        elif job.status != "working":
            self._result(job, request)
        else:
            job.waiting.append(request)
            if job.asks:
                meta = {RELATED: {"taskId": job.id}}
                self._say(session, id=f"q-{job.id}", method="elicitation/create", params={"message": "?", "task": {}, "_meta": meta})

    def _answered(self, message: Json) -> None:
        job = self.jobs[message["id"].removeprefix("q-")]
        job.answers.append(message)
        if "result" in message:
            self.finish(job.id)

    def _told(self, job: Job) -> Json:
        names = ("ttlMs", "pollIntervalMs") if self.is_new else ("ttl", "pollInterval")
        return {"taskId": job.id, "status": job.status, **STATED, names[0]: self.ttl, names[1]: 500}

    def _end(self, job: Job) -> Json:
        return {"content": [{"type": "text", "text": f"the end of {job.id}"}, {"type": "resource_link", "uri": "a:1", "name": "a"}]}

    def _result(self, job: Job, request: Request) -> None:
        self._answer(job.session, request, self._end(job) | {"_meta": {RELATED: {"taskId": job.id}}})

    def _answer(self, session: ChannelSession, request: Request, result: object) -> None:
        self._say(session, id=msgspec.json.decode(request.id), result=result)

    def _say(self, session: ChannelSession, **members: object) -> None:
        session.receive(msgspec.json.encode({"jsonrpc": "2.0", **members}))

"""A server with the tools that the suite's scenarios about tasks look for: the extension of 2026-07-28, and nothing else.

Argument: the port to listen on. It is the least that passes them all: one process, tasks in a dictionary, no session.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

NEW = "2026-07-28"
TASKS = "io.modelcontextprotocol/tasks"
OURS = "io.modelcontextprotocol/"
INVALID, UNKNOWN, INTERNAL, MISMATCH, UNDECLARED = -32602, -32601, -32603, -32020, -32021
STATUS = {INVALID: 400, UNKNOWN: 404, MISMATCH: 400, UNDECLARED: 400}
TTL_MS, POLL_MS = 300_000, 200
Json = dict[str, Any]


class Wrong(Exception):
    """An error of the protocol."""

    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Work:
    """One task."""

    def __init__(self, number: int) -> None:
        self.id = f"task-{number}"
        self.status = "working"
        self.created = self.updated = datetime.now(UTC).isoformat()
        self.end: Json = {}
        self.wanted: dict[str, asyncio.Future[Json]] = {}
        self.running: asyncio.Task[None] | None = None

    def enter(self, status: str, **end: Any) -> None:
        """Be in another state; one that has ended stays what it is."""
        if self.status not in {"completed", "failed", "cancelled"}:
            self.status, self.end, self.updated = status, end, datetime.now(UTC).isoformat()

    async def ask(self, *names: str) -> list[Json]:
        """Ask all of it at once, and wait for the answers."""
        self.wanted |= {name: asyncio.get_running_loop().create_future() for name in names}
        asked = [self.wanted[name] for name in names]
        self.enter("input_required")
        answers = [await one for one in asked]
        self.enter("working")
        return answers

    def told(self) -> Json:
        """How it is."""
        stated = {"createdAt": self.created, "lastUpdatedAt": self.updated, "ttlMs": TTL_MS, "pollIntervalMs": POLL_MS}
        wanted = {"inputRequests": {name: form(name) for name in self.wanted}} if self.status == "input_required" else {}
        return {"taskId": self.id, "status": self.status, **stated, **wanted, **self.end}


def form(name: str) -> Json:
    """A question to a person."""
    schema = {"type": "object", "properties": {name: {"type": "string"}}}
    return {"method": "elicitation/create", "params": {"mode": "form", "message": f"{name}?", "requestedSchema": schema}}


def said(text: str, *, wrong: bool = False) -> Json:
    """A tool's result."""
    return {"content": [{"type": "text", "text": text}], "isError": wrong}


async def slow_compute(_work: Work | None, arguments: Json) -> Json:
    """Takes its time."""
    await asyncio.sleep(arguments.get("seconds", 0))
    return said(f"computed {arguments.get('label', '')}")


async def failing_job(_work: Work | None, _arguments: Json) -> Json:
    """Says that it failed."""
    await asyncio.sleep(1)
    return said("the job failed", wrong=True)


async def protocol_error_job(_work: Work | None, _arguments: Json) -> Json:
    """Breaks."""
    raise Wrong(INTERNAL, "the job broke")


async def confirm_delete(work: Work | None, arguments: Json) -> Json:
    """Asks first."""
    if work is not None:
        await work.ask("confirm")
    return said(f"deleted {arguments.get('filename', '')}")


async def multi_input(work: Work | None, _arguments: Json) -> Json:
    """Asks two things at once."""
    if work is not None:
        await work.ask("first", "second")
    return said("both were answered")


async def greet_by_name(_work: Work | None, arguments: Json) -> Json:
    """Has been told a name before it began."""
    return said(f"Hello, {arguments['user_name']}!")


TOOLS: dict[str, Callable[[Work | None, Json], Awaitable[Json]]] = {
    "slow_compute": slow_compute,
    "failing_job": failing_job,
    "protocol_error_job": protocol_error_job,
    "confirm_delete": confirm_delete,
    "multi_input": multi_input,
    "test_tool_with_task": greet_by_name,
}
ABOUT_TASKS = {"tasks/get", "tasks/update", "tasks/cancel"}
ONLY_AS_TASK = {"failing_job", "test_tool_with_task"}


class Server:
    """All of it."""

    def __init__(self) -> None:
        self.works: dict[str, Work] = {}
        self.numbers = itertools.count(1)

    async def serve(self, request: Request) -> Response:
        """Answer one POST."""
        message = json.loads(await request.body())
        if "id" not in message:
            return Response(status_code=202)
        try:
            result = await self.answer(request, message["method"], message.get("params", {}))
        except Wrong as wrong:
            status = STATUS.get(wrong.error["code"], 200)
            return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "error": wrong.error}, status)
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete"} | result})

    async def answer(self, request: Request, method: str, params: Json) -> Json:
        """The result of a request."""
        named = params.get("name") if method == "tools/call" else params.get("taskId") if method in ABOUT_TASKS else None
        if request.headers.get("mcp-method") != method or (named is not None and request.headers.get("mcp-name") != named):
            raise Wrong(MISMATCH, "a header does not say what the body says")
        takes_tasks = TASKS in params.get("_meta", {}).get(f"{OURS}clientCapabilities", {}).get("extensions", {})
        if method == "server/discover":
            capabilities = {"tools": {}, "extensions": {TASKS: {}}}
            return {"supportedVersions": [NEW], "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private"}
        if method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("greet", *TOOLS)]
            return {"tools": tools, "ttlMs": 0, "cacheScope": "private"}
        if method == "tools/call":
            return await self.call(params, takes_tasks=takes_tasks)
        if method not in ABOUT_TASKS:
            raise Wrong(UNKNOWN, f"no method {method}")
        self.demand(takes_tasks)
        work = self.works.get(params.get("taskId", ""))
        if work is None:
            raise Wrong(INVALID, "Failed to retrieve task: Task not found")
        return self.about(work, method, params)

    def demand(self, takes_tasks: bool) -> None:
        """Refuse who has not declared the extension."""
        if not takes_tasks:
            raise Wrong(UNDECLARED, "the extension is needed", {"requiredCapabilities": {"extensions": {TASKS: {}}}})

    async def call(self, params: Json, *, takes_tasks: bool) -> Json:
        """Run a tool, as a task where that can be one."""
        name, arguments = params["name"], params.get("arguments", {})
        if name == "greet":
            return said(f"Hello, {arguments.get('name', '')}!")
        if name not in TOOLS:
            raise Wrong(INVALID, f"no tool {name}")
        if name in ONLY_AS_TASK:
            self.demand(takes_tasks)
        if name == "test_tool_with_task":
            given = params.get("inputResponses", {}).get("user_name")
            if given is None:
                return {"resultType": "input_required", "inputRequests": {"user_name": form("name")}, "requestState": "asked"}
            arguments = {"user_name": given["content"]["name"]}
        if not takes_tasks:
            return await TOOLS[name](None, arguments)
        work = Work(next(self.numbers))
        self.works[work.id] = work
        told = work.told()
        work.running = asyncio.create_task(self.run(work, name, arguments))
        return {"resultType": "task"} | told

    async def run(self, work: Work, name: str, arguments: Json) -> None:
        """To the end, whatever it is."""
        try:
            work.enter("completed", result=await TOOLS[name](work, arguments))
        except Wrong as wrong:
            work.enter("failed", error=wrong.error)

    def about(self, work: Work, method: str, params: Json) -> Json:
        """What is asked about a task."""
        if method == "tasks/get":
            return work.told()
        if method == "tasks/cancel":
            work.enter("cancelled")
            if work.running is not None:
                work.running.cancel()
            return {}
        for name, answer in params.get("inputResponses", {}).items():
            if (waiting := work.wanted.pop(name, None)) is not None:
                waiting.set_result(answer)
        return {}


if __name__ == "__main__":
    uvicorn.run(Starlette(routes=[Route("/mcp", Server().serve, methods=["POST"])]), port=int(sys.argv[1]), log_level="warning")

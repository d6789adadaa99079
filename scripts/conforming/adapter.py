"""A program between the suite and a gateway: gives the suite's names the prefix that they have there, and takes it from what comes back.

Arguments: the port to listen on, the URL of the gateway's endpoint, the namespace, and a token to show there, if any; without a namespace all names
stay. It knows nothing of the gateway but how it writes its names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

HOP_BY_HOP = {"content-length", "transfer-encoding", "connection", "keep-alive", "date", "server", "content-encoding"}
BY_NAME = {"tools/call", "prompts/get"}
BY_URI = {"resources/read", "resources/subscribe", "resources/unsubscribe"}


class Adapter:
    """One endpoint that stands for another, with other names."""

    def __init__(self, url: str, namespace: str, token: str = "") -> None:
        self.url = url
        self.tool, self.scheme = (f"{namespace}_", f"{namespace}+") if namespace else ("", "")
        self.shown = [("authorization", f"Bearer {token}")] if token else []
        self.client = httpx2.AsyncClient(timeout=None)

    async def serve(self, request: Request) -> Response:
        """Pass a request on, and its answer back as it comes."""
        host = request.headers.get("host", "")
        headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP and name != "host"]
        body, method = self.outward(await request.body())
        mapped = [(name, self.name(value.strip(" \t"), method) if name == "mcp-name" else value) for name, value in headers]
        passed = self.client.build_request(request.method, self.url, headers=[*mapped, *self.shown, ("host", host)], content=body)
        answer = await self.client.send(passed, stream=True)
        back = [(name.encode(), value.encode()) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
        response = StreamingResponse(self.inward(answer), status_code=answer.status_code)
        response.raw_headers = back
        return response

    def name(self, name: str, method: str) -> str:
        """A tool's, prompt's or resource's, as the gateway has it."""
        return (self.scheme if method in BY_URI else self.tool) + name

    def outward(self, body: bytes) -> tuple[bytes, str]:
        """A message of the suite, and its method; what is no request stays as it is."""
        try:
            message = json.loads(body)
            method, params = message["method"], message["params"]
        except (ValueError, KeyError, TypeError):
            return body, ""
        member = "name" if method in BY_NAME else "uri" if method in BY_URI else None
        if member and isinstance(params.get(member), str):
            params[member] = self.name(params[member], method)
        if method == "completion/complete":
            self.outward_reference(params.get("ref"))
        if method == "subscriptions/listen":
            wanted = params.get("notifications", {}).get("resourceSubscriptions", [])
            wanted[:] = [self.scheme + uri for uri in wanted]
        return json.dumps(message).encode(), method

    def outward_reference(self, reference: Any) -> None:
        """What a completion is for."""
        for member, prefix in (("name", self.tool), ("uri", self.scheme)):
            if isinstance(reference, dict) and isinstance(reference.get(member), str):
                reference[member] = prefix + reference[member]

    async def inward(self, answer: httpx2.Response) -> AsyncIterator[bytes]:
        """An answer, whole or event by event."""
        try:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                yield self.stripped(await answer.aread())
                return
            async for line in answer.aiter_lines():
                data = line.removeprefix("data:")
                yield (line if data == line else f"data: {self.stripped(data.strip().encode()).decode()}").encode() + b"\n"
        finally:
            await answer.aclose()

    def stripped(self, text: bytes) -> bytes:
        """JSON with the names that the suite knows."""
        try:
            message = json.loads(text)
        except ValueError:
            return text
        return json.dumps(self.without_prefix(message)).encode()

    def without_prefix(self, value: Any, member: str = "") -> Any:
        """A value, all the way down."""
        if isinstance(value, dict):
            return {key: self.without_prefix(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.without_prefix(one, member) for one in value]
        if isinstance(value, str) and member == "name":
            return value.removeprefix(self.tool)
        if isinstance(value, str) and member in {"uri", "uriTemplate", "resourceSubscriptions"}:
            return value.removeprefix(self.scheme)
        return value


def application(adapter: Adapter) -> Starlette:
    """For uvicorn."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await adapter.client.aclose()

    return Starlette(routes=[Route("/mcp", adapter.serve, methods=["GET", "POST", "DELETE"])], lifespan=lifespan)


if __name__ == "__main__":
    port, url, *more = sys.argv[1:]
    uvicorn.run(application(Adapter(url, *more)), port=int(port), log_level="warning")

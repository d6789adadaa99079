"""A gateway with one client, which can be asked: the client on stdio, over HTTP or in the program, the backend on any transport."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import attrs
import httpx2
import msgspec
import trio
from tests.kit.asgi import AsgiTransport
from tests.kit.frames_client import open_frames

from sluicegate.config.model import BackendConfig, Config, ListenConfig, ProxyConfig
from sluicegate.gateway.opening import Gateway, open_gateway
from sluicegate.protocol.calls import NAMED_BY, Call, Reply
from sluicegate.protocol.clientele import Clientele
from sluicegate.protocol.eras import MODERN
from sluicegate.protocol.fault import Fault
from sluicegate.protocol.faults import backend_error
from sluicegate.protocol.messages import Raw, encode
from sluicegate.protocol.question import Question
from sluicegate.protocol.sse import Event, EventParser
from sluicegate.sources import Sources
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.line_client import LineClient, open_line_client
from sluicegate.testing.network import MemoryOutside, open_outside
from sluicegate.testing.scripted_events import serve_sse
from sluicegate.testing.scripted_program import program_of
from sluicegate.testing.scripted_socket import serve_websocket
from sluicegate.testing.transports import Transport

EVERYTHING = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {"listChanged": True}}
FRONTS = ("stdio", "http", "websocket", "program")
NEAR, FAR = 8080, 8081
OWN = "io.modelcontextprotocol"
Json = dict[str, Any]


class Client(Protocol):
    """Whoever calls, and may be asked."""

    async def say(self, **members: object) -> None:
        """Send a message."""
        ...

    async def hear(self) -> Json:
        """The next message about calls and questions, in whatever answer it comes."""
        ...


@attrs.define(eq=False)
class AskedClient:
    """A client in words of the protocol."""

    client: Client
    gateway: Gateway
    backend: ScriptedBackend

    async def call(self, id: object = 7, **params: object) -> None:
        """Call the tool; its answer is heard."""
        await self.client.say(id=id, method="tools/call", params={"name": "b_echo", "arguments": {}} | params)

    async def answer(self, question: Json, **result: object) -> None:
        """Answer a question."""
        await self.client.say(id=question["id"], result=result)

    async def hear(self) -> Json:
        """The next message."""
        return await self.client.hear()

    async def question(self) -> Json:
        """The next message, which must be a question."""
        heard = await self.hear()
        assert {"id", "method"} <= heard.keys(), heard
        return heard

    async def text(self) -> str:
        """The next message, which must be the answer to a call."""
        heard = await self.hear()
        assert "result" in heard, heard
        return str(heard["result"]["content"][0]["text"])


@attrs.define(eq=False)
class LinesClient:
    """What is about no call is heard on `lines` only."""

    lines: LineClient
    _saying: trio.Lock = attrs.field(factory=trio.Lock)

    async def say(self, **members: object) -> None:
        async with self._saying:
            await self.lines.send({"jsonrpc": "2.0", **members})

    async def hear(self) -> Json:
        while True:
            message: Json = await self.lines.next()
            if "list_changed" not in message.get("method", ""):
                return message


@attrs.define(eq=False)
class HttpClient:
    """Each request in a task of its own; all that comes is one sequence."""

    http: httpx2.AsyncClient
    nursery: trio.Nursery
    accept: str = "application/json, text/event-stream"
    session: str = ""
    heard: list[Json] = attrs.field(factory=list)
    statuses: list[int] = attrs.field(factory=list)
    """Of what was no request."""
    news: trio.Event = attrs.field(factory=trio.Event)

    async def say(self, **members: object) -> None:
        content = msgspec.json.encode({"jsonrpc": "2.0", **members})
        if "method" in members and "id" in members:
            await self.nursery.start(self._post, content)
        else:
            self.statuses.append((await self.http.post("/mcp", content=content, headers=self._headers())).status_code)

    async def hear(self) -> Json:
        while not self.heard:
            self.news = trio.Event()
            await self.news.wait()
        return self.heard.pop(0)

    def _headers(self) -> dict[str, str]:
        known = {"mcp-session-id": self.session} if self.session else {}
        return {"accept": self.accept, "content-type": "application/json"} | known

    async def _post(self, content: bytes, task_status: trio.TaskStatus[None], headers: dict[str, str] | None = None) -> None:
        task_status.started()
        async with self.http.stream("POST", "/mcp", content=content, headers=headers or self._headers()) as response:
            self.session = response.headers.get("mcp-session-id", self.session)
            if response.headers["content-type"] == "application/json":
                self._take(await response.aread())
                return
            await self._read(response)

    async def listen(self) -> None:
        """Hear what is about no request, until it is cancelled."""
        async with self.http.stream("GET", "/mcp", headers=self._headers()) as response:
            await self._read(response)

    async def resume(self, after: str) -> None:
        """Come back for what a stream has had since that event."""
        async with self.http.stream("GET", "/mcp", headers=self._headers() | {"last-event-id": after}) as response:
            await self._read(response)

    async def _read(self, response: httpx2.Response) -> None:
        parser = EventParser(1 << 20)
        async for chunk in response.aiter_raw():
            for event in parser.feed(chunk):
                assert isinstance(event, Event)
                if event.data:
                    self._take(event.data)

    def _take(self, data: bytes) -> None:
        self.heard.append(msgspec.json.decode(data))
        self.news.set()


@attrs.define(eq=False)
class ModernClient(HttpClient):
    """Opens no session: each request says of itself what it needs, and whoever closes its answer takes it back."""

    asked: dict[object, trio.CancelScope] = attrs.field(factory=dict)
    """What waits for its answer."""

    async def say(self, **members: Any) -> None:
        if members.get("method") == "notifications/cancelled":
            await trio.lowlevel.checkpoint()
            self.asked[members["params"]["requestId"]].cancel()
            return
        own = members["params"].get("_meta", {})
        meta = {f"{OWN}/protocolVersion": MODERN[-1], f"{OWN}/clientCapabilities": {}} | own
        content = {"jsonrpc": "2.0", **members, "params": members["params"] | {"_meta": meta}}
        said = {"mcp-method": members["method"], "mcp-name": members["params"].get("name", "")}
        await self.nursery.start(self._post_alone, members["id"], msgspec.json.encode(content), said)

    async def _post_alone(self, id: object, content: bytes, said: dict[str, str], task_status: trio.TaskStatus[None]) -> None:
        headers = self._headers() | {"mcp-protocol-version": MODERN[-1]} | {name: value for name, value in said.items() if value}
        with trio.CancelScope() as self.asked[id]:
            await self._post(content, task_status, headers)


@attrs.define(eq=False)
class _Program:
    """The embedding program itself as the client (implements `Back`)."""

    gateway: Gateway
    nursery: trio.Nursery
    send: trio.MemorySendChannel[Json]
    receive: trio.MemoryReceiveChannel[Json]
    questions: list[Question] = attrs.field(factory=list)
    calls: dict[object, Call] = attrs.field(factory=dict)

    async def say(self, **members: Any) -> None:
        await trio.lowlevel.checkpoint()
        if "method" in members and "id" in members:
            given, method = members["params"], members["method"]
            params = {name: Raw(encode(value)) for name, value in given.items()}
            call = self.calls[members["id"]] = Call(method, given.get(NAMED_BY.get(method, ""), method), params, back=self)
            self.nursery.start_soon(self._run, members["id"], call)
        elif members.get("method") == "notifications/cancelled":
            call = self.calls[members["params"]["requestId"]]
            call.trail.cut = "the program did"
            call.scope.cancel()
        elif "result" in members:
            self.questions[members["id"]].settle(Reply(Raw(encode(members["result"]))))
        else:
            self.questions[members["id"]].settle(Reply.failed(backend_error("", Raw(encode(members["error"])))))

    async def hear(self) -> Json:
        return await self.receive.receive()

    async def _run(self, id: object, call: Call) -> None:
        reply = await self.gateway.handler(call)
        fault = reply.fault
        answer = {"result": reply.value} if fault is None else {"error": msgspec.json.decode(fault.encode())}
        self.send.send_nowait({"id": id, **answer})

    def note(self, message: bytes) -> None:
        self.send.send_nowait(msgspec.json.decode(message))

    def ask(self, question: Question) -> Fault | None:
        number = len(self.questions)
        self.questions.append(question)
        params = {name: msgspec.json.decode(bytes(raw)) for name, raw in question.params.items()}
        self.send.send_nowait({"id": number, "method": question.method, "params": params})
        question.when_over(lambda: None if question.reply else self._withdrawn(number))
        return None

    def hold(self, question: Question) -> None:
        del question

    def _withdrawn(self, number: int) -> None:
        self.send.send_nowait({"method": "notifications/cancelled", "params": {"requestId": number}})


@asynccontextmanager
async def asked_client(
    front: str,
    back: Transport,
    *steps: Any,
    capabilities: Mapping[str, object] | None = None,
    one_client: bool = True,
    page_size: int = 0,
    backend: ScriptedBackend | None = None,
    **settings: Any,
) -> AsyncGenerator[AskedClient, None]:
    """A session of a client that can do everything, or what is given, with a gateway in front of the backend ``b``."""
    can = EVERYTHING if capabilities is None else capabilities
    scripted = backend or ScriptedBackend(*steps, name="b")
    clientele = Clientele() if one_client else None
    async with (
        _in_front_of(back, scripted, clientele, page_size, settings) as (gateway, nursery),
        _CLIENTS[front](gateway, nursery) as client,
    ):
        await _shake_hands(client, clientele, can)
        await gateway.ready("b")
        yield AskedClient(client, gateway, scripted)


@asynccontextmanager
async def two_clients(
    fronts: tuple[str, str], back: Transport, *steps: Any, **settings: Any
) -> AsyncGenerator[tuple[AskedClient, AskedClient], None]:
    """Two clients of one gateway, with a session each; they share the backend ``b``."""
    scripted = ScriptedBackend(*steps, name="b")
    async with (
        _in_front_of(back, scripted, None, 0, settings) as (gateway, nursery),
        _CLIENTS[fronts[0]](gateway, nursery) as one,
        _CLIENTS[fronts[1]](gateway, nursery) as other,
    ):
        await gateway.ready("b")
        for client in (one, other):
            await _shake_hands(client, None, EVERYTHING)
        yield AskedClient(one, gateway, scripted), AskedClient(other, gateway, scripted)


@asynccontextmanager
async def _in_front_of(
    back: Transport, scripted: ScriptedBackend, clientele: Clientele | None, page_size: int, settings: Mapping[str, Any]
) -> AsyncGenerator[tuple[Gateway, trio.Nursery], None]:
    """A gateway with the backend, and a nursery for what its clients do."""
    async with open_outside() as world, trio.open_nursery() as nursery:
        config = Config(
            ProxyConfig("near", listen=at(NEAR), page_size=page_size), (await reached(back, scripted, world, nursery, settings),)
        )
        servers = {"b": scripted.connector}
        async with open_gateway(
            config, servers=servers, outside=world.outside, sources=Sources.virtual(1), one_client=clientele
        ) as gateway:
            yield gateway, nursery
        nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class Crowd:
    """Several clients at one gateway, each in a session of its own."""

    gateway: Gateway
    world: MemoryOutside
    clients: list[Client]
    hang_up: list[Callable[[], None]]
    """Has a client vanish, whatever it does."""


@asynccontextmanager
async def crowd(
    front: str, back: Transport, scripted: ScriptedBackend, can: Sequence[Mapping[str, object]], **settings: Any
) -> AsyncGenerator[Crowd, None]:
    """One client for each of these capabilities, from a network of its own, at a backend ``b`` that has a session for each of them."""
    settings = {"sessions": "per_client", "max_sessions": 4 * len(can) + 1} | settings
    async with open_outside() as world, trio.open_nursery() as nursery:
        config = Config(ProxyConfig("near", listen=at(NEAR)), (await reached(back, scripted, world, nursery, settings),))
        servers, sources = {"b": scripted.connector}, Sources.virtual(1)
        async with (
            open_gateway(config, servers=servers, outside=world.outside, sources=sources) as gateway,
            trio.open_nursery() as clients,
        ):
            await gateway.ready("b")
            here = Crowd(gateway, world, [], [])
            for number, one in enumerate(can):
                client, hang_up = await clients.start(_be_there, front, gateway, number)
                await _shake_hands(client, None, one)
                here.clients.append(client)
                here.hang_up.append(hang_up)
            yield here
            clients.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def visitor(front: str, gateway: Gateway, can: Mapping[str, object]) -> AsyncGenerator[Client, None]:
    """One more client, who goes without a word."""
    async with trio.open_nursery() as nursery:
        async with _CLIENTS[front](gateway, nursery, 0) as client:
            await _shake_hands(client, None, can)
            yield client
        nursery.cancel_scope.cancel()


async def _be_there(front: str, gateway: Gateway, number: int, *, task_status: trio.TaskStatus[tuple[Client, Callable[[], None]]]) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery, _CLIENTS[front](gateway, nursery, number) as client:
            task_status.started((client, scope.cancel))
            await trio.sleep_forever()


async def _shake_hands(client: Client, clientele: Clientele | None, can: Mapping[str, object]) -> None:
    if isinstance(client, ModernClient):
        return
    if isinstance(client, _Program):
        if clientele is not None:
            clientele.declare(can)
        return
    hello = {"protocolVersion": "2025-11-25", "capabilities": can, "clientInfo": {"name": "t", "version": "1"}}
    await client.say(id=0, method="initialize", params=hello)
    assert (await client.hear())["id"] == 0
    await client.say(method="notifications/initialized")


def at(port: int) -> ListenConfig:
    return ListenConfig(host="127.0.0.1", port=port, websocket=port == NEAR)


async def reached(
    back: Transport, scripted: ScriptedBackend, world: MemoryOutside, nursery: trio.Nursery, settings: Mapping[str, Any]
) -> BackendConfig:
    """The backend's settings; over HTTP another gateway is in between, of one client or with a session for each."""
    if back is Transport.FRAMES:
        return BackendConfig("b", "inprocess", **settings)
    if back is Transport.CHILD:
        world.processes.add("b", program_of(scripted))
        return BackendConfig("b", "stdio", command="b", **settings)
    if back is Transport.SOCKET:
        (listener,) = await world.network.listen("127.0.0.1", FAR)
        await nursery.start(serve_websocket, scripted, listener)
        return BackendConfig("b", "websocket", url=f"ws://127.0.0.1:{FAR}/mcp", **settings)
    if back is Transport.EVENTS:
        (listener,) = await world.network.listen("127.0.0.1", FAR)
        await nursery.start(serve_sse, scripted, listener)
        return BackendConfig("b", "sse", url=f"http://127.0.0.1:{FAR}/sse", **settings)
    own = {key: settings[key] for key in ("sessions", "max_sessions") if key in settings}
    await nursery.start(_serve_far, scripted, world, own)
    return BackendConfig("b", "http", url=f"http://127.0.0.1:{FAR}/mcp", **settings)


async def _serve_far(scripted: ScriptedBackend, world: MemoryOutside, own: dict[str, Any], task_status: trio.TaskStatus[list[str]]) -> None:
    config = Config(ProxyConfig("far", listen=at(FAR)), (BackendConfig("b", "inprocess", namespace="", **own),))
    servers, sources = {"b": scripted.connector}, Sources.virtual("far")
    clientele = None if own else Clientele()
    async with open_gateway(config, servers=servers, outside=world.outside, sources=sources, one_client=clientele) as gateway:
        await gateway.serve(task_status=task_status)


@asynccontextmanager
async def _on_stdio(gateway: Gateway, nursery: trio.Nursery, number: int = 0) -> AsyncGenerator[Client, None]:
    del number
    async with open_line_client(gateway.serve_stdio, nursery) as lines:
        yield LinesClient(lines)


@asynccontextmanager
async def _over_websocket(gateway: Gateway, nursery: trio.Nursery, number: int = 0) -> AsyncGenerator[Client, None]:
    async with open_frames(gateway.asgi_app, nursery, f"10.0.{number // 250}.{number % 250 + 1}") as client:
        assert await client.event() == {"type": "websocket.accept", "subprotocol": "mcp"}
        yield client


@asynccontextmanager
async def _over_http(gateway: Gateway, nursery: trio.Nursery, number: int = 0) -> AsyncGenerator[Client, None]:
    transport = AsgiTransport(gateway.asgi_app, nursery, client=(f"10.0.{number // 250}.{number % 250 + 1}", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=None) as http:
        yield HttpClient(http, nursery)


@asynccontextmanager
async def _without_a_session(gateway: Gateway, nursery: trio.Nursery, number: int = 0) -> AsyncGenerator[Client, None]:
    async with _over_http(gateway, nursery, number) as client:
        assert isinstance(client, HttpClient)
        yield ModernClient(client.http, nursery)


@asynccontextmanager
async def _in_the_program(gateway: Gateway, nursery: trio.Nursery, number: int = 0) -> AsyncGenerator[Client, None]:
    del number
    send, receive = trio.open_memory_channel[Json](100)
    with send, receive:
        yield _Program(gateway, nursery, send, receive)


_CLIENTS: dict[str, Callable[..., Any]] = {
    "stdio": _on_stdio,
    "http": _over_http,
    "websocket": _over_websocket,
    "modern": _without_a_session,
    "program": _in_the_program,
}

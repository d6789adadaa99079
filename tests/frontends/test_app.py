"""The guards in front of the endpoint, and what probes and browsers are told."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import trio

from sluicegate.frontends.admission import Admission
from sluicegate.frontends.endpoint import Limits
from sluicegate.protocol.calls import Call, Reply

PAGE = "https://app.example"
ORIGINS = [
    # origin, allowed list, allowed
    ("http://localhost:3000", (), True),
    ("https://127.0.0.1", (), True),
    ("http://[::1]:8080", (), True),
    ("http://localhost.evil.example", (), False),
    ("http://evil.example", (), False),
    ("null", (), False),
    ("file://localhost", (), False),
    ("http://localhost@evil.example", (), False),
    (PAGE, (PAGE,), True),
    ("HTTPS://App.Example", (PAGE + "/",), True),
    ("http://app.example", (PAGE,), False),
    (PAGE + ":8443", (PAGE,), False),
    (PAGE, ("*",), True),
]


@pytest.mark.parametrize(("origin", "allowed", "comes_in"), ORIGINS)
async def test_a_page_comes_in_from_this_machine_or_the_list(
    gate: Any, talk: Any, origin: str, allowed: tuple[str, ...], comes_in: bool
) -> None:
    gate.rebuild(admission=Admission(allowed_origins=allowed))
    answer = await gate.post(talk.opening(), origin=origin)
    assert answer.status_code == (200 if comes_in else 403)
    assert (answer.headers.get("access-control-allow-origin") == origin) is comes_in
    if not comes_in:
        assert answer.text == "Cross-origin requests not allowed"
        assert len(gate.app.sessions) == 0


HOSTS = [
    # host, on loopback, allowed list, allowed
    ("127.0.0.1:8080", True, (), True),
    ("localhost", True, (), True),
    ("[::1]:8080", True, (), True),
    ("evil.example", True, (), False),
    ("localhost.evil.example:8080", True, (), False),
    ("localhost:port", True, (), False),
    ("", True, (), False),
    ("gate.example", True, ("gate.example",), True),
    ("gate.example:8080", True, ("gate.example",), True),
    ("GATE.example:8080", True, ("gate.example:8080",), True),
    ("gate.example:9090", True, ("gate.example:8080",), False),
    ("anything.example", False, (), True),
    ("anything.example", False, ("gate.example",), False),
    ("localhost", False, ("gate.example",), False),
]


@pytest.mark.parametrize(("host", "on_loopback", "allowed", "comes_in"), HOSTS)
async def test_a_request_must_be_meant_for_us(
    gate: Any, talk: Any, host: str, on_loopback: bool, allowed: tuple[str, ...], comes_in: bool
) -> None:
    gate.rebuild(admission=Admission(on_loopback, allowed))
    request = gate.http.build_request(
        "POST", "/mcp", content=json.dumps(talk.opening()), headers={"content-type": "application/json", "host": host}
    )
    answer = await gate.http.send(request)
    assert answer.status_code == (200 if comes_in else 400)
    if not comes_in:
        assert answer.text == "Host not allowed"


async def test_a_browser_may_ask_first_and_needs_no_token_for_that(gate: Any) -> None:
    gate.rebuild(tokens=("secret",), admission=Admission(allowed_origins=(PAGE,)))
    asked = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "mcp-session-id"}
    answer = await gate.http.options("/mcp", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "DELETE" in answer.headers["access-control-allow-methods"]
    for name in ("Authorization", "Mcp-Session-Id", "Mcp-Protocol-Version", "Last-Event-ID", "Content-Type"):
        assert name.lower() in answer.headers["access-control-allow-headers"].lower()
    assert (await gate.http.options("/mcp", headers=asked | {"origin": "https://evil.example"})).status_code == 403


async def test_a_page_may_read_the_session_id_and_every_refusal(gate: Any, talk: Any) -> None:
    gate.rebuild(tokens=("secret",), admission=Admission(allowed_origins=(PAGE,)))
    for headers in ({"authorization": "Bearer secret"}, {}):
        answer = await gate.post(talk.opening(), origin=PAGE, **headers)
        assert "Mcp-Session-Id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"


async def test_whatever_path_is_asked_for_needs_a_token_and_each_refusal_is_told(gate: Any, talk: Any) -> None:
    gate.rebuild(tokens=("secret",))
    assert (await gate.post(talk.opening())).status_code == 401
    assert (await gate.post(talk.opening(), authorization="Bearer wrong")).status_code == 401
    assert (await gate.http.get("/elsewhere")).status_code == 401
    assert [status for status, _ in gate.refusals] == [401, 401, 401]


async def test_probes_are_answered_without_a_token(gate: Any) -> None:
    gate.rebuild(tokens=("secret",))
    for path in ("/health", "/livez", "/readyz"):
        assert (await gate.http.get(path)).json() == {"status": "ok"}
        assert (await gate.http.head(path)).content == b""
        assert (await gate.http.post(path)).status_code == 405
    gate.app.is_ready = lambda: False
    assert [(await gate.http.get(path)).status_code for path in ("/health", "/livez", "/readyz")] == [200, 200, 503]


async def test_other_paths_lead_nowhere(gate: Any) -> None:
    assert (await gate.http.get("/elsewhere")).status_code == 404


async def test_a_drain_lets_calls_end_and_takes_no_new_ones(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await gate.post(talk.calling("chatty"), session))

    nursery.start_soon(call)
    async with gate.stream("GET", session) as stream:
        await trio.sleep(2)
        gate.app.drain()
        assert await stream.rest() == []
        assert trio.current_time() == 2
    refused = await gate.post(talk.calling("echo", 2), session)
    assert refused.status_code == 503
    assert refused.headers["connection"] == "close"
    assert (await gate.http.get("/readyz")).status_code == 503
    assert (await gate.http.get("/livez")).status_code == 200
    await trio.sleep(5)
    assert b"done" in answers[0].content


async def test_calls_that_outlive_the_drain_are_answered(gate: Any, talk: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    session = await gate.open()
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await gate.post(talk.calling("slow", 3), session))

    async with trio.open_nursery() as calls:
        gate.endpoint.calls = calls
        nursery.start_soon(call)
        await trio.sleep(1)
        gate.app.drain()
        calls.cancel_scope.cancel()
    await trio.sleep(0.1)
    assert answers[0].json()["error"]["code"] == -32800
    assert answers[0].json()["id"] == 3


async def test_the_life_of_an_asgi_server_is_tolerated(gate: Any) -> None:
    said: list[str] = []
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, object]:
        await trio.lowlevel.checkpoint()
        return {"type": next(events)}

    async def send(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        said.append(message["type"])

    await gate.app({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_foreign_server_may_cancel_its_request_and_the_call_goes_on(gate: Any, talk: Any, autojump_clock: object) -> None:
    session = await gate.open()
    body = json.dumps(talk.calling("chatty")).encode()
    headers = {b"host": b"localhost", b"content-type": b"application/json", b"mcp-session-id": session.encode()}
    asked = False

    async def receive() -> dict[str, object]:
        nonlocal asked
        if asked:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        asked = True
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        await trio.lowlevel.checkpoint()

    with trio.move_on_after(2.5):
        await gate.app({"type": "http", "method": "POST", "path": "/mcp", "headers": list(headers.items())}, receive, send)
    async with gate.stream("GET", session, last_event_id="1-2") as stream:
        assert [event.id for event in await stream.rest()] == ["1-3", "1-4"]


class Wishful:
    """Faults on purpose, which somebody asks for (implements `Wishes`)."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def wished(self, text: str) -> AbstractContextManager[None]:
        if text == "nonsense":
            raise ValueError("there is no such fault")
        self.asked.append(text)
        return nullcontext()

    def health(self) -> dict[str, object]:
        return {"asked": len(self.asked)}


@pytest.mark.parametrize(
    ("on_loopback", "client", "proxied", "is_heard"),
    [
        (True, "127.0.0.1", {}, True),
        (True, "10.0.0.7", {}, False),
        (False, "127.0.0.1", {}, False),
        (True, "127.0.0.1", {"x_forwarded_for": "10.0.0.7"}, False),
    ],
)
async def test_faults_are_there_for_this_machine_alone(
    gate: Any, talk: Any, on_loopback: bool, client: str, proxied: dict[str, str], is_heard: bool
) -> None:
    wishful = Wishful()
    gate.rebuild(admission=Admission(on_loopback=on_loopback), wishes=wishful)
    gate.transport.client = (client, 50000)
    assert (await gate.post(talk.opening(), x_sluicegate_fault="reset", **proxied)).status_code == 200
    assert wishful.asked == ["reset"] * is_heard
    wrong = await gate.post(talk.opening(), x_sluicegate_fault="nonsense", **proxied)
    assert wrong.status_code == (400 if is_heard else 200)
    assert gate.refusals == [(400, "X-Sluicegate-Fault: there is no such fault")] * is_heard
    assert (await gate.http.get("/health")).json() == {"status": "ok", "faults": {"asked": len(wishful.asked)}}


async def test_what_goes_on_beside_the_requests_is_begun(gate: Any, nursery: trio.Nursery, autojump_clock: object) -> None:
    gate.rebuild(limits=Limits(session_idle_seconds=100))
    gate.app.begin(nursery)
    await gate.open()
    await trio.sleep(90)
    assert len(gate.app.sessions) == 1
    await trio.sleep(60)
    assert len(gate.app.sessions) == 0
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("method", "header", "status"),
    [
        ("POST", (b"host", b"evil.example"), 400),
        ("POST", (b"origin", b"https://evil.example"), 403),
        ("POST", (b"authorization", b"Bearer wrong"), 401),
        ("OPTIONS", (b"origin", b"http://localhost"), 204),
        ("PATCH", (b"x-nothing", b""), 405),
        ("POST", (b"accept", b"text/plain"), 406),
        ("POST", (b"content-type", b"text/plain"), 415),
        ("POST", (b"content-encoding", b"gzip"), 415),
        ("POST", (b"content-length", b"5000"), 413),
        ("POST", (b"mcp-session-id", b"another"), 404),
        ("POST", (b"mcp-protocol-version", b"1999-01-01"), 400),
        ("POST", (b"mcp-name", b"another"), 400),
        ("GET", (b"accept", b"application/json"), 406),
        ("GET", (b"last-event-id", b"7-1"), 400),
        ("GET", (b"last-event-id", b"odd"), 400),
    ],
)
async def test_who_is_refused_is_answered_once_and_nothing_is_done(
    method: str, header: tuple[bytes, bytes], status: int, gate: Any, talk: Any, tools: Any
) -> None:
    done: list[str] = []

    async def act(call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        done.append(call.target)
        return Reply()

    tools["act"] = act
    gate.rebuild(tokens=("right",))
    session = await gate.open(authorization="Bearer right")
    headers = {
        b"host": b"127.0.0.1:8080",
        b"accept": talk.both.encode(),
        b"authorization": b"Bearer right",
        b"content-type": b"application/json",
        b"mcp-session-id": session.encode(),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": json.dumps(talk.calling("act")).encode(), "more_body": False}

    async def send(event: Any) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(event)

    for more, expected in ((dict([header]), status), ({}, 200)):
        sent.clear()
        gate.refusals.clear()
        scope = {"type": "http", "method": method if more else "POST", "path": "/mcp", "headers": list((headers | more).items())}
        await gate.app(scope, receive, send)
        assert [(event["type"], event.get("status")) for event in sent] == [("http.response.start", expected), ("http.response.body", None)]
        assert done == ([] if more else ["act"])
        assert [refused for refused, _reason in gate.refusals] == [expected] * (expected >= 400)

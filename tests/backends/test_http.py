"""The HTTP backend against a scripted endpoint: answers, failures, sessions. In memory, on the mock clock."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import msgspec
import pytest
import trio
from tests.kit.endpoint import Answer, ScriptedEndpoint
from tests.kit.heard import Heard
from tests.kit.site import Site, open_site

from sluicegate.backends.handshake import shake_hands
from sluicegate.backends.http.connector import HttpConnector
from sluicegate.backends.session import BackendSession, ConnectFailed
from sluicegate.http1.server.server import HangUp
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.faults import Cause, Fault
from sluicegate.protocol.messages import Raw, encode

URL = "http://backend.test/mcp"


@attrs.define
class Bench:
    """A session with a scripted endpoint, and all that a test looks at."""

    session: BackendSession
    site: Site
    heard: Heard

    async def call(self, name: str = "echo") -> Reply:
        return await self.session.request(call(name))

    async def fault(self, name: str = "echo") -> Fault:
        reply = await self.call(name)
        assert reply.fault is not None
        return reply.fault


def call(name: str = "echo") -> Call:
    return Call("tools/call", name, {"name": Raw(msgspec.json.encode(name))})


@asynccontextmanager
async def bench(endpoint: ScriptedEndpoint, *, limit: int = 10_000, **headers: str) -> AsyncGenerator[Bench]:
    """Open a session, shake hands; afterwards nothing of it may be left."""
    async with open_site(endpoint) as site:
        heard = Heard()
        connector = HttpConnector("web", URL, headers, site.open_stream, max_message_size=limit)
        async with connector(heard) as session:
            await shake_hands(session, name="test", version="1")
            yield Bench(session, site, heard)


async def test_a_session_is_opened_used_and_ended(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint()
    async with bench(endpoint, Authorization="Bearer t") as web:
        assert (await web.call()).text == "call 2"
        await trio.testing.wait_all_tasks_blocked()
    assert sorted(endpoint.methods(), key=_ORDER.index) == ["initialize", "notifications/initialized", "tools/call", "GET", "DELETE"]
    assert {"Bearer t"} == {answer.headers["authorization"] for answer in endpoint.seen}
    assert {"identity"} == {answer.headers["accept-encoding"] for answer in endpoint.seen}
    assert [answer.headers["mcp-session-id"] for answer in endpoint.seen[1:]] == ["session-1"] * 4
    assert [answer.headers["mcp-protocol-version"] for answer in endpoint.seen[1:]] == ["2025-11-25"] * 4
    assert "mcp-session-id" not in endpoint.seen[0].headers
    post = next(answer for answer in endpoint.seen if answer.method == "tools/call")
    assert (post.headers["mcp-method"], post.headers["mcp-name"]) == ("tools/call", "echo")


_ORDER = ["initialize", "notifications/initialized", "tools/call", "GET", "DELETE"]


async def test_no_call_overtakes_the_initialized_notification(autojump_clock: trio.testing.MockClock) -> None:
    async def slowly(answer: Answer) -> None:
        await trio.sleep(2)
        await answer.send(202)

    async with bench(ScriptedEndpoint(on={"notifications/initialized": slowly})) as web:
        assert (await web.call()).fault is None
        assert trio.current_time() == 2.0


async def test_a_stateless_backend_has_no_standing_stream_and_no_farewell(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint(stateful=False)
    async with bench(endpoint) as web:
        assert (await web.call()).fault is None
        await trio.testing.wait_all_tasks_blocked()
    assert endpoint.methods() == ["initialize", "notifications/initialized", "tools/call"]


async def test_a_lost_session_is_opened_once_and_every_call_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint()
    replies: list[Reply] = []
    async with bench(endpoint) as web:
        await web.call()
        endpoint.forget()

        async def one() -> None:
            replies.append(await web.call())

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(one)
        assert [reply.fault for reply in replies] == [None] * 10
        assert endpoint.methods().count("initialize") == 2
        await trio.testing.wait_all_tasks_blocked()
        assert "notifications/tools/list_changed" in web.heard.methods
        calls = [answer.headers.get("mcp-session-id") for answer in endpoint.seen if answer.method == "tools/call"]
        assert calls.count("session-2") == 10  # each once; one whose connection was slow to come about may have met the old session last
        assert {answer.headers.get("mcp-session-id") for answer in endpoint.seen if answer.verb == "GET"} == {"session-1", "session-2"}


async def test_a_cancelled_caller_does_not_stop_the_reopening_for_others(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint()

    async def slowly(answer: Answer) -> None:
        await trio.sleep(3)
        await endpoint.open(answer)

    async with bench(endpoint) as web:
        endpoint.forget()
        endpoint.on["initialize"] = slowly
        with trio.move_on_after(1):
            await web.call()
        assert (await web.call()).fault is None
        assert trio.current_time() == 3.0
    assert endpoint.methods().count("initialize") == 2


async def test_a_reopening_that_fails_ends_the_session(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint()

    async def refuse(answer: Answer) -> None:
        await answer.send(500, b"no room")

    async with bench(endpoint) as web:
        endpoint.forget()
        endpoint.on["initialize"] = refuse
        fault = await web.fault()
        assert (fault.cause, fault.started) == (Cause.UNAVAILABLE, False)
        assert "no room" in str(await web.session.wait_closed())


async def test_a_session_that_is_lost_at_once_again_is_not_reopened_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    async def never(answer: Answer) -> None:
        await answer.send(404)

    endpoint = ScriptedEndpoint(on={"tools/call": never})
    async with bench(endpoint) as web:
        assert Cause.UNAVAILABLE is (await web.fault()).cause
    assert endpoint.methods().count("tools/call") == 2


async def test_one_failed_request_hurts_no_other(autojump_clock: trio.testing.MockClock) -> None:
    """A broken stream, a hang-up, an error page and a timeout, beside one call that works (LIM-2)."""

    async def run(answer: Answer) -> None:
        match answer.message["params"]["name"]:
            case "slow":
                await trio.sleep(60)
                await answer.result({"content": [{"type": "text", "text": "done"}]})
            case "hangup":
                raise HangUp
            case "broken":
                await answer.stream()
                raise HangUp
            case "page":
                await answer.send(500, b"<h1>Boom</h1>", content_type="text/html")
            case _:
                await trio.sleep_forever()

    replies: dict[str, Reply] = {}
    async with bench(ScriptedEndpoint(on={"tools/call": run})) as web:

        async def one(name: str) -> None:
            with trio.move_on_after(5 if name == "hang" else 100):
                replies[name] = await web.call(name)

        async with trio.open_nursery() as nursery:
            for name in ("slow", "hangup", "broken", "page", "hang"):
                nursery.start_soon(one, name)
        assert replies["slow"].text == "done"
        assert "hang" not in replies
        faults = {name: reply.fault for name, reply in replies.items() if reply.fault is not None}
        assert {"hangup", "broken", "page"} == set(faults)
        assert {(Cause.TRANSPORT, True)} == {(fault.cause, fault.started) for fault in faults.values()}
        assert faults["page"].message == "backend 'web' answered HTTP 500"
        assert "HTTP 500: <h1>Boom</h1>" in faults["page"].told


@pytest.mark.parametrize(("status", "started"), [(500, True), (502, True), (503, False), (429, False), (401, False), (400, False)])
async def test_a_status_tells_whether_the_call_may_have_started(status: int, started: bool, autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(answer: Answer) -> None:
        await answer.send(status, b"sorry")

    async with bench(ScriptedEndpoint(on={"tools/call": refuse})) as web:
        fault = await web.fault()
        assert (started, "http_status") == (fault.started, fault.reason)
        assert ("bearer_token" in fault.hint) == (status == 401)


async def test_a_json_rpc_error_keeps_its_code_whatever_the_status(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(answer: Answer) -> None:
        await answer.json({"jsonrpc": "2.0", "id": None, "error": {"code": -31999, "message": "no", "data": [1]}}, 418)

    async with bench(ScriptedEndpoint(on={"tools/call": refuse})) as web:
        fault = await web.fault()
        assert fault.encode() == b'{"code":-31999,"message":"no","data":[1]}'


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"\xef\xbb\xbf" * 3, b"[]", b'{"jsonrpc":"2.0","id":99,"result":{}}', b'{"jsonrpc":"2.0"}', b"\xff"]
)
async def test_an_answer_that_is_none_is_a_clear_fault(body: bytes, autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.send(200, body, content_type="application/json")

    async with bench(ScriptedEndpoint(on={"tools/call": talk})) as web:
        assert (await web.fault()).reason == "bad_answer"


@pytest.mark.parametrize("form", ["text id", "batch"])
async def test_answers_in_odd_forms_are_understood(form: str, autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        response = answer.response(result={"ok": True})
        await answer.json([response] if form == "batch" else response | {"id": str(response["id"])})

    async with bench(ScriptedEndpoint(on={"tools/call": talk})) as web:
        assert (await web.call()).value == {"ok": True}


async def test_a_byte_order_mark_before_an_answer_is_ignored(autojump_clock: trio.testing.MockClock) -> None:
    async def talk(answer: Answer) -> None:
        await answer.send(200, b"\xef\xbb\xbf" + encode(answer.response(result={"ok": True})), content_type="application/json")

    async with bench(ScriptedEndpoint(on={"tools/call": talk})) as web:
        assert (await web.call()).value == {"ok": True}


async def test_a_compressed_answer_that_nobody_asked_for_is_a_clear_fault(autojump_clock: trio.testing.MockClock) -> None:
    async def squeeze(answer: Answer) -> None:
        await answer.result({}, content_encoding="gzip")

    async with bench(ScriptedEndpoint(on={"tools/call": squeeze})) as web:
        assert "compressed" in (await web.fault()).message


async def test_an_oversized_body_is_cut_and_costs_one_call(autojump_clock: trio.testing.MockClock) -> None:
    sent = 0

    async def flood(answer: Answer) -> None:
        nonlocal sent
        if answer.message["params"]["name"] == "small":
            await answer.result({})
            return
        await answer._head(200, {"content_type": "application/json"})
        while True:
            await answer._send({"type": "http.response.body", "body": b" " * 1000, "more_body": True})
            sent += 1

    async with bench(ScriptedEndpoint(on={"tools/call": flood})) as web:
        assert "larger than 10000 bytes" in (await web.fault()).message
        assert (await web.call("small")).fault is None
        assert sent < 40


async def test_a_redirect_within_the_origin_is_followed_with_headers_and_body(autojump_clock: trio.testing.MockClock) -> None:
    async def move(answer: Answer) -> None:
        if answer.url.endswith("/"):
            await answer.result({"ok": True})
        else:
            await answer.send(307, location="/mcp/")

    endpoint = ScriptedEndpoint(on={"tools/call": move})
    async with bench(endpoint, Authorization="Bearer t") as web:
        assert (await web.call()).value == {"ok": True}
    moved = next(answer for answer in endpoint.seen if answer.url.endswith("/mcp/"))
    assert (moved.headers["authorization"], moved.headers["mcp-session-id"]) == ("Bearer t", "session-1")


@pytest.mark.parametrize(
    "location", ["http://evil.test/mcp", "https://backend.test/mcp", "http://backend.test:81/mcp", "//evil.test/", "", "http://[oops"]
)
async def test_a_redirect_to_another_origin_is_refused_and_never_contacted(location: str, autojump_clock: trio.testing.MockClock) -> None:
    async def move(answer: Answer) -> None:
        await answer.send(307, location=location)

    endpoint = ScriptedEndpoint(on={"tools/call": move})
    async with bench(endpoint) as web:
        fault = await web.fault()
        assert (fault.cause, fault.started) == (Cause.UNAVAILABLE, False)
        assert (await web.session.request(Call("prompts/get", "p", {}))).fault is None  # the session lives on
    assert {URL} == {answer.url for answer in endpoint.seen}


async def test_a_redirect_in_circles_ends(autojump_clock: trio.testing.MockClock) -> None:
    moves, asked = math.inf, 0

    async def move(answer: Answer) -> None:
        nonlocal asked
        asked += 1
        if asked > moves:
            await answer.result({"ok": True})
        else:
            await answer.send(308, location="/mcp")

    async with bench(ScriptedEndpoint(on={"tools/call": move})) as web:
        assert "more than 3 times" in (await web.fault()).message
        assert asked == 4
        moves, asked = 3, 0
        assert (await web.call()).value == {"ok": True}


async def test_a_refused_connection_is_no_start_and_ends_the_session(autojump_clock: trio.testing.MockClock) -> None:
    async with bench(ScriptedEndpoint(stateful=False)) as web:
        await web.site.stop()
        fault = await web.fault()
        assert (fault.cause, fault.started, fault.counts_against_backend) == (Cause.TRANSPORT, False, True)
        assert "http://backend.test" in str(await web.session.wait_closed())
        assert Cause.UNAVAILABLE is (await web.fault()).cause


async def test_a_refused_connection_leaves_older_calls_alone(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(answer: Answer) -> None:
        await trio.sleep(10)
        await answer.result({"ok": True})

    replies: list[Reply] = []
    async with bench(ScriptedEndpoint(on={"tools/call": slow}, stateful=False)) as web:

        async def one() -> None:
            replies.append(await web.call())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            await trio.sleep(1)
            await web.site.stop()
            assert Cause.TRANSPORT is (await web.fault()).cause
        assert replies[0].value == {"ok": True}
        await web.site.start()
        assert (await web.call()).fault is None  # the answer showed that the backend lives


async def test_leaving_answers_the_calls_that_are_still_on_their_way(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(answer: Answer) -> None:
        await answer.wait_gone()

    faults: list[Fault] = []
    async with trio.open_nursery() as nursery, bench(ScriptedEndpoint(on={"tools/call": hang})) as web:

        async def one() -> None:
            faults.append(await web.fault())

        nursery.start_soon(one)
        await trio.sleep(1)
    assert [fault.cause for fault in faults] == [Cause.TRANSPORT]
    assert Cause.UNAVAILABLE is (await web.fault()).cause


async def test_a_backend_that_ignores_delete_delays_leaving_by_two_seconds(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(answer: Answer) -> None:
        await answer.wait_gone()

    async with bench(ScriptedEndpoint(on={"DELETE": hang})):
        pass
    assert trio.current_time() == 2.0


async def test_a_cancelled_call_tells_the_backend(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(answer: Answer) -> None:
        await answer.wait_gone()

    endpoint = ScriptedEndpoint(on={"tools/call": hang})
    async with bench(endpoint) as web:
        with trio.move_on_after(1):
            await web.call()
        await trio.testing.wait_all_tasks_blocked()
        told = next(answer.message for answer in endpoint.seen if answer.method == "notifications/cancelled")
        asked = next(answer.message for answer in endpoint.seen if answer.method == "tools/call")
        assert asked["id"] == told["params"]["requestId"]


@pytest.mark.parametrize(
    ("url", "headers"), [("ftp://x/", {}), ("http://", {}), ("http://x:port/", {}), (URL, {"X-Bad": "a\r\nb"}), (URL, {"Ä": "x"})]
)
async def test_a_url_or_header_that_cannot_be_used_fails_to_connect(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(ConnectFailed, match="url or headers"):
        async with HttpConnector("web", url, headers)(Heard()):
            pass


async def test_credentials_in_a_url_become_a_header(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint()
    async with open_site(endpoint) as site:
        connector = HttpConnector("web", "http://me:s%20cret@backend.test/mcp", {}, site.open_stream)
        async with connector(Heard()) as session:
            await shake_hands(session, name="test", version="1")
    assert endpoint.seen[0].headers["authorization"] == "Basic bWU6cyBjcmV0"
    assert "cret" not in repr(connector)


async def test_a_configured_host_stands_in_every_request(autojump_clock: trio.testing.MockClock) -> None:
    """For servers that go by it, such as those that only believe in localhost."""
    endpoint = ScriptedEndpoint()
    async with bench(endpoint, Host="localhost:1234") as web:
        assert (await web.call()).fault is None
        assert {("backend.test", 80)} == set(web.site.dialled)
    assert {"localhost:1234"} == {answer.headers["host"] for answer in endpoint.seen}


async def test_a_notification_whose_answer_has_no_end_delays_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """Many servers send 202 and neither a body nor its length; others begin a stream and never end it."""

    async def begin(answer: Answer) -> None:
        await answer.stream()
        await answer.wait_gone()

    async with bench(ScriptedEndpoint(on={"notifications/initialized": begin})) as web:
        assert (await web.call()).fault is None
        assert trio.current_time() == pytest.approx(0.05)


async def test_no_more_notifications_wait_than_a_backend_can_be_expected_to_take(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def slowly(answer: Answer) -> None:
        await trio.sleep(1)
        await answer.send(202)

    endpoint = ScriptedEndpoint(stateful=False, on={"notifications/roots/list_changed": slowly})
    async with bench(endpoint) as web:
        await web.call()
        for sent in (256, 2 * 256 + 1):
            for _ in range(6):
                for _ in range(50):
                    web.session.tell("notifications/roots/list_changed", {})
                await trio.testing.wait_all_tasks_blocked()
            count = endpoint.methods().count("notifications/roots/list_changed")
            assert count == sent
            await trio.sleep(2)
            web.session.tell("notifications/roots/list_changed", {})
            await trio.sleep(1)
            count = endpoint.methods().count("notifications/roots/list_changed")
            assert count == sent + 1
    dropped = [record.levelname for record in caplog.records if "takes no notifications; one is dropped" in record.getMessage()]
    assert dropped == ["WARNING"] * 2 * 44


async def test_a_backend_that_loses_every_session_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    """Several copies behind one address do that if they do not share their sessions: each request may meet another copy."""
    endpoint = ScriptedEndpoint()
    async with bench(endpoint) as web:
        for _ in range(10):
            endpoint.forget()
            assert (await web.call()).fault is None
            await trio.sleep(5)
        endpoint.forget()
        fault = await web.fault()
        why = str(await web.session.wait_closed())
        assert fault.reason == "backend_unavailable"
        assert "lost 10 sessions within 60 s" in why
        assert endpoint.methods().count("initialize") == 11


async def test_a_session_lost_now_and_then_is_opened_again_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = ScriptedEndpoint()
    async with bench(endpoint) as web:
        for _ in range(50):
            endpoint.forget()
            assert (await web.call()).fault is None
            await trio.sleep(7)

"""Refusals, as operators see them: what to do is in the log, and what is nobody's business is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.kit.messages import PING

from sluicegate.frontends.admission import Admission
from sluicegate.frontends.endpoint import Limits
from sluicegate.frontends.paths import page
from sluicegate.observe.refusals import Refusals

TOKEN = "hush-hush-hush"
ENDPOINT = "GET, POST, DELETE, OPTIONS"
GOOD = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def watched(gate: Any, caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level("INFO", "sluicegate")
    gate.endpoint.door.count = Refusals()
    return gate


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[object, object]]:
    return [(vars(record)["status"], vars(record)["reason"]) for record in caplog.records if record.name == "sluicegate.refused"]


def advice(caplog: pytest.LogCaptureFixture) -> list[tuple[object, object]]:
    return [(vars(record)["value"], vars(record)["setting"]) for record in caplog.records if "that a setting can allow" in str(record.msg)]


async def test_a_foreign_host_is_told_of_with_the_setting_that_allows_it(watched: Any, talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(10):
        answer = await watched.post(talk.opening(), host="mcp.example.com")
        assert (answer.status_code, answer.text) == (400, "Host not allowed")
    assert advice(caplog) == [("mcp.example.com", "security.allowed_hosts, or run --allowed-host")]
    assert lines(caplog) == [(400, "Host not allowed")]


async def test_a_foreign_page_is_told_of_with_the_setting_that_allows_it(watched: Any, talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert (await watched.post(talk.opening(), origin="https://app.example")).status_code == 403
    assert advice(caplog) == [("https://app.example", "security.allowed_origins")]
    assert lines(caplog) == [(403, "Cross-origin requests not allowed")]


@pytest.mark.parametrize("host", ["a\tb", "x" * 500, "<script>"])
async def test_a_host_that_is_none_is_not_shown(watched: Any, talk: Any, caplog: pytest.LogCaptureFixture, host: str) -> None:
    await watched.post(talk.opening(), host=host)
    assert [value for value, _ in advice(caplog)] == ["unreadable"]


@pytest.mark.parametrize(
    ("allowed", "host", "comes_in"),
    [
        ("*", "gate.example:1", True),
        ("gate.example:*", "gate.example:1", True),
        ("gate.example:*", "other.example:1", False),
        ("[::1]:*", "[::1]:80", True),
    ],
)
async def test_a_star_allows_any_name_or_any_port(gate: Any, talk: Any, allowed: str, host: str, comes_in: bool) -> None:
    gate.rebuild(admission=Admission(on_loopback=False, allowed_hosts=(allowed,)))
    assert (await gate.post(talk.opening(), host=host)).status_code == (200 if comes_in else 400)


@pytest.mark.parametrize(
    ("path", "allowed"), [("/livez", "GET, HEAD"), ("/readyz", "GET, HEAD"), ("/metrics", "GET, HEAD, OPTIONS"), ("/mcp", ENDPOINT)]
)
async def test_who_comes_by_another_method_is_told_of_those_that_there_are(
    watched: Any, path: str, allowed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And a browser may ask beforehand wherever it matters where it comes from."""

    async def metrics() -> bytes:
        raise AssertionError

    watched.app.paths.add("/metrics", page(metrics, b"text/plain"))
    answer = await watched.http.request("PUT" if path == "/mcp" else "POST", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert ("GET, POST and DELETE" if path == "/mcp" else "GET and HEAD") in answer.text
    assert answer.headers["content-type"] == ("application/json" if path == "/mcp" else "text/plain; charset=utf-8")
    assert len(lines(caplog)) == 1
    asked = await watched.http.options(path)
    assert (asked.status_code, asked.headers["allow"]) == (204 if "OPTIONS" in allowed else 405, allowed)


async def test_every_refusal_says_why_is_told_of_and_gives_nothing_away(watched: Any, talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One of each kind, with a token, a session id and a text of the caller that are nobody's business."""
    watched.rebuild(tokens=(TOKEN,), limits=Limits(max_body_size=1000, max_sessions_per_principal=1, max_streams_per_session=1))
    session = await watched.open(**GOOD)
    stolen = session[:-1] + ("A" if session[-1] != "A" else "B")
    sent = {"content-type": "application/json", "accept": talk.both, "mcp-session-id": session} | GOOD
    answers = [
        await watched.post(PING, session, authorization=f"Bearer {TOKEN}x"),
        await watched.post(PING, session),
        await watched.post(PING, stolen, **GOOD),
        await watched.post(PING, **GOOD),
        await watched.post({"jsonrpc": "2.0", "id": 1, "method": "ping", "Method": "private"}, session, **GOOD),
        await watched.post(b'{"jsonrpc":"2.0","id":1,"method":"private', session, **GOOD),
        await watched.post(PING, session, mcp_protocol_version="private", **GOOD),
        await watched.post(PING, session, mcp_method="private", **GOOD),
        await watched.post(PING, session, accept="text/private", **GOOD),
        await watched.post(PING, session, content_type="text/private", **GOOD),
        await watched.post({"private": "x" * 2000}, session, **GOOD),
        await watched.http.get("/mcp", headers=sent | {"last-event-id": "private"}),
        await watched.http.put("/mcp", headers=sent),
        await watched.http.get("/private", headers=sent),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 404, 400, 400, 400, 400, 400, 406, 415, 413, 400, 405, 404]
    for answer in answers:
        text = answer.json()["error"]["message"] if answer.headers["content-type"] == "application/json" else answer.text
        assert len(text.split()) > 2
        assert TOKEN not in answer.text
        assert session not in answer.text
    assert len(lines(caplog)) == len(answers)
    assert session not in repr(watched.app.sessions)
    everything = json.dumps([[str(value) for value in vars(record).values()] for record in caplog.records])
    assert [secret for secret in (TOKEN, session, stolen, "private") if secret in everything] == []

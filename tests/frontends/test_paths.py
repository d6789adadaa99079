"""The table of paths: what a program adds is behind the same guards, and 404 and 405 follow from what is there."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sluicegate.frontends.admission import Admission
from sluicegate.frontends.paths import Guard, HttpRoute, Paths, mounted, page, read_only

PAGE = "https://app.example"
TOKEN = {"authorization": "Bearer hush-hush-hush"}


async def _say(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.url.path}", headers={"x-own": "yes"})


def app(*paths: str) -> Starlette:
    return Starlette(routes=[Route(path, _say, methods=["GET", "POST", "DELETE"]) for path in paths])


@pytest.mark.parametrize(
    ("guard", "headers", "status"),
    [
        (Guard.OPEN, {}, 200),
        (Guard.OPEN, {"host": "evil.example", "origin": "https://evil.example"}, 200),
        (Guard.HOSTS, {}, 200),
        (Guard.HOSTS, {"host": "evil.example"}, 400),
        (Guard.HOSTS, {"origin": "https://evil.example"}, 403),
        (Guard.TOKEN, {}, 401),
        (Guard.TOKEN, TOKEN, 200),
        (Guard.TOKEN, TOKEN | {"host": "evil.example"}, 400),
        (Guard.TOKEN, TOKEN | {"origin": "https://evil.example"}, 403),
    ],
)
async def test_a_guard_says_who_may_come_in(gate: Any, guard: Guard, headers: dict[str, str], status: int) -> None:
    gate.rebuild(tokens=("hush-hush-hush",))
    gate.app.paths.add("/own", mounted(app("/own"), "/own", guard))
    assert (await gate.http.get("/own", headers=headers)).status_code == status
    assert [refused for refused, _reason in gate.refusals] == [status] * (status != 200)


@pytest.mark.parametrize(("guard", "is_told"), [(Guard.OPEN, False), (Guard.HOSTS, True), (Guard.TOKEN, True)])
async def test_a_page_may_read_an_application_where_its_origin_is_looked_at(gate: Any, guard: Guard, is_told: bool) -> None:
    gate.rebuild(admission=Admission(allowed_origins=(PAGE,)))
    gate.app.paths.add("/own", mounted(app("/own"), "/own", guard))
    answer = await gate.http.post("/own", headers={"origin": PAGE})
    assert (answer.text, answer.headers["x-own"]) == ("POST /own", "yes")
    assert ("access-control-allow-origin" in answer.headers) is is_told
    asked = await gate.http.options("/own", headers={"origin": PAGE})
    assert asked.status_code == (204 if is_told else 405)  # the application's own answer


async def test_all_below_a_path_is_an_applications_but_for_what_has_a_row_of_its_own(gate: Any) -> None:
    async def render() -> bytes:
        return b"row"

    gate.app.paths.add("/own/*", mounted(app("/", "/deep/er", "/row"), "/own/*"))
    gate.app.paths.add("/own/deep/*", mounted(app("/er", "/er/still"), "/own/deep/*"))
    gate.app.paths.add("/own/row", page(render, b"text/plain"))
    paths = ["/own/", "/own/deep/er", "/own/deep/er/still", "/own/row", "/own", "/owner", "/own/deep", "/elsewhere"]
    answers = [await gate.http.get(path) for path in paths]
    assert [(answer.status_code, answer.text) for answer in answers] == [
        (200, "GET /own/"),
        (200, "GET /own/deep/er"),
        (200, "GET /own/deep/er/still"),
        (200, "row"),
        (404, "Not Found: the MCP endpoint is /mcp"),
        (404, "Not Found: the MCP endpoint is /mcp"),
        (404, "Not Found"),
        (404, "Not Found: the MCP endpoint is /mcp"),
    ]


async def test_a_row_that_is_only_read_answers_head_without_its_body(gate: Any) -> None:
    async def render() -> bytes:
        return b"text"

    gate.app.paths.add("/own", page(render, b"text/plain", Guard.OPEN))
    answer = await gate.http.head("/own")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "4")


@pytest.mark.parametrize("path", ["own", "", "*", "/*/own", "/own*", "/own/**"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path: write '/name'"):
        Paths(HttpRoute({})).add(path, HttpRoute({}))


async def test_what_is_there_is_not_replaced(gate: Any) -> None:
    for path in ("/mcp", "/livez", "/"):
        with pytest.raises(ValueError, match="is taken"):
            gate.app.paths.add(path, HttpRoute({}))


async def test_allow_and_the_words_of_a_refusal_follow_from_the_row(gate: Any) -> None:
    async def answer(*_: object) -> None:
        raise AssertionError

    one, three = HttpRoute({"PATCH": answer}, Guard.OPEN), HttpRoute({"GET": answer, "PUT": answer, "PATCH": answer}, Guard.HOSTS)
    assert (one.allow, one.purpose) == ((b"allow", b"PATCH"), "this path is there for PATCH")
    assert (three.allow, three.purpose) == ((b"allow", b"GET, PUT, PATCH, OPTIONS"), "this path is there for GET, PUT and PATCH")
    assert read_only(answer).allow == (b"allow", b"GET, HEAD, OPTIONS")
    gate.app.paths.add("/own", three)
    refused = await gate.http.delete("/own")
    assert (refused.status_code, refused.headers["allow"], refused.text) == (405, "GET, PUT, PATCH, OPTIONS", three.purpose)

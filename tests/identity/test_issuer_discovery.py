"""What an issuer says of itself: where it is looked for, what is believed, and how long it holds."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import trio

from sluicegate.identity.fetching import LARGEST, Fetched, Fetcher, Unfetched
from sluicegate.identity.issuer_discovery import IssuerDiscovery, ServerMetadata, addresses, may_be_asked, read
from sluicegate.testing.memory_web import MemoryWeb

ISSUER = "https://id.example"
DOCUMENT = {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks", "introspection_endpoint": "https://id.example/introspect"}
FOUND = ServerMetadata(ISSUER, "https://keys.example/jwks", "https://id.example/introspect")
Answer = Callable[[httpx2.Request], Awaitable[httpx2.Response]]


def serving(documents: Mapping[str, object]) -> Answer:
    """A site that has these documents by path, and 404 for all others."""

    async def answer(request: httpx2.Request) -> httpx2.Response:
        found = documents.get(request.url.path)
        return httpx2.Response(404) if found is None else httpx2.Response(200, content=json.dumps(found).encode())

    return answer


@asynccontextmanager
async def discovering(web: MemoryWeb, issuer: str = ISSUER) -> AsyncGenerator[IssuerDiscovery, None]:
    discovery = IssuerDiscovery(issuer, Fetcher(web.open_http), random.Random(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(discovery.run)
        yield discovery
        nursery.cancel_scope.cancel()


def known(discovery: IssuerDiscovery) -> bool:
    return discovery.found == FOUND


@pytest.mark.parametrize(
    ("issuer", "tried"),
    [
        ("https://id.example", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        ("https://id.example/", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        (
            "https://id.example/realms/a",
            [
                "/.well-known/oauth-authorization-server/realms/a",
                "/.well-known/openid-configuration/realms/a",
                "/realms/a/.well-known/openid-configuration",
                "/realms/a/.well-known/oauth-authorization-server",
            ],
        ),
    ],
)
def test_metadata_is_looked_for_where_the_standards_have_it(issuer: str, tried: list[str]) -> None:
    assert list(addresses(issuer)) == [f"https://id.example{path}" for path in tried]


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
async def test_either_document_will_do(autojump_clock: object, path: str) -> None:
    web = MemoryWeb({"id.example": serving({path: DOCUMENT})})
    async with discovering(web) as discovery:
        assert await discovery.wait_found() == FOUND


@pytest.mark.parametrize("named", ["https://evil.example", "https://id.example/", "https://ID.example", None, 7])
def test_a_document_of_another_issuer_is_nobodys(named: object) -> None:
    """AUTH-8."""
    wrong = read(ISSUER, DOCUMENT | {"issuer": named})
    assert isinstance(wrong, str)
    assert ("write issuer = 'https://id.example/'" in wrong) is (named == "https://id.example/")


@pytest.mark.parametrize(
    ("url", "issuer", "may"),
    [
        ("https://keys.example/jwks", ISSUER, True),
        ("http://keys.example/jwks", ISSUER, False),
        ("https://127.0.0.1/jwks", ISSUER, False),
        ("http://localhost:9/jwks", ISSUER, False),
        ("http://localhost:9/jwks", "http://127.0.0.1:9", True),
        ("http://keys.example/jwks", "http://127.0.0.1:9", False),
        ("https://user:pass@keys.example/", ISSUER, False),
        ("file:///etc/passwd", ISSUER, False),
        ("https://", ISSUER, False),
        ("", ISSUER, False),
        ("https://127.1/", ISSUER, False),
        ("https://2130706433/", ISSUER, False),
        ("https://0.0.0.0/", ISSUER, False),
        ("https://[::ffff:127.0.0.1]/", ISSUER, False),
        ("https://foo.localhost/", ISSUER, False),
        ("https://127\u30020\u30020\u30021/", ISSUER, False),
        ("https://10.0.0.5/", ISSUER, False),
        ("https://169.254.169.254/", ISSUER, False),
        ("https://10.0.0.5/", "https://10.0.0.9", True),
        ("https://192.168.0.1/", "https://10.0.0.9", True),
        ("https://169.254.169.254/", "https://10.0.0.9", False),
        ("https://keys.example/", "https://10.0.0.9", True),
        ("https://127.1/", "https://10.0.0.9", False),
        ("http://127.1/", "http://127.0.0.1:9", False),
        ("https://10.0.0.5/", "http://127.0.0.1:9", True),
        ("https://8.8.8.8/", ISSUER, True),
    ],
)
def test_an_issuer_leads_nobody_to_addresses_nearer_than_its_own(url: str, issuer: str, may: bool) -> None:
    """P-145."""
    assert may_be_asked(url, issuer) is may
    found = read(issuer, {"issuer": issuer, "jwks_uri": url})
    assert isinstance(found, ServerMetadata) is may


async def test_who_is_away_is_asked_again_less_and_less_often_and_then_found(autojump_clock: object) -> None:
    web = MemoryWeb()
    async with discovering(web) as discovery:
        await trio.sleep(200)
        assert not known(discovery)
        assert "connection refused" in discovery.failure
        assert 1 <= discovery.retry_after() <= 60
        web.sites["id.example"] = serving({"/.well-known/openid-configuration": DOCUMENT})
        await trio.sleep(60)
        assert known(discovery)
        assert discovery.failure == ""


async def test_what_was_found_once_holds_while_the_issuer_is_away_and_is_found_anew(autojump_clock: object) -> None:
    web = MemoryWeb({"id.example": serving({"/.well-known/openid-configuration": DOCUMENT})})
    async with discovering(web) as discovery:
        await discovery.wait_found()
        site = web.sites.pop("id.example")
        await trio.sleep(7200)
        assert discovery.found == FOUND
        assert discovery.failure
        moved = DOCUMENT | {"jwks_uri": "https://keys.example/other"}
        web.sites["id.example"] = serving({"/.well-known/openid-configuration": moved})
        await trio.sleep(60)
        assert discovery.found is not None
        assert discovery.found.jwks_uri == "https://keys.example/other"
        del site


async def answer_of(response: Callable[[], httpx2.Response]) -> Fetched | Unfetched:
    async def answer(request: httpx2.Request) -> httpx2.Response:
        return response()

    return await Fetcher(MemoryWeb({"id.example": answer}).open_http).get(ISSUER)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (lambda: httpx2.Response(500), "HTTP 500"),
        (lambda: httpx2.Response(302, headers={"location": "http://169.254.169.254/"}), "HTTP 302"),
        (lambda: httpx2.Response(200, content=b"<html>"), "the answer is no JSON"),
        (lambda: httpx2.Response(200, content=b"[]"), "the answer is no JSON object"),
        (lambda: httpx2.Response(200, content=b"[" * 100_000), "the answer is no JSON"),
        (lambda: httpx2.Response(200, content=b" " * (LARGEST + 1)), f"the answer has more than {LARGEST} bytes"),
        (
            lambda: httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=Endless()),
            "the answer is packed, though it was asked for plain",
        ),
        (lambda: httpx2.Response(200, stream=Endless()), f"the answer has more than {LARGEST} bytes"),
    ],
    ids=["error", "redirect", "page", "list", "deep", "large", "packed", "endless"],
)
async def test_what_is_no_document_is_told_in_words_and_nothing_of_it_is_kept(response: Any, why: str) -> None:
    found = await answer_of(response)
    assert isinstance(found, Unfetched)
    assert found.why == why


class Endless(httpx2.AsyncByteStream):
    """A body without an end."""

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        while True:
            await trio.lowlevel.checkpoint()
            yield b" " * 65536


async def test_an_answer_at_the_limit_is_read_and_says_how_long_it_may_be_kept() -> None:
    body = b'{"a":1}'.ljust(LARGEST)
    found = await answer_of(lambda: httpx2.Response(200, content=body, headers={"cache-control": "public, Max-Age=60"}))
    assert found == Fetched({"a": 1}, 60.0)


async def test_who_answers_too_slowly_does_not_answer(autojump_clock: object) -> None:
    async def never(request: httpx2.Request) -> httpx2.Response:
        await trio.sleep_forever()
        raise AssertionError

    found = await Fetcher(MemoryWeb({"id.example": never}).open_http).get(ISSUER)
    assert found == Unfetched("no answer within 10 seconds")


async def test_a_caller_who_is_cancelled_stays_cancelled(autojump_clock: object) -> None:
    async def never(request: httpx2.Request) -> httpx2.Response:
        await trio.sleep_forever()
        raise AssertionError

    with trio.move_on_after(1) as scope:
        await Fetcher(MemoryWeb({"id.example": never}).open_http).get(ISSUER)
    assert scope.cancelled_caught

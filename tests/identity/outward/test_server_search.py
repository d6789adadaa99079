"""Which authorization server is asked for tokens for a backend, and what of a backend's word is believed (P-145; RFC 9728, RFC 8414, RFC 8707)."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
import trio.testing
from tests.kit.token_issuer import PAGE, TokenIssuer

from sluicegate.identity.fetching import Fetcher
from sluicegate.identity.outward.server_search import ServerSearch, TokenServer, pages_of
from sluicegate.protocol.credential import Challenge
from sluicegate.protocol.why import Why
from sluicegate.testing.memory_web import MemoryWeb

URL = "https://backend.test/mcp"
METHODS = frozenset({"client_secret_basic", "private_key_jwt"})
DOCUMENT = {"resource": URL, "authorization_servers": ["https://id.test"], "scopes_supported": ["s", 7]}


def web_of(issuer: TokenIssuer, **documents: object) -> MemoryWeb:
    """``documents`` are the backend's."""
    return MemoryWeb({"id.test": issuer, "backend.test": TokenIssuer("https://backend.test", dict(documents))})


async def search(web: MemoryWeb, url: str = URL, challenge: Challenge | None = None, **given: Any) -> TokenServer | Why:
    return await ServerSearch(url, Fetcher(web.open_http), **given).find(challenge or Challenge())


def told(found: TokenServer | Why) -> str:
    assert isinstance(found, Why)
    assert "http" not in found.public  # addresses are the backend's word, and no caller's business
    return found.operator


async def test_an_endpoint_that_is_configured_is_taken_without_a_question(autojump_clock: trio.testing.MockClock) -> None:
    web = MemoryWeb()
    assert await search(web, endpoint="https://id.test/t") == TokenServer("https://id.test/t", "", URL, frozenset())
    assert web.asked == []


async def test_an_issuer_that_is_configured_is_asked_and_no_backend_has_a_say(autojump_clock: trio.testing.MockClock) -> None:
    web = web_of(TokenIssuer())
    found = await search(web, issuer="https://id.test", challenge=Challenge(metadata="https://backend.test/page"))
    assert found == TokenServer("https://id.test/token", "https://id.test", URL, METHODS)
    assert not any("backend.test" in asked for asked in web.asked)


@pytest.mark.parametrize(("place", "tries"), [(f"{PAGE}/mcp", 3), (PAGE, 4)])
async def test_a_backend_names_its_server_at_either_place(autojump_clock: trio.testing.MockClock, place: str, tries: int) -> None:
    web = web_of(TokenIssuer(), **{place: DOCUMENT})
    assert await search(web) == TokenServer("https://id.test/token", "https://id.test", URL, METHODS, ("s",))
    assert len(web.asked) == tries


async def test_a_backend_is_asked_for_its_challenge_where_it_has_not_refused_anything_yet(autojump_clock: trio.testing.MockClock) -> None:
    async def backend(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/hidden":
            return httpx2.Response(200, content=json.dumps(DOCUMENT).encode())
        return httpx2.Response(401, headers={"www-authenticate": 'Bearer resource_metadata="https://backend.test/hidden"'})

    web = MemoryWeb({"id.test": TokenIssuer(), "backend.test": backend})
    assert isinstance(await search(web), TokenServer)
    assert web.asked[:2] == ["GET https://backend.test/mcp", "GET https://backend.test/hidden"]


async def test_the_document_that_a_challenge_names_is_read_first(autojump_clock: trio.testing.MockClock) -> None:
    web = web_of(TokenIssuer(), **{"/elsewhere": DOCUMENT})
    found = await search(web, challenge=Challenge(metadata="https://backend.test/elsewhere"))
    assert isinstance(found, TokenServer)
    assert web.asked[0] == "GET https://backend.test/elsewhere"


@pytest.mark.parametrize(
    ("url", "named", "pages"),
    [
        ("https://u:p@a.test/x/mcp?k=1", "", [f"https://a.test{PAGE}/x/mcp", f"https://a.test{PAGE}"]),
        ("https://a.test/", "", [f"https://a.test{PAGE}"]),
        ("wss://a.test/mcp", "", [f"https://a.test{PAGE}/mcp", f"https://a.test{PAGE}"]),
        ("https://a.test/mcp", "http://127.0.0.1/admin", [f"https://a.test{PAGE}/mcp", f"https://a.test{PAGE}"]),
        ("https://a.test/mcp", "http://b.test/page", [f"https://a.test{PAGE}/mcp", f"https://a.test{PAGE}"]),
        ("http://127.0.0.1:1/", "http://localhost:2/p", ["http://localhost:2/p", f"http://127.0.0.1:1{PAGE}"]),
    ],
)
def test_a_backend_leads_nobody_to_this_machine(url: str, named: str, pages: list[str]) -> None:
    """P-145."""
    assert list(pages_of(url, named)) == pages


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resource": "https://other.test/mcp"}, "another resource"),
        ({"resource": "https://backend.test/mcp2"}, "another resource"),
        ({"resource": "https://backend.test/m"}, "another resource"),
        ({"resource": "http://backend.test/mcp"}, "another resource"),
        ({"resource": None}, "another resource"),
        ({"authorization_servers": []}, "no authorization server that can be trusted"),
        ({"authorization_servers": ["http://id.test"]}, "no authorization server that can be trusted"),
        ({"authorization_servers": ["https://localhost"]}, "no authorization server that can be trusted"),
        ({"authorization_servers": "https://id.test"}, "no authorization server that can be trusted"),
    ],
)
async def test_a_document_that_cannot_be_believed_is_not(
    autojump_clock: trio.testing.MockClock, change: dict[str, object], words: str
) -> None:
    web = web_of(TokenIssuer(), **{f"{PAGE}/mcp": DOCUMENT | change})
    assert words in told(await search(web))
    assert not any("id.test" in asked for asked in web.asked)


@pytest.mark.parametrize("resource", ["https://backend.test", "https://backend.test/", "https://BACKEND.test/mcp/"])
async def test_a_document_may_be_that_of_all_below_an_address(autojump_clock: trio.testing.MockClock, resource: str) -> None:
    found = await search(web_of(TokenIssuer(), **{f"{PAGE}/mcp": DOCUMENT | {"resource": resource}}))
    assert isinstance(found, TokenServer)
    assert found.resource == resource


@pytest.mark.parametrize(
    ("issuer", "endpoint", "words"),
    [
        ("https://evil.test", "https://id.test/token", "the document is that of 'https://evil.test'"),
        ("https://id.test", "http://id.test/token", "no token_endpoint that can be trusted"),
        ("https://id.test", "https://127.0.0.1/token", "no token_endpoint that can be trusted"),
        ("https://id.test", None, "no token_endpoint that can be trusted"),
    ],
)
async def test_a_server_that_cannot_be_believed_is_not_asked(
    autojump_clock: trio.testing.MockClock, issuer: str, endpoint: str | None, words: str
) -> None:
    """RFC 8414, 3.3."""
    document = {"issuer": issuer, "token_endpoint": endpoint}
    server = TokenIssuer(documents={"/.well-known/oauth-authorization-server": document})
    assert words in told(await search(web_of(server), issuer="https://id.test"))


async def test_what_was_found_is_kept_until_the_backend_names_another_document(autojump_clock: trio.testing.MockClock) -> None:
    web = web_of(TokenIssuer(), **{f"{PAGE}/mcp": DOCUMENT, "/new": DOCUMENT})
    finder = ServerSearch(URL, Fetcher(web.open_http))
    for _ in range(3):
        await finder.find(Challenge())
    assert len(web.asked) == 3
    for _ in range(3):
        await finder.find(Challenge(metadata="https://backend.test/new"))
    assert len(web.asked) == 5
    finder.forget()
    await finder.find(Challenge())
    assert len(web.asked) == 8

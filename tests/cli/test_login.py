"""``sluicegate login``: a person allows it in a browser, and the gateway goes on from there by itself."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
import httpx2
import msgspec
import pytest
import trio
import trio.testing
from click.testing import CliRunner
from tests.kit.endpoint import ScriptedEndpoint
from tests.kit.front import HandClient
from tests.kit.site import open_site
from tests.kit.token_issuer import PAGE, Guarded, TokenIssuer

from sluicegate.cli.login import command
from sluicegate.config.load import parse
from sluicegate.gateway.logging_in import LoginFailed, log_in
from sluicegate.gateway.opening import open_gateway
from sluicegate.identity.outward.stored_login import Login
from sluicegate.outside import Outside
from sluicegate.outside.login_file import LoginFile
from sluicegate.outside.loopback import Loopback, answer_in, open_loopback
from sluicegate.settings.outward import OutwardSettings
from sluicegate.sources import Sources
from sluicegate.testing.memory_web import MemoryWeb
from sluicegate.testing.memory_wire import MemoryNetwork
from sluicegate.testing.network import run_inline

Clock = trio.testing.MockClock
URL = "https://backend.test/mcp"
AUTH = OutwardSettings("authorization_code", scopes=("read",))
DOCUMENT = {"resource": URL, "authorization_servers": ["https://id.test"]}


@attrs.define(eq=False)
class Person:
    """Opens what is shown, and allows it."""

    server: TokenIssuer
    network: MemoryNetwork
    changes: dict[str, str] = attrs.field(factory=dict)
    pastes: bool = False
    asked: dict[str, str] = attrs.field(factory=dict)

    async def show(self, address: str, loopback: Loopback) -> None:
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self.server.challenges["c0de"] = self.asked["code_challenge"]
        answer = {"code": "c0de", "state": self.asked["state"], "iss": self.server.issuer} | self.changes
        target = f"/callback?{urlencode({name: value for name, value in answer.items() if value})}"
        if self.pastes:
            found = answer_in(f" http://127.0.0.1:{loopback.port}{target}\n")
            assert found is not None
            assert loopback.take(found) is self.is_ours
            return
        client = HandClient(await self.network.open_stream("127.0.0.1", 4711))
        await client.say(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:4711\r\n\r\n".encode())
        assert (await client.answer()).status == (200 if self.is_ours else 404)

    @property
    def is_ours(self) -> bool:
        """Whether the answer is one to the question."""
        return "state" not in self.changes


NOW = 1_800_000_000.0


def web_of(server: TokenIssuer, **documents: object) -> MemoryWeb:
    async def backend(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.startswith("/.well-known/"):
            found = ({f"{PAGE}/mcp": DOCUMENT} | documents).get(request.url.path)
            return httpx2.Response(404) if found is None else httpx2.Response(200, json=found)
        if request.headers.get("authorization", "").removeprefix("Bearer ") in server.live:
            return httpx2.Response(200, json={})
        return httpx2.Response(401, headers={"www-authenticate": f'Bearer resource_metadata="https://backend.test{PAGE}/mcp"'})

    return MemoryWeb({"id.test": server, "backend.test": backend})


async def log(server: TokenIssuer, auth: OutwardSettings = AUTH, web: MemoryWeb | None = None, **given: Any) -> tuple[Login, Person]:
    network = MemoryNetwork()
    person = Person(server, network, **given)
    outside = Outside(listen=network.listen, open_http=(web or web_of(server)).open_http)
    return await log_in(URL, auth, outside, person.show, port=4711, wall=lambda: NOW), person


@pytest.mark.parametrize("pastes", [False, True])
async def test_a_person_allows_it_and_the_grant_is_kept(autojump_clock: Clock, pastes: bool) -> None:
    server = TokenIssuer(refreshes=True)
    login, person = await log(server, pastes=pastes)
    assert person.asked["redirect_uri"] == "http://127.0.0.1:4711/callback"
    assert (person.asked["code_challenge_method"], person.asked["resource"], person.asked["scope"]) == ("S256", URL, "read")
    assert server.registered[0]["redirect_uris"] == ["http://127.0.0.1:4711/callback"]
    assert (login.url, login.client_id, login.refresh_token, login.scopes) == (URL, "client-1", "refresh-1", ("read",))
    assert login.access_token in server.live
    assert server.seconds is not None
    assert login.expires_at == NOW + server.seconds


@pytest.mark.parametrize(("status", "session"), [(200, "s1"), (200, None), (400, None)])
async def test_a_server_that_greets_anybody_is_asked_for_something_that_it_guards(
    autojump_clock: Clock, status: int, session: str | None
) -> None:
    """In the session that came of the greeting, or in the revision that knows none."""
    server, sent = TokenIssuer(), list[httpx2.Request]()
    web = web_of(server)
    guarded = web.sites["backend.test"]

    async def greeting(request: httpx2.Request) -> httpx2.Response:
        if b'"initialize"' in request.content:
            return httpx2.Response(status, json={}, headers={} if session is None else {"mcp-session-id": session})
        sent.append(request)
        return await guarded(request)

    web.sites["backend.test"] = greeting
    login, _ = await log(server, web=web)
    assert login.access_token in server.live
    assert sent[0].headers.get("mcp-session-id") == session
    assert sent[0].headers["mcp-protocol-version"] == ("2025-11-25" if status == 200 else "2026-07-28")


async def test_a_client_that_is_known_does_not_register(autojump_clock: Clock) -> None:
    server = TokenIssuer()
    auth = attrs.evolve(AUTH, client_id="gate", client_secret="s3cret", issuer="https://id.test")
    login, _ = await log(server, auth)
    assert server.registered == []
    assert (login.client_id, login.client_secret, login.method) == ("gate", "s3cret", "client_secret_basic")
    assert server.asked[0]["authorization"].startswith("Basic ")


async def test_a_secret_is_not_shown_to_another_server(autojump_clock: Clock) -> None:
    server = TokenIssuer()
    auth = attrs.evolve(AUTH, client_id="gate", client_secret="s3cret", issuer="https://mine.test")
    login, _ = await log(server, auth)
    assert login.client_id == "client-1"
    assert not any("s3cret" in str(form) or "authorization" in form for form in server.asked)


async def test_a_document_that_says_who_the_gateway_is_takes_the_place_of_a_registration(autojump_clock: Clock) -> None:
    server = TokenIssuer()
    server.documents["/.well-known/oauth-authorization-server"] = server.metadata | {"client_id_metadata_document_supported": True}
    login, _ = await log(server, attrs.evolve(AUTH, client_metadata_url="https://gate.test/client"))
    assert login.client_id == "https://gate.test/client"
    assert server.registered == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "https://evil.test"}, "iss"),
        ({"code": "", "error": "access_denied", "error_description": "no"}, "it was not allowed: access_denied: no"),
    ],
)
async def test_an_answer_that_is_none_to_our_question_is_refused(autojump_clock: Clock, changes: dict[str, str], words: str) -> None:
    server = TokenIssuer()
    with pytest.raises(LoginFailed, match=words):
        await log(server, changes=changes)
    assert server.live == {}


@pytest.mark.parametrize("pastes", [False, True])
@pytest.mark.parametrize("more", [{}, {"code": "", "error": "access_denied"}])
@pytest.mark.parametrize("state", ["wrong", "", "ü"])
async def test_an_answer_to_somebody_elses_question_does_not_end_it(
    autojump_clock: Clock, state: str, more: dict[str, str], pastes: bool
) -> None:
    with trio.move_on_after(60) as waited:
        await log(TokenIssuer(), changes={"state": state, **more}, pastes=pastes)
    assert waited.cancelled_caught


@pytest.mark.parametrize("name", ["token_endpoint", "authorization_endpoint", "registration_endpoint"])
@pytest.mark.parametrize("place", ["http://id.test/x", "https://127.1/x", "http://127.0.0.1:9/x", "https://10.0.0.5/x"])
async def test_codes_and_secrets_go_nowhere_in_clear_and_no_nearer_than_the_backend_is(
    autojump_clock: Clock, name: str, place: str
) -> None:
    """P-145."""
    server = TokenIssuer()
    server.documents["/.well-known/oauth-authorization-server"] = server.metadata | {name: place}
    web = web_of(server)
    with pytest.raises(LoginFailed, match="it must be https"):
        await log(server, web=web)
    assert server.asked == []
    assert not any(place in asked for asked in web.asked)


@pytest.mark.parametrize("issuer", ["http://id.test", "https://127.1", "http://localhost:9"])
async def test_a_backend_leads_nobody_to_a_server_that_cannot_be_trusted(autojump_clock: Clock, issuer: str) -> None:
    """P-145."""
    server = TokenIssuer(issuer)
    web = web_of(server, **{f"{PAGE}/mcp": DOCUMENT | {"authorization_servers": [issuer]}})
    with pytest.raises(LoginFailed, match="it must be https"):
        await log(server, web=web)
    assert {urlsplit(asked.partition(" ")[2]).netloc for asked in web.asked} == {"backend.test"}


async def test_without_tls_nothing_secret_goes_even_to_the_backend(autojump_clock: Clock) -> None:
    server = TokenIssuer()
    web = web_of(server, **{f"{PAGE}/mcp": None})
    outside = Outside(listen=MemoryNetwork().listen, open_http=web.open_http)
    web.sites["plain.test"] = web.sites["backend.test"]
    with pytest.raises(LoginFailed, match=r"http://plain\.test/register is not asked"):
        await log_in("http://plain.test/mcp", AUTH, outside, Person(server, MemoryNetwork()).show)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "javascript:alert(1)"])
async def test_a_browser_opens_nothing_but_addresses(autojump_clock: Clock, address: str) -> None:
    server = TokenIssuer()
    server.documents["/.well-known/oauth-authorization-server"] = server.metadata | {"authorization_endpoint": address}
    with pytest.raises(LoginFailed):
        await log(server)


async def test_a_backend_that_asks_for_no_login_gets_none(autojump_clock: Clock) -> None:
    async def open_to_all(request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return httpx2.Response(200, json={})

    with pytest.raises(LoginFailed, match="asks for no login"):
        await log(TokenIssuer(), web=MemoryWeb({"backend.test": open_to_all}))


@pytest.mark.parametrize(
    "line", ["", "/", "/callback", "/callback?x=1", "/other?code=1", "http://[", "/callback?" + "&".join(["a=1"] * 40)]
)
def test_what_is_no_answer_is_taken_for_none(line: str) -> None:
    assert answer_in(line) is None


async def test_a_stranger_at_the_loopback_does_not_end_it(autojump_clock: Clock) -> None:
    network = MemoryNetwork()
    async with open_loopback(network.listen, 4711) as loopback:
        loopback.expect("2")
        for said, status in (
            (b"GET /favicon.ico HTTP/1.1\r\n\r\n", 404),
            (b"POST /callback?code=1 HTTP/1.1\r\n\r\n", 404),
            (b"x\r\n\r\n", 404),
            (b"GET /callback?code=1 HTTP/1.1\r\n\r\n", 404),
            (b"GET /callback?error=access_denied&state=3 HTTP/1.1\r\n\r\n", 404),
        ):
            client = HandClient(await network.open_stream("127.0.0.1", 4711))
            await client.say(said)
            assert (await client.answer()).status == status
        silent = await network.open_stream("127.0.0.1", 4711)
        client = HandClient(await network.open_stream("127.0.0.1", 4711))
        await client.say(b"GET /callback?code=1&state=2 HTTP/1.1\r\n\r\n")
        await client.answer()
        assert await loopback.wait() == {"code": "1", "state": "2"}
        await silent.aclose()


async def test_a_gateway_says_who_has_to_log_in_and_takes_the_login_by_itself(autojump_clock: Clock, tmp_path: Path) -> None:
    server = TokenIssuer(refreshes=True, seconds=200)
    endpoint, web, network = ScriptedEndpoint(), web_of(server), MemoryNetwork()
    file = tmp_path / "gate.toml"
    text = f'[proxy]\nname = "g"\n[[backends]]\nname = "web"\ntransport = "http"\nurl = "{URL.replace("https", "http")}"\n'
    file.write_text(text)
    config = attrs.evolve(parse(text + 'auth = { type = "authorization_code" }\n').config, source=file)
    async with open_site(Guarded(endpoint, server)) as site:
        outside = Outside(open_stream=site.open_stream, open_http=web.open_http, listen=network.listen, run_blocking=run_inline)
        async with open_gateway(config, outside=outside, sources=Sources.virtual(1)) as gateway:
            await gateway.settled()
            backend = gateway.backends["web"]
            assert f"needs login: nobody has logged in; run 'sluicegate login web -c {file}'" in backend.error
            login, _ = await log(server, web=web)
            login = msgspec.structs.replace(login, url=config.backends[0].url or "", expires_at=Sources.virtual(1).wall() + 200)
            assert config.logins is not None
            await LoginFile.of(config.logins, "web", run_inline).save(msgspec.json.encode(login))
            await trio.sleep(60)
            assert backend.state.value == "ready"
            await trio.sleep(1000)
            assert backend.state.value == "ready"
            assert [form["grant_type"] for form in server.asked].count("refresh_token") >= 5


def test_what_others_say_moves_no_cursor(tmp_path: Path) -> None:
    class Hostile(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(404, b"")

        def do_POST(self) -> None:
            self.answer(*((400, b"\x1b[2J\x1b]0;evil\x07") if self.path == "/register" else (401, b"")))

        def answer(self, status: int, body: bytes) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    file = tmp_path / "gate.toml"
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        backend = f'name = "web"\ntransport = "http"\nurl = "http://127.0.0.1:{server.server_port}/mcp"'
        file.write_text(f'[proxy]\nname = "g"\n[[backends]]\n{backend}\nauth = {{ type = "authorization_code" }}\n')
        result = CliRunner().invoke(command, ["web", "-c", str(file), "--no-browser"])
        server.shutdown()
    assert result.exit_code == 1
    assert "no login at 'web': Registration failed: 400" in result.output
    assert "evil" in result.output
    assert result.output.replace("\n", "").isprintable()

"""A login that is kept: shown while it lasts, renewed before, and never lost on the way (P-146)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
import trio.testing
from tests.kit.token_issuer import TokenIssuer

from sluicegate.identity.fetching import Fetcher
from sluicegate.identity.outward.stored_login import LEAST_SECONDS, SAVE_AGAIN_SECONDS, Login, StoredLogin
from sluicegate.identity.outward.token_keeper import Token
from sluicegate.outside.login_file import LoginFile
from sluicegate.protocol.credential import Challenge
from sluicegate.protocol.why import Why
from sluicegate.testing.checkpoints import Trial, cancel_at_every_checkpoint
from sluicegate.testing.memory_web import MemoryWeb
from sluicegate.testing.network import run_inline

Clock = trio.testing.MockClock
URL = "https://backend.test/mcp"
LOGIN = Login(URL, "https://id.test/token", "client-1", "t0", "https://backend.test", "refresh-0", scopes=("a",), expires_at=100.0)


@attrs.define
class Kept:
    content: bytes | None = None
    on_load: Callable[[], None] = lambda: None
    saves: int = 0
    on_save: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    @property
    def login(self) -> Login:
        found = None if self.content is None else Login.read(self.content)
        assert found is not None
        return found

    async def load(self) -> bytes | None:
        await trio.lowlevel.checkpoint()
        self.on_load()
        return self.content

    async def save(self, content: bytes) -> None:
        await self.on_save()
        self.content = content
        self.saves += 1


async def full() -> None:
    await trio.lowlevel.checkpoint()
    raise OSError("disk full")


def away() -> None:
    raise OSError("stale file handle")


def stored(login: Login | None = LOGIN, server: TokenIssuer | None = None) -> tuple[StoredLogin, Kept, TokenIssuer]:
    server = server or TokenIssuer(refreshes=True)
    if login is not None and not server.refresh:
        server.refresh = login.refresh_token
    kept = Kept(None if login is None else msgspec.json.encode(login))
    return StoredLogin(URL, "sluicegate login b", kept, Fetcher(MemoryWeb({"id.test": server}).open_http), trio.current_time), kept, server


async def fetch(source: StoredLogin, *scopes: str) -> Token | Why:
    return await source.fetch(scopes, Challenge())


def told(found: Token | Why) -> str:
    assert isinstance(found, Why)
    assert found.public == "needs login"
    return found.operator


async def test_what_lasts_is_shown_and_who_asks_again_gets_the_next(autojump_clock: Clock) -> None:
    source, kept, server = stored()
    assert await fetch(source) == Token("t0", 100.0)
    assert await fetch(source) == Token("token-1", 300.0)
    assert server.asked == [
        {"grant_type": "refresh_token", "refresh_token": "refresh-0", "resource": "https://backend.test", "client_id": "client-1"}
    ]
    assert (kept.login.access_token, kept.login.refresh_token, kept.login.expires_at) == ("token-1", "refresh-1", 300.0)
    assert await fetch(source) == Token("token-2", 300.0)


async def test_what_is_about_to_end_is_renewed_before_it_is_shown(autojump_clock: Clock) -> None:
    source, _, _ = stored()
    await trio.sleep(100 - LEAST_SECONDS)
    assert await fetch(source) == Token("token-1", 300.0)


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (None, "nobody has logged in"),
        (msgspec.structs.replace(LOGIN, url="https://other.test/mcp"), "no login for this address"),
        (msgspec.structs.replace(LOGIN, refresh_token="", expires_at=0.0), "cannot be renewed"),
    ],
)
async def test_who_has_to_log_in_is_told_how(autojump_clock: Clock, login: Login | None, words: str) -> None:
    source, _, _ = stored(login)
    why = told(await fetch(source))
    assert words in why
    assert why.endswith("run 'sluicegate login b'")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"url": 1}', b"\xff"])
async def test_a_file_that_holds_no_login_is_none(autojump_clock: Clock, content: bytes) -> None:
    source, kept, _ = stored()
    kept.content = content
    assert "needs login" in told(await fetch(source))


async def test_a_grant_that_was_taken_back_needs_a_login_and_a_server_that_is_away_does_not(autojump_clock: Clock) -> None:
    source, kept, server = stored()
    await fetch(source)
    server.refusal = (503, {})
    why = await fetch(source)
    assert isinstance(why, Why)
    assert why.public != "needs login"
    server.refusal, server.refresh = None, "another"
    assert "does not renew its token (invalid_grant)" in told(await fetch(source))
    assert kept.login == LOGIN  # it is left for whoever looks into it
    kept.content = msgspec.json.encode(msgspec.structs.replace(LOGIN, access_token="t9"))
    assert await fetch(source) == Token("t9", 100.0)


async def test_what_another_process_has_renewed_is_taken(autojump_clock: Clock) -> None:
    """Both had the same refresh token, and it was good for one of them."""
    source, kept, server = stored()
    await fetch(source)
    loads: list[None] = []

    def other() -> None:
        loads.append(None)
        if len(loads) == 2:
            kept.content = msgspec.json.encode(msgspec.structs.replace(LOGIN, access_token="theirs", refresh_token="r9"))

    kept.on_load, server.refresh = other, "r9"
    assert await fetch(source) == Token("theirs", 100.0)


async def test_a_server_that_gives_no_new_refresh_token_means_the_old_one(autojump_clock: Clock) -> None:
    server = TokenIssuer()
    server.refresh = "refresh-0"
    source, kept, _ = stored(server=server)
    await fetch(source)
    await fetch(source)
    assert kept.login.refresh_token == "refresh-0"


async def test_wherever_a_renewal_is_cut_the_next_one_works(autojump_clock: Clock) -> None:
    """The old refresh token is good no more as soon as the server has answered, so the new one is kept whatever happens."""
    source, kept, server = stored(server=TokenIssuer(refreshes=True, pause=0.5))

    async def scenario() -> None:
        await fetch(source)
        await fetch(source)

    async def check(_trial: Trial[None]) -> None:
        await trio.testing.wait_all_tasks_blocked()
        assert kept.login.refresh_token == server.refresh

    assert await cancel_at_every_checkpoint(scenario, check) > 3
    assert kept.saves >= 2


@pytest.mark.parametrize("hindrance", [full, trio.sleep_forever])
async def test_what_cannot_be_kept_is_used_all_the_same_and_kept_as_soon_as_it_can_be(
    autojump_clock: Clock, hindrance: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    """The refresh token that is kept is good no more."""
    source, kept, server = stored()
    assert await fetch(source) == Token("t0", 100.0)
    kept.on_save = hindrance
    if hindrance is full:
        assert await fetch(source) == Token("token-1", SAVE_AGAIN_SECONDS)
        assert await fetch(source) == Token("token-2", SAVE_AGAIN_SECONDS)
        assert sum("cannot be kept" in record.message for record in caplog.records) == 1
    else:
        assert isinstance(await fetch(source), Why)
    kept.on_save, kept.on_load = trio.lowlevel.checkpoint, away
    assert isinstance(await fetch(source), Token)
    kept.on_load = lambda: None
    assert await fetch(source) == Token("token-4" if hindrance is full else "token-2", 300.0)
    assert kept.login.refresh_token == server.refresh


async def test_what_could_not_be_kept_is_kept_even_while_nothing_is_renewed(autojump_clock: Clock) -> None:
    source, kept, server = stored()
    await fetch(source)
    kept.on_save = full
    await fetch(source)
    kept.on_save, server.refusal = trio.lowlevel.checkpoint, (503, {})
    assert isinstance(await fetch(source), Why)
    assert kept.login.refresh_token == server.refresh


@pytest.mark.parametrize("theirs", [msgspec.structs.replace(LOGIN, access_token="t9"), None])
async def test_what_could_not_be_kept_gives_way_to_what_a_person_has_done_since(autojump_clock: Clock, theirs: Login | None) -> None:
    source, kept, _ = stored()
    await fetch(source)
    kept.on_save = full
    await fetch(source)
    kept.on_save = trio.lowlevel.checkpoint
    kept.content = None if theirs is None else msgspec.json.encode(theirs)
    found = await fetch(source)
    assert found == Token("t9", 100.0) if theirs else "nobody has logged in" in told(found)
    assert kept.saves == 0


async def test_more_than_was_allowed_changes_nothing(autojump_clock: Clock) -> None:
    source, _, server = stored()
    assert await fetch(source, "a", "admin") == Token("t0", 100.0)
    assert server.asked == []


async def test_a_login_that_others_can_read_is_told_of_and_a_pipe_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = LoginFile.of(tmp_path, "b", run_inline)
    await file.save(b"x")
    file.path.chmod(0o644)
    assert await file.load() == b"x"
    assert "can be read by others" in caplog.text
    file.path.unlink()
    os.mkfifo(file.path)
    with pytest.raises(OSError, match="no regular file"):
        await file.load()


async def test_a_login_is_kept_in_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    file = LoginFile.of(tmp_path / "gate.toml.logins", "../a/b", run_inline)
    assert await file.load() is None
    await file.save(b"x")
    assert await file.load() == b"x"
    assert file.path.parent == tmp_path / "gate.toml.logins"
    assert file.path.stat().st_mode & 0o777 == 0o600
    names = {LoginFile.of(tmp_path, name, run_inline).path.name for name in ("a", "A.b", "a/b", "a%2Fb", "ü" * 200, "ü" * 201)}
    assert len(names) == 6
    assert max(map(len, names)) < 130

"""The files of secrets that what is shown to backends is made with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sluicegate.config.load import parse
from sluicegate.gateway.credentials import Credentials
from sluicegate.identity.outward.grants import ClientGrant
from sluicegate.identity.outward.identity_keys import new_key
from sluicegate.identity.outward.server_search import TokenServer
from sluicegate.identity.outward.token_keeper import TokenKeeper
from sluicegate.outside import Outside
from sluicegate.protocol.why import Why
from sluicegate.sources import Sources
from sluicegate.testing.network import run_inline

SERVER = TokenServer("https://id.test/token")
TEXT = """
[proxy]
name = "g"

[[backends]]
name = "b"
transport = "http"
url = "https://a.test/mcp"
auth = { type = "private_key_jwt", client_id = "gate", issuer = "https://id.test", key = "%s" }
"""


def grant_with(file: Path) -> ClientGrant:
    config = parse(TEXT % file).config
    credential = Credentials(config, Outside(run_blocking=run_inline), Sources.virtual(1)).of(config.backends[0])
    assert isinstance(credential, TokenKeeper)
    assert isinstance(credential.source, ClientGrant)
    return credential.source


@pytest.mark.parametrize(("mode", "times"), [(0o600, 0), (0o440, 0), (0o444, 1)])
async def test_a_key_that_everybody_can_read_is_used_and_told_of_once(
    tmp_path: Path, mode: int, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(new_key())
    file.chmod(mode)
    grant = grant_with(file)
    for _ in range(3):
        assert not isinstance(await grant.proof.shown(SERVER), Why)
    assert sum("can be read by others" in record.message for record in caplog.records) == times


async def test_a_pipe_in_the_place_of_a_key_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(new_key())
    grant = grant_with(file)
    file.unlink()
    os.mkfifo(file)
    why = await grant.proof.shown(SERVER)
    assert isinstance(why, Why)
    assert "no regular file" in why.operator

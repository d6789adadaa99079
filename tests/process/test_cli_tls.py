"""A gateway that speaks TLS, asked from the command line."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from tests.kit.checkout import SLUICEGATE

from sluicegate.config.load import parse
from sluicegate.gateway.opening import open_gateway

pytestmark = pytest.mark.slow

PATIENCE = 30
CONFIG = """\
[proxy]
name = "gate"
[proxy.listen]
port = 0
tls = {{ certificate = {certificate} }}
[[backends]]
name = "one"
transport = "http"
url = "http://127.0.0.1:9/mcp"
enabled = false
"""


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[str, None]:
    """A gateway with a certificate of an authority of its own, which is left in ``ca.pem``; its endpoint."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "gate.pem"))
    config = parse(CONFIG.format(certificate=json.dumps(str(folder / "gate.pem")))).config
    async with open_gateway(config) as gateway, trio.open_nursery() as nursery:
        [url] = await nursery.start(gateway.serve)
        yield f"{url}/mcp"
        nursery.cancel_scope.cancel()


async def ask(*arguments: str, given: str = "", authority: Path | None = None) -> tuple[int, str, str]:
    """Run a command; exit code, stdout and stderr."""
    environ = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    if authority is not None:
        environ["SSL_CERT_FILE"] = str(authority)
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [*SLUICEGATE, *arguments], stdin=given.encode(), capture_stdout=True, capture_stderr=True, check=False, env=environ
        )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_its_authority_is_named_in_the_environment(tmp_path: Path) -> None:
    async with running(tmp_path) as url:
        assert await ask("list", "tools", "--url", url, authority=tmp_path / "ca.pem") == (0, "", "")


async def test_a_certificate_that_is_not_trusted_is_named_as_the_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as url:
        code, out, err = await ask("list", "tools", "--url", url)

    assert (code, out) == (1, "")
    assert err.startswith(f"Error: cannot talk to {url}: its certificate is not trusted (")
    assert "SSL_CERT_FILE" in err


async def test_a_bridge_does_not_wait_for_another_certificate(tmp_path: Path) -> None:
    ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    async with running(tmp_path) as url:
        code, out, _ = await ask("connect", url, given=ping)

    assert code == 0
    assert "its certificate is not trusted (" in json.loads(out)["error"]["message"]

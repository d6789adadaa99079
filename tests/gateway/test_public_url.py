"""Where clients reach a gateway that stands behind a reverse proxy."""

from __future__ import annotations

import httpx2
import pytest
import trio
from tests.kit.asgi import AsgiTransport

from sluicegate import open_gateway
from sluicegate.config.model import Config, ListenConfig, ProxyConfig, SecurityConfig
from sluicegate.sources import Sources
from sluicegate.testing.network import open_outside


async def answer_to(host: str, config: Config) -> str:
    """What a request with this ``Host`` is told."""
    async with (
        open_outside() as world,
        open_gateway(config, outside=world.outside, sources=Sources.virtual(1)) as gateway,
        trio.open_nursery() as nursery,
        httpx2.AsyncClient(transport=AsgiTransport(gateway.asgi_app, nursery), base_url="http://127.0.0.1") as http,
    ):
        return (await http.get("/mirror", headers={"host": host})).text


@pytest.mark.parametrize(
    ("listens_at", "allowed", "host", "comes_in"),
    [
        ("127.0.0.1", (), "gate.example:8443", True),
        ("127.0.0.1", (), "gate.example", False),
        ("127.0.0.1", (), "evil.example", False),
        ("0.0.0.0", (), "gate.example:8443", True),
        ("0.0.0.0", (), "10.0.0.1", True),
        ("0.0.0.0", ("other.example",), "gate.example:8443", True),
        ("0.0.0.0", ("other.example",), "10.0.0.1", False),
    ],
)
async def test_the_name_in_it_is_allowed_and_no_other_is_forbidden_by_it(
    listens_at: str, allowed: tuple[str, ...], host: str, comes_in: bool, autojump_clock: object
) -> None:
    proxy = ProxyConfig("test", listen=ListenConfig(host=listens_at), public_url="https://gate.example:8443/gw")
    config = Config(proxy, security=SecurityConfig(allowed_hosts=allowed))
    assert (await answer_to(host, config) != "Host not allowed") is comes_in

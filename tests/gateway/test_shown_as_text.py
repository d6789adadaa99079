"""What a gateway's parts look like where somebody prints them, or Trio names a task by one."""

from __future__ import annotations

import trio.testing

from sluicegate import Builder
from sluicegate.testing.backend import ScriptedBackend


async def test_no_part_shows_all_that_it_leads_to(autojump_clock: trio.testing.MockClock) -> None:
    """Each leads to all others, by several ways: a gateway with two backends was half a gigabyte of text. And in it are keys."""
    builder = Builder("x")
    for name in ("a", "b", "c"):
        builder.backend(name, ScriptedBackend().connector, default_args={"key": "hush"})
    async with builder.open() as gateway:
        await gateway.ready()
        backend = gateway.backends["a"]
        parts = [
            gateway,
            gateway.asgi_app,
            gateway.handler,
            gateway.catalogue,
            backend,
            backend.link,
            gateway.policies["a"],
            gateway.statistics(),
        ]
        assert [part for part in parts if len(repr(part)) > 4000] == []
        assert "hush" not in "".join(map(repr, [*parts, gateway.config]))

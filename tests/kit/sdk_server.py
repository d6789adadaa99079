"""A server of the MCP SDK, written in a file of its own, reached in each way there is."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import hypercorn.config
import hypercorn.trio
import trio
from mcp.server.mcpserver import MCPServer

from sluicegate.gateway.builder import Source

__all__ = ["SdkServer"]


@attrs.frozen
class SdkServer:
    """What the file's ``make`` returns; run as a program the file serves it on stdio."""

    file: Path

    def make(self) -> MCPServer:
        name = self.file.stem
        spec = importlib.util.spec_from_file_location(name, self.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # where the SDK looks up the types of a tool's arguments
        spec.loader.exec_module(module)
        server = module.make()
        assert isinstance(server, MCPServer)
        return server

    @asynccontextmanager
    async def in_process(self) -> AsyncGenerator[Source, None]:
        yield self.make()

    @asynccontextmanager
    async def over_http(self) -> AsyncGenerator[Source, None]:
        config = hypercorn.config.Config()
        config.bind, config.errorlog, config.graceful_timeout = ["127.0.0.1:0"], logging.getLogger("quiet"), 0.1
        async with trio.open_nursery() as nursery:
            (bound,) = await nursery.start(hypercorn.trio.serve, self.make().streamable_http_app(), config)
            yield f"{bound}/mcp"
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def over_stdio(self) -> AsyncGenerator[Source, None]:
        yield [sys.executable, str(self.file)]

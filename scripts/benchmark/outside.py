"""Large answers of a real gateway, over sockets."""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from .processes import Program, running
from .sessions import ACCEPT, open_sessions
from .targets import SLUICEGATE, URL, backend_table, http_stub, write_configuration
from .usage import usage

__all__ = ["outside"]

TURNS = 3
"""The least of these counts, because whatever disturbs only adds."""


def outside(folder: Path) -> dict[str, float]:
    """Microseconds of processor time that a gateway of 20 backends takes, over sockets, for the same three answers."""
    with ExitStack() as stack:
        stubs = [stack.enter_context(http_stub(folder, f"stub-{number}", tools=50)) for number in range(2)]
        tables = [backend_table(f"b{number}", stubs[number % 2]) for number in range(20)]
        path = write_configuration(folder / "scale.toml", tables)
        program = stack.enter_context(running("scale", [*SLUICEGATE, "run", "-c", path], folder, says=URL))
        url = f"{program.url}/mcp"
        (session,) = open_sessions(url, 1)
        return {
            "call": spent(program, url, session, "tools/call", {"name": "b0_echo", "arguments": {}}, 3000),
            "list": spent(program, url, session, "tools/list", {}, 1500),
            "mebibyte": spent(program, url, session, "tools/call", {"name": "b0_large", "arguments": {}}, 200),
        }


def spent(program: Program, url: str, session: str, method: str, params: object, times: int) -> float:
    """What the gateway takes for one of many requests on one connection, one after the other."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    headers = ACCEPT | {"Content-Type": "application/json", "Mcp-Session-Id": session}
    least = float("inf")
    for _ in range(TURNS):
        began = usage(program.pid)
        for _ in range(times):
            connection.request("POST", parts.path, body, headers)
            answer = connection.getresponse()
            assert answer.status == 200
            answer.read()
        least = min(least, (usage(program.pid) - began).own / times * 1e6)
    connection.close()
    return round(least, 1)

#!/usr/bin/env bash
# On mcp 2.3.0 (PyPI) over HTTP a tool that asks its client for its roots asks on the standing GET stream, not on the stream of the call.
#
# One would expect: what a tool asks in the middle of a call comes on the stream of that call's POST, as the specification has it (2025-11-25,
# basic/transports: messages on that stream SHOULD relate to the originating request), whichever of the three questions it is. ctx.elicit does.
# Seen with mcp 2.3.0: ctx.session.list_roots() has no parameter for the request that it relates to, and ctx.session.create_message() has one
# that is None unless given. Both then go to the GET stream, which a client MAY open and need not; and whoever carries calls of several users over
# one session cannot tell whose call is asking.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check mcp==2.3.0 httpx==0.28.1 uvicorn==0.38.0
cat > "$folder/server.py" <<'PY'
import socket
import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel


class Name(BaseModel):
    name: str


server = MCPServer("s")


@server.tool()
async def who(ctx: Context) -> str:
    return (await ctx.elicit("who?", Name)).action


@server.tool()
async def where(ctx: Context) -> str:
    return str(len((await ctx.session.list_roots()).roots))


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error")).run([listener])
PY
cat > "$folder/ask.py" <<'PY'
import json
import subprocess
import sys
import threading
import time
from contextlib import suppress

import httpx

HEADERS = {"accept": "application/json, text/event-stream"}
CAPABILITIES = {"roots": {}, "elicitation": {}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "clientInfo": {"name": "c", "version": "1"}}


def message(method, id=None, **params):
    return {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id is None else {"id": id})


def listen(http, verb, heard, name, body=None):
    """Note which methods come on a stream, for as long as it lasts."""
    with suppress(httpx.HTTPError), http.stream(verb, "/mcp", json=body) as response:  # the server is killed in the end
        for line in response.iter_lines():
            if line.startswith("data: {"):
                heard.append((name, json.loads(line[6:]).get("method", "answer")))


with subprocess.Popen([sys.executable, sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
    try:
        http = httpx.Client(base_url=f"http://127.0.0.1:{child.stdout.readline().strip()}", headers=HEADERS, timeout=10)
        for _ in range(100):
            try:
                opened = http.post("/mcp", json=message("initialize", 0, **HELLO))
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        http.post("/mcp", json=message("notifications/initialized"))
        heard = []
        threading.Thread(target=listen, args=(http, "GET", heard, "GET stream"), daemon=True).start()
        time.sleep(1)
        for id, tool in enumerate(("who", "where"), 1):
            call = message("tools/call", id, name=tool, arguments={})
            threading.Thread(target=listen, args=(http, "POST", heard, f"stream of {tool}", call), daemon=True).start()
            time.sleep(1)
    finally:
        child.kill()
for way, method in heard:
    print(f"{method:20} came on the {way}")
sys.exit(0 if heard == [("stream of who", "elicitation/create"), ("GET stream", "roots/list")] else "the behaviour has changed")
PY
"$folder/env/bin/python" "$folder/ask.py" "$folder/server.py"

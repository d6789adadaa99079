#!/usr/bin/env bash
# A server on mcp 2.3.0 (PyPI) over stdio that was asked server/discover refuses initialize from then on, on the same pipe.
#
# One would expect: a client that supports older revisions asks server/discover to learn what there is; the answer names 2026-07-28 alone, but
# the server also serves 2025-11-25, so that an initialize that follows should be answered as it is without the question.
# Seen with mcp 2.3.0: the pipe is bound to 2026-07-28 by the first message, and initialize gets
#   {"code": -32022, "message": "connection is serving the 2026-07-28 protocol; the initialize handshake is not accepted", "data": {…}}
# So whoever probes a child this way has to start it again before it shakes hands; @ai-sdk/mcp 2.0.99 does not, and cannot use such a server.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check mcp==2.3.0
cat > "$folder/server.py" <<'PY'
from mcp.server.mcpserver import MCPServer

server = MCPServer("s")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


server.run()
PY
cat > "$folder/ask.py" <<'PY'
import json
import subprocess
import sys

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}}
DISCOVER = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}}
INITIALIZE = {"jsonrpc": "2.0", "id": 2, "method": "initialize",
              "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}}


def ask(*messages):
    with subprocess.Popen([sys.executable, sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        answers = []
        for message in messages:
            child.stdin.write(json.dumps(message).encode() + b"\n")
            child.stdin.flush()
            answers.append(json.loads(child.stdout.readline()))
        child.stdin.close()
    return answers


(alone,) = ask(INITIALIZE)
discovered, after = ask(DISCOVER, INITIALIZE)
print("initialize alone:        ", alone["result"]["protocolVersion"])
print("discover:                ", discovered["result"]["supportedVersions"])
print("initialize after discover:", json.dumps(after.get("error") or after["result"]["protocolVersion"]))
sys.exit("the behaviour has changed" if "error" not in after else 0)
PY
"$folder/env/bin/python" "$folder/ask.py" "$folder/server.py"

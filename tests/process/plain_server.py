"""A stdio server in plain Python that starts at once: ``echo`` answers, ``slow`` never does, ``fail`` reports a tool error, ``die`` ends it.

Run as a program: ``python plain_server.py [name]``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

NAME = sys.argv[1] if len(sys.argv) > 1 else "plain"
TOOLS = [
    {"name": name, "description": f"{name} of {NAME}\nmore about it", "inputSchema": {"type": "object"}}
    for name in ("echo", "slow", "fail", "die")
]
if NAME == "odd":
    TOOLS.append({"name": "bad"})
RESOURCES = [{"uri": "plain://note", "name": "note", "mimeType": "text/plain"}]
PROMPTS = [{"name": "greet", "description": "a greeting"}]


def result(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None is an unknown method."""
    match method:
        case "initialize":
            capabilities: dict[str, Any] = {"tools": {}, "resources": {}, "prompts": {}}
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": capabilities,
                "serverInfo": {"name": NAME, "version": "1"},
            }
        case "tools/list":
            return {"tools": TOOLS}
        case "resources/list":
            return {"resources": RESOURCES}
        case "resources/templates/list":
            return {"resourceTemplates": []}
        case "prompts/list":
            return {"prompts": PROMPTS}
        case "ping":
            return {}
        case "tools/call" if params["name"] == "fail":
            return {"content": [{"type": "text", "text": "it did not work"}], "isError": True}
        case "tools/call":
            return {"content": [{"type": "text", "text": f"{NAME}: {json.dumps(params.get('arguments', {}), sort_keys=True)}"}]}
    return None


def say(line: str, stream: TextIO) -> None:
    """Write a line at once."""
    stream.write(f"{line}\n")
    stream.flush()


def main() -> None:
    """Answer until stdin ends."""
    say(f"{NAME} is up", sys.stderr)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        params = message.get("params", {})
        if message["method"] == "tools/call" and params["name"] == "slow":
            say("slow was called", sys.stderr)
            continue
        if message["method"] == "tools/call" and params["name"] == "die":
            os._exit(3)
        answer = result(message["method"], params)
        body = {"result": answer} if answer is not None else {"error": {"code": -32601, "message": f"no {message['method']} here"}}
        say(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), sys.stdout)


if __name__ == "__main__":
    main()

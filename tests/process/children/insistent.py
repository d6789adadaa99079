"""A stdio server in plain Python that asks its client as often as a call says, one question after the other or all at once."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

FORM = {"message": "go on?", "requestedSchema": {"type": "object", "properties": {}}}


def say(**message: Any) -> None:
    """Write a message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer until stdin ends; of each call the result is how many answers and errors came for its questions."""
    asked, left, at_once, call = 0, 0, False, None
    ends: Counter[str] = Counter()
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method")
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            info = {"name": "insistent", "version": "1"}
            say(id=message["id"], result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
        elif method == "tools/list":
            say(id=message["id"], result={"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]})
        elif method == "tools/call":
            call, left, at_once = message["id"], message["params"]["arguments"]["times"], message["params"]["arguments"]["at_once"]
            ends.clear()
            for _ in range(left if at_once else 1):
                asked += 1
                say(id=f"q{asked}", method="elicitation/create", params=FORM)
        elif method is None:
            ends["answers" if "result" in message else "errors"] += 1
            left -= 1
            if left == 0:
                say(id=call, result={"content": [{"type": "text", "text": json.dumps(ends)}]})
            elif not at_once:
                asked += 1
                say(id=f"q{asked}", method="elicitation/create", params=FORM)
        elif "id" in message:
            say(id=message["id"], result={})


if __name__ == "__main__":
    main()

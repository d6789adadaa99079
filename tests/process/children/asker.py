"""A stdio server in plain Python that starts at once and, in each call, asks a person and then a model; the answers are the result."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from typing import Any

QUESTIONS = (
    ("elicitation/create", {"message": "who?", "requestedSchema": {"type": "object", "properties": {}}}),
    ("sampling/createMessage", {"messages": [], "maxTokens": 1}),
)


def say(**message: Any) -> None:
    """Write a message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def result(message: dict[str, Any]) -> dict[str, Any]:
    """What is answered to a request that asks nothing in turn."""
    if message["method"] == "initialize":
        version = message["params"]["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "asker", "version": "1"}}
    return {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]} if message["method"] == "tools/list" else {}


def run(call: Any) -> Generator[tuple[str, dict[str, Any]], Any, None]:
    """A call: yields what it asks, and is sent the answers."""
    person = yield QUESTIONS[0]
    model = yield QUESTIONS[1]
    answers = [person, model]
    say(id=call, result={"content": [{"type": "text", "text": json.dumps(answers)}]})


def main() -> None:
    """Answer until stdin ends."""
    open_calls: dict[str, Any] = {}
    count = 0
    for line in sys.stdin:
        message = json.loads(line)
        if "method" in message and "id" in message and message["method"] != "tools/call":
            say(id=message["id"], result=result(message))
            continue
        if message.get("method") == "tools/call":
            call, answer = run(message["id"]), None
        elif "method" not in message and message["id"] in open_calls:
            call, answer = open_calls.pop(message["id"]), message.get("result", message.get("error"))
        else:
            continue
        try:
            method, params = call.send(answer)
        except StopIteration:
            continue
        count += 1
        open_calls[f"q{count}"] = call
        say(id=f"q{count}", method=method, params=params)


if __name__ == "__main__":
    main()

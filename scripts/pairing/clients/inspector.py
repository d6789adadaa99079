"""The Inspector's command line, a program for each question: reads targets as JSON from stdin, writes what it saw of each feature to stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = sys.argv[1:]
PATIENCE = 30


def ask(target: dict[str, Any], method: str, *options: str) -> dict[str, Any]:
    """One question, as the program prints the answer."""
    stdio = target.get("stdio")
    where = [stdio["command"], *stdio["args"]] if stdio else [target["url"], "--transport", "http"]
    done = subprocess.run([*COMMAND, *where, "--method", method, *options], capture_output=True, text=True, timeout=PATIENCE, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {"error": " ".join((done.stderr or done.stdout).split())[:300] or "it printed nothing"}


def pairs(arguments: dict[str, Any]) -> list[str]:
    """As the options take them."""
    return [f"{key}={value}" for key, value in arguments.items()]


def see(target: dict[str, Any], feature: str, asked: dict[str, Any]) -> Any:
    """One feature."""
    if feature == "tools":
        listed = ask(target, "tools/list")
        got = ask(target, "tools/call", "--tool-name", asked["tool"], "--tool-arg", *pairs(asked["arguments"]))
        return {"names": [tool["name"] for tool in listed.get("tools", [])], "said": got.get("content", [got])[0].get("text", got)}
    if feature == "resources":
        listed = ask(target, "resources/list")
        got = ask(target, "resources/read", "--uri", asked["uri"])
        return {"names": [one["uri"] for one in listed.get("resources", [])], "said": got.get("contents", [got])[0].get("text", got)}
    if feature == "prompts":
        listed = ask(target, "prompts/list")
        got = ask(target, "prompts/get", "--prompt-name", asked["prompt"], "--prompt-args", *pairs(asked["arguments"]))
        said = got["messages"][0]["content"]["text"] if "messages" in got else got
        return {"names": [one["name"] for one in listed.get("prompts", [])], "said": said}
    return {"absent": "the client cannot do it"}


def main() -> None:
    """From target to target."""
    found = [{feature: see(target, feature, asked) for feature, asked in target["asks"].items()} for target in json.load(sys.stdin)]
    print(json.dumps(found))


main()

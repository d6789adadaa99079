"""An MCP server over stdio in plain Python that starts at once and is hard to get rid of.

Run as a program: ``python -S -E hardy.py NAME [HABIT...]``. Habits: ``deaf`` ignores the end of its input, ``stubborn`` SIGTERM, ``forks``
starts a child that ignores both and keeps the pipes open, ``leaves`` serves in a child whose launcher ends at the first call,
``waits FILE`` does not answer before the file exists (looked for at the start only).

Tools: ``echo`` says its name and id; ``stall`` says so on stderr and never answers (``echo`` where the name begins with ``spare``);
``hold`` does so and answers when there is a file of the given name.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "stall", "hold")]


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Server:
    """Answers on stdout, one message at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()

    def answer(self, number: int, result: object) -> None:
        with self.lock:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}) + "\n")
            sys.stdout.flush()

    def echo(self, number: int) -> None:
        self.answer(number, {"content": [{"type": "text", "text": f"{self.name} {os.getpid()}"}]})

    def hold(self, number: int, path: Path) -> None:
        while not path.exists():
            time.sleep(0.01)
        self.echo(number)

    def call(self, number: int, tool: str, arguments: dict[str, str]) -> None:
        if tool == "echo" or (tool == "stall" and self.name.startswith("spare")):
            self.echo(number)
            return
        say(f"{self.name} was called: {tool}")
        if tool == "hold":
            threading.Thread(target=self.hold, args=(number, Path(arguments["file"])), daemon=True).start()

    def take(self, message: dict[str, Any]) -> None:
        number, params = message["id"], message.get("params", {})
        if message["method"] == "initialize":
            hello = {"capabilities": {"tools": {}}, "serverInfo": {"name": self.name, "version": "1"}}
            self.answer(number, hello | {"protocolVersion": params["protocolVersion"]})
        elif message["method"] == "tools/call":
            self.call(number, params["name"], params.get("arguments", {}))
        else:
            self.answer(number, {"tools": TOOLS} if message["method"] == "tools/list" else {})


def sleep_for_ever() -> NoReturn:
    while True:
        signal.pause()


def fork_and_leave() -> None:
    """Go on in a child; the launcher ends when the child has been called for the first time."""
    ear, mouth = os.pipe()
    if os.fork() != 0:
        os.close(mouth)
        os.read(ear, 1)
        os._exit(0)
    os.close(ear)
    Server.call = lambda *told: os.close(mouth) if told else None  # type: ignore[method-assign]


def main(name: str, *habits: str) -> None:
    if "stubborn" in habits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "forks" in habits and os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep_for_ever()
    if "leaves" in habits:
        fork_and_leave()
    is_mute = "waits" in habits and not Path(habits[habits.index("waits") + 1]).exists()
    server = Server(name)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and not is_mute:
            server.take(message)
    if "deaf" in habits:
        sleep_for_ever()


main(*sys.argv[1:])

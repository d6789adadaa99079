"""A stdio server that does what the method says; plain Python, quick to start with ``-S -E``.

Run as a program: ``python odd.py [deaf] [stubborn] [forks] [leaves]``. ``stubborn`` ignores SIGTERM, ``deaf`` ignores the end of its input,
``forks`` starts a grandchild that ignores both and keeps the pipes open, ``leaves`` lets a copy of itself serve and ends first.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

MIB = b"x" * (1024 * 1024)
EAR = sys.stdin.buffer
MOUTH = sys.stdout.buffer


def answer(number: int, result: object) -> None:
    MOUTH.write(b'{"jsonrpc":"2.0","id":%d,"result":%s}\n' % (number, json.dumps(result).encode()))
    MOUTH.flush()


def huge(head: bytes, tail: bytes) -> None:
    MOUTH.write(head)
    for _ in range(50):
        MOUTH.write(MIB)
    MOUTH.write(tail + b"\n")
    MOUTH.flush()


def deep(number: int) -> None:
    MOUTH.write(b'{"jsonrpc":"2.0","id":%d,"result":{"deep":%s%s}}\n' % (number, b"[" * 2000, b"]" * 2000))
    MOUTH.flush()


def flood(_number: int) -> None:
    for _ in range(200):
        MOUTH.write(b'{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}\n' * 1000)
        MOUTH.flush()


def banner(number: int) -> None:
    MOUTH.write(b"\x1b[2K\rworking... ")
    answer(number, {"saw": "banner"})


ODDITIES = {"deep": deep, "flood": flood, "banner": banner}


def act(number: int, method: str) -> None:
    if method == "garbage":
        MOUTH.write(b"Server v1.0 ready\n\x00\xff\xfe\n{\n[]\nnull\n" + b"[" * 100_000 + b"\n")
        answer(number, {"saw": method})
    elif method == "id first":
        huge(b'{"jsonrpc":"2.0","id":%d,"result":{"text":"' % number, b'"}}')
    elif method == "id last":
        huge(b'{"jsonrpc":"2.0","result":{"text":"', b'"},"id":%d}' % number)
    elif method == "complain":
        sys.stderr.write("the disk is full\n")
        sys.stderr.flush()
        answer(number, {})
    elif method == "exit":
        sys.stderr.write("giving up\n")
        sys.exit(7)
    elif method in ODDITIES:
        ODDITIES[method](number)
    elif method != "hang":
        answer(number, {"saw": method, "pid": os.getpid(), "cwd": str(Path.cwd()), "env": os.environ.get("ODD")})


def sleep_for_ever() -> NoReturn:
    while True:
        signal.pause()


def main(habits: list[str]) -> None:
    if "stubborn" in habits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "forks" in habits and os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep_for_ever()
    if "leaves" in habits and os.fork() != 0:
        os._exit(0)
    if "never reads" in habits:
        sleep_for_ever()
    for line in EAR:
        message = json.loads(line)
        if "id" in message:
            act(message["id"], message["method"])
    if "deaf" in habits:
        sleep_for_ever()


main(sys.argv[1:])

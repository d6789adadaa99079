"""JSON-RPC messages and batches: reading never raises, says the same as Python's own JSON, and survives being written again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from tests.fuzz.timing import in_time

from sluicegate.protocol.batches import MOST_MEMBERS, decode_batch, is_batch, read_batch
from sluicegate.protocol.keys import ENVELOPE
from sluicegate.protocol.messages import (
    Malformed,
    Message,
    Notification,
    Params,
    Request,
    Response,
    compact,
    decode,
    encode,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    read_id,
)

__all__ = ["LONGEST", "SEEDS", "TOKENS", "check"]

LONGEST = 65536
"""Bytes of an input: room for what is nested too deeply."""

TOKENS = (
    *(
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\r\n",
        b"null",
        b"true",
        b"0",
        b"-1",
        b"1e9",
        b"0.5",
        b"\\u0000",
        b"\\ud800",
        b'\\"',
        b"\xff",
    ),
    *(
        b'"jsonrpc":"2.0",',
        b'"id":',
        b'"ID":',
        b'"method":"x"',
        b'"params":{}',
        b'"result":{}',
        b'"error":{}',
        b'"_meta":{',
        b'"progressToken":1',
    ),
    *("\u017f".encode(), "\u212a".encode(), b"initialize"),
)
LONGEST_NUMBER = 1024
"""Digits; Python refuses to read many more."""

MESSAGES = [
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":[1,2.5,null]},"_meta":{"progressToken":"t"}}}',
    b'{"jsonrpc":"2.0","id":"a\\u00e9","method":"ping"}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5}}',
    b'{"jsonrpc":"2.0","id":-7,"result":{"content":[{"type":"text","text":"\xc3\xa9"}]}}',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"Name":"x","name":"y","_meta":{"ProgressToken":1}}}',
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"x","method":"y","m\\u0065thod":"z","extra":[{}],"params":null}',
    b' {\r\n"jsonrpc" : "2.0", "id": 12345678901234567890, "method": "initialize", "params": {"ref": {"type": 1, "uri": "a"}}} ',
    b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"arguments":' + b"[" * 600 + b"]" * 600 + b"}}",
    b'{"jsonrpc":"2.0","id":1,"method":"\\ud83d\\ude00\\ud800"}',
    b'{"jsonrpc":"2.0","id":2,"method":null,"params":null,"result":{},"error":null,"server":"x"}',
    b'{"jsonrpc":"2.0","id":3,"result":null,"error":{"code":-32000.0,"message":"?"}}',
]
SEEDS = [
    *MESSAGES,
    b"[" + b",".join(MESSAGES[:4]) + b"]",
    b"[1,{}," + MESSAGES[1] + b"]",
    b"[]",
    b"[" * 2000,
    b'{"a":' * 2000,
    b"\xef\xbb\xbf{}",
    b'"\xed\xa0\x80"',
]


def check(data: bytes) -> None:
    """Raises `AssertionError` for a finding; anything else that it raises is one, too."""
    in_time(work, data, head=0)
    check_message(data)
    batch = decode_batch(data)
    members = read_batch(data)
    if isinstance(batch, Malformed):
        assert isinstance(members, Malformed)
        return
    assert is_batch(data.lstrip())
    assert isinstance(members, Malformed) == (len(batch) > MOST_MEMBERS)
    if not isinstance(members, Malformed):
        assert len(batch) == len(members)
        assert not any(isinstance(member, Request) and member.method == "initialize" for member in members)
        for member in batch[:4]:
            check_message(bytes(member))


def work(data: bytes) -> None:
    """All that we do to it."""
    decode(data)
    read_batch(data)
    compact(data)


def check_message(data: bytes) -> None:
    """All properties of one message."""
    message = decode(data)
    if isinstance(message, Malformed):
        assert message.id == b"null" or read_id(message.id) is not None
        again = decode(encode_error(message.id, encode({"code": message.code, "message": message.message})))
        assert isinstance(again, Response)
        assert again.key == read_id(message.id)
        return
    line = compact(data)
    assert b"\n" not in line
    assert meaning(decode(line)) == meaning(message)
    check_against_python(data, message)
    check_writing(message)


def check_against_python(data: bytes, message: Request | Notification | Response) -> None:
    """Python's own reader understands the message in the same way; like ours it takes the last of equal keys."""
    read: dict[str, Any] = json.loads(data, parse_int=lambda digits: int(digits) if len(digits) <= LONGEST_NUMBER else digits)
    assert read["jsonrpc"] == "2.0"
    assert not [key for key in read if key.casefold() in ENVELOPE.folded and key not in ENVELOPE.exact]
    if isinstance(message, Response):
        counts = [key for key in ("result", "error") if key in read]
        if len(counts) == 2:  # a null member counts as absent where the other one is there
            counts = ["result"] if read["error"] is None else ["error"]
        assert message.key == read.get("id")
        assert counts == [key for key in ("result", "error") if getattr(message, key) is not None]
        return
    assert message.method == read["method"]
    assert set(message.params) == set(read.get("params") or {})
    if isinstance(message, Request):
        assert isinstance(message.key, str) == isinstance(read["id"], str)
        assert message.key == read["id"] == json.loads(message.id)
    else:
        assert "id" not in read


def check_writing(message: Request | Notification | Response) -> None:
    """What was read can be written, and means the same then."""
    if isinstance(message, Request):
        again = decode(encode_request(7, message.method, message.params))
        assert meaning(again) == meaning(Request(b"7", 7, message.method, message.params))
        answer = decode(encode_result(message.id, b"{}"))
        assert isinstance(answer, Response)
        assert answer.key == message.key
    elif isinstance(message, Notification):
        assert meaning(decode(encode_notification(message.method, message.params))) == meaning(message)
    else:
        own_id = encode(message.key)
        again = decode(encode_error(own_id, message.error) if message.error is not None else encode_result(own_id, message.result or b""))
        assert meaning(again) == meaning(message)


def meaning(message: Message) -> tuple[object, ...]:
    """A message so that two of them can be compared: raw members as their bytes, without line breaks between tokens."""
    fields = (getattr(message, name) for name in ("key", "method", "params", "result", "error", "code") if hasattr(message, name))
    return (type(message), *(raw(field) for field in fields))


def raw(field: str | int | msgspec.Raw | Params | None) -> object:
    """A field with its bytes in place of raw members."""
    if isinstance(field, msgspec.Raw):
        return compact(bytes(field))
    if isinstance(field, dict):
        return {name: compact(bytes(value)) for name, value in field.items()}
    return field

"""What is to be hidden is hidden, and nobody can have himself left out of an audit by what he writes."""

from __future__ import annotations

import json
import time

import jsonpath
import pytest

from sluicegate.observe.audit.redaction import redacting


def redact(document: object, *paths: str) -> object:
    return json.loads(redacting(paths)(json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.token", {"token": "***", "user": {"token": "b", "list": [{"token": "c"}], "name": "d"}}),
        ("$..token", {"token": "***", "user": {"token": "***", "list": [{"token": "***"}], "name": "d"}}),
        ("$.user.token", {"token": "a", "user": {"token": "***", "list": [{"token": "c"}], "name": "d"}}),
        ("$..list..token", {"token": "a", "user": {"token": "b", "list": [{"token": "***"}], "name": "d"}}),
        ("$.user", {"token": "a", "user": "***"}),
        ("$.user.*", {"token": "a", "user": {"token": "***", "list": "***", "name": "***"}}),
        ("$.user['token', 'name']", {"token": "a", "user": {"token": "***", "list": [{"token": "c"}], "name": "***"}}),
        ("$.none.token", {"token": "a", "user": {"token": "b", "list": [{"token": "c"}], "name": "d"}}),
        ("$", "***"),
    ],
)
def test_places_are_hidden_with_what_is_below_them(path: str, expected: object) -> None:
    assert redact({"token": "a", "user": {"token": "b", "list": [{"token": "c"}], "name": "d"}}, path) == expected
    assert redact({"token": "a", "user": {"token": "b", "list": [{"token": "c"}], "name": "d"}}, path, path) == expected


@pytest.mark.parametrize("path", ["$..token", "$..['token']", "$..a..token", "$..*"])
@pytest.mark.parametrize("depth", [99, 101, 300, 700])
def test_no_depth_costs_a_record_its_arguments_or_shows_what_is_hidden(path: str, depth: int) -> None:
    deep = b'{"a":' * depth + b'{"token":"s3cret","b":1}' + b"}" * depth
    found = redacting([path])(deep)
    json.loads(found)
    assert b"s3cret" not in found
    assert path != "$..token" or b'"token":"***","b":1' in found


def test_a_number_beyond_all_bounds_leaves_json() -> None:
    def refuse(text: str) -> object:
        raise AssertionError(text)

    found = redacting([])(b'{"a":1e400,"b":[-1E999,1.5],"c":3}')
    assert json.loads(found, parse_constant=refuse) == {"a": "1e400", "b": ["-1E999", 1.5], "c": 3}


@pytest.mark.parametrize("path", ["$..token", "$..['token']", "$..a..token"])
@pytest.mark.parametrize(
    "document",
    [b"[" + b"[]," * 5_400 + b"[]]", b'{"a":' * 900 + b"1" + b"}" * 900, b'{"a":[' + b"{}," * 5_000 + b"1]}"],
    ids=["wide", "deep", "objects"],
)
def test_nobody_keeps_the_loop_busy_with_what_is_hidden_from_him(path: str, document: bytes) -> None:
    hide = redacting([path])
    took = []
    for _ in range(5):
        began = time.process_time()
        hide(document)
        took.append(time.process_time() - began)
    assert min(took) < 0.007


def test_what_is_no_path_is_told() -> None:
    with pytest.raises(jsonpath.JSONPathError):
        redacting(["$["])

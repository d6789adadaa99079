"""Every response of the table means the same however it is cut."""

from __future__ import annotations

import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sluicegate.http1.client.response_parser import ResponseParser

VECTORS: list[Any] = runpy.run_path(str(Path(__file__).with_name("response_vectors.py")))["VECTORS"]

LARGE = 100_000
"""Bytes that are too many to give them one by one."""


def check(vector: Any, chunks: Iterable[bytes]) -> None:
    """The client learns what the table says."""
    parser = ResponseParser()
    parser.expect(vector.method)
    for chunk in chunks:
        parser.feed(chunk)
    if vector.eof:
        parser.eof()
    expected = (vector.status, vector.body, vector.complete, vector.keep_alive)
    assert expected == (parser.status, b"".join(parser.body), parser.complete, parser.keep_alive)
    assert vector.failure in parser.failure
    assert bool(vector.failure) == bool(parser.failure)


def cut(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_response_is_read_whole(vector: Any) -> None:
    check(vector, [vector.data])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_response_is_read_in_small_pieces(vector: Any) -> None:
    check(vector, cut(vector.data, 1 if len(vector.data) < LARGE else 1009))


@pytest.mark.parametrize("vector", [vector for vector in VECTORS if len(vector.data) < 300], ids=lambda vector: vector.name)
def test_a_response_is_read_in_two_pieces(vector: Any) -> None:
    for place in range(len(vector.data)):
        check(vector, [vector.data[:place], vector.data[place:]])


def test_every_vector_has_a_name_of_its_own() -> None:
    assert len(VECTORS) == len({vector.name for vector in VECTORS})

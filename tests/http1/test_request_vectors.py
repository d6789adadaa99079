"""Every request of the table means the same however it is cut."""

from __future__ import annotations

import random
import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sluicegate.http1.server.request_parser import RequestParser

VECTORS: list[Any] = runpy.run_path(str(Path(__file__).with_name("request_vectors.py")))["VECTORS"]

LARGE = 100_000
"""Bytes that are too many to give them one by one."""


def read(chunks: Iterable[bytes]) -> tuple[tuple[tuple[str, bytes, bytes], ...], int]:
    """The complete requests, and the status of the refusal."""
    parser = RequestParser()
    for chunk in chunks:
        parser.feed(chunk)
    complete = tuple((request.line.method, request.line.target, b"".join(request.body)) for request in parser.requests if request.complete)
    return complete, parser.failure.status if parser.failure else 0


def cut(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_request_is_read_whole(vector: Any) -> None:
    assert (vector.requests, vector.status) == read([vector.data])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_request_is_read_in_small_pieces(vector: Any) -> None:
    assert (vector.requests, vector.status) == read(cut(vector.data, 1 if len(vector.data) < LARGE else 1009))


@pytest.mark.parametrize("vector", [vector for vector in VECTORS if len(vector.data) < LARGE], ids=lambda vector: vector.name)
def test_a_request_is_read_in_two_pieces(vector: Any) -> None:
    chance = random.Random(vector.name)
    places = range(len(vector.data)) if len(vector.data) < 300 else chance.sample(range(len(vector.data)), 50)
    for place in places:
        assert (vector.requests, vector.status) == read([vector.data[:place], vector.data[place:]])


def test_every_vector_has_a_name_of_its_own() -> None:
    assert len(VECTORS) == len({vector.name for vector in VECTORS})

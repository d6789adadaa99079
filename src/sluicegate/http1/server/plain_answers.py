"""Answers of the server's own: plain text, and after nearly all of them the connection closes."""

from __future__ import annotations

from .request_parser import Refusal
from .response_writer import STATUS_LINES

__all__ = ["BODY_TOO_SLOW", "BUG", "CONTINUE", "FULL", "HEAD_TOO_SLOW", "TOO_MUCH", "plain_answer"]

HEAD_TOO_SLOW = Refusal(408, "the head of the request came too slowly")
BODY_TOO_SLOW = Refusal(408, "the body of the request came too slowly")
BUG = Refusal(500, "Internal Server Error")
TOO_MUCH = Refusal(503, "too many large requests at a time")
FULL = Refusal(503, "too many connections")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def plain_answer(refusal: Refusal, date: bytes) -> bytes:
    """A whole response of our own, after which the connection closes."""
    body = f"{refusal.reason}\n".encode()
    framing = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(body)
    return b"".join((STATUS_LINES[refusal.status], framing, date, b"connection: close\r\n\r\n", body))

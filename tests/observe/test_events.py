"""Events in the logging of a program that has the gateway inside: with their fields in the message, and as extra."""

from __future__ import annotations

import io
import logging
import pickle

import pytest

from sluicegate.telling.loggers import LogEvent, get_logger

log = get_logger("sluicegate.test")


def test_a_plain_format_shows_the_fields(caplog: pytest.LogCaptureFixture) -> None:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    logger = logging.getLogger("sluicegate.test")
    logger.addHandler(handler)
    try:
        log.warning("backend is down", backend="time", cause="exited with status 3\nlast words", retry_seconds=0.5)
    finally:
        logger.removeHandler(handler)
    said = "backend is down: backend=time cause='exited with status 3\\nlast words' retry_seconds=0.5"
    assert text.getvalue() == f"WARNING:sluicegate.test:{said}\n"
    (record,) = caplog.records
    assert record.getMessage() == said
    assert record.msg == "backend is down"
    assert vars(record)["backend"] == "time"
    assert vars(record)["retry_seconds"] == 0.5


def test_an_event_without_fields_is_the_event(caplog: pytest.LogCaptureFixture) -> None:
    log.error("it is over")
    assert caplog.records[0].getMessage() == "it is over"


def test_a_percent_sign_in_a_field_is_one(caplog: pytest.LogCaptureFixture) -> None:
    log.error("odd", what="100 %s %d")
    assert caplog.records[0].getMessage() == "odd: what='100 %s %d'"


def test_an_event_can_be_sent_to_another_process() -> None:
    event = pickle.loads(pickle.dumps(LogEvent("down", {"backend": "a"})))
    assert (event, str(event)) == ("down", "down: backend=a")

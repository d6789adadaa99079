"""What is said again and again is shown once a minute, with a count; backends that write much are cut."""

from __future__ import annotations

import logging

from sluicegate.observe.collapse import BURST, MINUTE, MOST_CHANGES, MOST_KINDS, PER_SECOND, Collapse


class Desk:
    """A log, and a clock to move by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shown: list[tuple[str, object, object]] = []
        self.collapse = Collapse(self._show, lambda: self.now)

    def _show(self, record: logging.LogRecord) -> None:
        count = getattr(record, "repeated", getattr(record, "left_out", None))
        self.shown.append((record.msg, getattr(record, "backend", None), count))

    def say(self, event: str, name: str = "sluicegate.backend", level: int = logging.WARNING, **fields: object) -> None:
        self.collapse.take(logging.makeLogRecord({"name": name, "msg": event, "levelno": level, **fields}))


def test_the_first_is_shown_at_once_and_the_count_when_the_minute_is_over() -> None:
    desk = Desk()
    for number in range(1000):
        desk.say("it failed", backend="a", error=f"the {number}th")
    assert desk.shown == [("it failed", "a", None)]
    assert desk.collapse.due() == MINUTE
    desk.now = MINUTE
    assert desk.collapse.due() is None
    assert desk.shown == [("it failed", "a", None), ("it failed", "a", 999)]
    desk.say("it failed", backend="a")
    assert len(desk.shown) == 3, "a new minute begins with a line that is shown"


def test_what_came_once_is_not_told_of_again() -> None:
    desk = Desk()
    desk.say("it failed", backend="a")
    desk.now = 2 * MINUTE
    assert desk.collapse.due() is None
    desk.collapse.finish()
    assert desk.shown == [("it failed", "a", None)]


def test_backends_reasons_and_states_are_kinds_of_their_own_and_a_peers_words_are_not() -> None:
    desk = Desk()
    for backend in ("a", "b"):
        for state in ("restarting", "crash_looping"):
            for what in ("x", "y"):
                desk.say("it is down", backend=backend, state=state, what=what, target=what, method=what)
    assert [backend for _, backend, _ in desk.shown] == ["a", "a", "b", "b"]


def test_the_last_one_is_told_of_at_the_end() -> None:
    desk = Desk()
    for _ in range(3):
        desk.say("it failed", backend="a")
    desk.collapse.finish()
    assert desk.shown == [("it failed", "a", None), ("it failed", "a", 2)]


def test_memory_is_bounded_and_nothing_uncounted() -> None:
    desk = Desk()
    for number in range(3 * MOST_KINDS):
        desk.say("it failed", backend=str(number))
        desk.say("it failed", backend=str(number))
    desk.collapse.finish()
    assert len(desk.shown) == 6 * MOST_KINDS


def test_a_traceback_that_is_held_back_keeps_nothing_alive() -> None:
    desk = Desk()
    record = logging.makeLogRecord({"name": "x", "msg": "bug", "exc_info": (ValueError, ValueError("x"), None)})
    desk.say("bug", name="x", level=record.levelno, exc_info=record.exc_info)
    desk.collapse.take(record)
    assert record.exc_info is None


def test_a_backend_that_writes_much_is_cut_to_a_rate_and_what_is_left_out_is_told() -> None:
    desk = Desk()
    for second in range(120):
        desk.now = float(second)
        desk.collapse.due()
        for _ in range(1000):
            desk.say("stderr", "sluicegate.backend.message", logging.INFO, backend="loud", line="x")
        desk.say("stderr", "sluicegate.backend.message", logging.INFO, backend="quiet", line="y")
    desk.collapse.finish()
    loud = [count for event, backend, count in desk.shown if backend == "loud" and event == "stderr"]
    told = [count for event, backend, count in desk.shown if event == "lines of a backend were left out"]
    assert len(loud) == BURST + 119 * PER_SECOND
    assert sum(map(int, map(str, told))) == 120_000 - len(loud)
    assert len(told) <= 3
    assert len([backend for _, backend, _ in desk.shown if backend == "quiet"]) == 120


def test_changes_of_a_backends_state_are_no_repetitions_until_they_never_end() -> None:
    desk = Desk()
    for _ in range(100):
        desk.say("backend is ready", "sluicegate.supervisor", logging.INFO, backend="a")
        desk.say("backend is down", "sluicegate.supervisor", backend="a", state="restarting")
    desk.collapse.finish()
    ready = [count for event, _, count in desk.shown if event == "backend is ready"]
    assert ready == [None] * MOST_CHANGES + [100 - MOST_CHANGES]


def test_faults_on_purpose_are_all_told() -> None:
    desk = Desk()
    for _ in range(50):
        desk.say("fault injected", "sluicegate.faults", backend="a", fault="delay")
    assert len(desk.shown) == 50


def test_another_bug_under_the_same_words_is_shown_with_its_own_traceback() -> None:
    desk = Desk()

    def first() -> None:
        raise ValueError("one")

    def second() -> None:
        raise ValueError("two")

    def third() -> None:
        raise ExceptionGroup("several", [KeyError("three")])

    for bug in (first, second, third, first, second, third):
        try:
            bug()
        except* (ValueError, KeyError) as error:  # as the one place does that turns bugs into replies
            desk.say("a bug cost one call", level=logging.ERROR, exc_info=(type(error), error, error.__traceback__))
    assert len(desk.shown) == 3
    desk.collapse.finish()
    assert [count for _, _, count in desk.shown] == [None, None, None, 1, 1, 1]


def test_every_item_of_a_backends_list_that_is_not_as_it_should_be_is_named() -> None:
    desk = Desk()
    items: list[object] = []
    collapse = Collapse(lambda record: items.append(getattr(record, "item", None)), lambda: 0.0)
    for number in range(20):
        fields = {"name": "sluicegate.routing", "msg": "it is left out", "levelno": logging.WARNING, "backend": "a", "item": number}
        collapse.take(logging.makeLogRecord(fields))
    assert items == list(range(20))
    for number in range(10_000):
        desk.say(f"a name is long; it is listed as {number}", "sluicegate.routing", backend="a", item=str(number))
    desk.collapse.finish()
    assert len(desk.shown) == BURST + 1, "however a backend words it"
    assert desk.shown[-1] == ("lines of a backend were left out", "a", 10_000 - BURST)

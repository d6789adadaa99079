"""Every fault of our own has a code that never changes, and a page about it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import sluicegate
from sluicegate.protocol import faults
from sluicegate.protocol.fault import Cause, Fault
from sluicegate.protocol.fault_codes import BY_REASON, CODES, Code
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.offers import KINDS
from sluicegate.protocol.why import Why

SOURCE = Path(sluicegate.__file__).parent
SAMPLES: dict[str, object] = {
    "str": "tool",
    "Sequence[str]": ("a", "b"),
    "Why | str": Why("it left"),
    "int": 3,
    "float": 1.5,
    "float | None": 1.5,
    "bool": True,
    "Raw": Raw(b'"no object"'),
}
"""A value for each type of parameter; the raw error object is one that nobody can read."""

DIGITS = {
    Cause.CLIENT: "1",
    Cause.UNAVAILABLE: "2",
    Cause.TRANSPORT: "3",
    Cause.TIMEOUT: "4",
    Cause.OVERLOAD: "5",
    Cause.BARRED: "6",
    Cause.POLICY: "7",
    Cause.CANCELLED: "8",
    Cause.BUG: "9",
}

PROMISED = {
    "SG-101": "invalid_params",
    "SG-102": "unknown_tool",
    "SG-103": "unknown_resource",
    "SG-104": "unknown_prompt",
    "SG-105": "unknown_method",
    "SG-106": "not_initialized",
    "SG-107": "duplicate_id",
    "SG-108": "cannot_ask",
    "SG-109": "unknown_resource_template",
    "SG-110": "name_too_long",
    "SG-111": "header_mismatch",
    "SG-112": "unsupported_version",
    "SG-113": "stale_request_state",
    "SG-114": "unknown_task",
    "SG-115": "no_task",
    "SG-116": "undeclared",
    "SG-201": "backend_unavailable",
    "SG-202": "redirected",
    "SG-203": "no_credential",
    "SG-301": "connection_lost",
    "SG-302": "bad_answer",
    "SG-303": "http_status",
    "SG-304": "backend_unreachable",
    "SG-401": "timeout",
    "SG-501": "overloaded",
    "SG-502": "rate_limited",
    "SG-503": "queue_full",
    "SG-504": "queue_timeout",
    "SG-505": "no_place_to_wait",
    "SG-601": "circuit_open",
    "SG-602": "ejected",
    "SG-603": "unfit_arguments",
    "SG-701": "not_available",
    "SG-702": "unknown_caller",
    "SG-703": "not_permitted",
    "SG-704": "missing_header",
    "SG-705": "no_role",
    "SG-706": "insufficient_scope",
    "SG-801": "cancelled",
    "SG-901": "bug",
}
"""People search for these: new ones are added here, and none is ever changed or given away again."""

ON_THE_WIRE = {
    -32600: ("not_initialized", "duplicate_id"),
    -32601: ("unknown_method", "cannot_ask"),
    -32602: (
        "invalid_params",
        "unknown_tool",
        "unknown_resource",
        "unknown_prompt",
        "unknown_resource_template",
        "name_too_long",
        "stale_request_state",
        "not_available",
        "unknown_caller",
        "missing_header",
        "unfit_arguments",
        "not_permitted",
        "no_role",
    ),
    -32603: ("backend_unavailable", "redirected", "connection_lost", "bad_answer", "http_status", "backend_unreachable", "bug"),
    -32000: ("ejected",),
    -32007: ("insufficient_scope",),
    -32010: ("timeout",),
    -32011: ("rate_limited",),
    -32012: ("circuit_open",),
    -32013: ("overloaded", "queue_full", "queue_timeout", "no_place_to_wait"),
    -32800: ("cancelled",),
}
"""What programs compare: clients of the gateway go by these numbers, so they stay, too."""

HANDED_ON = {"reason", "code.reason"}
"""Where a reason is not said but passed on."""

CONSTRUCTORS = [name for name in faults.__all__ if name not in {"Cause", "Fault"}]


def made_by(name: str) -> Iterator[Fault]:
    """Samples of what a constructor makes: with all parameters, and with only those that it must have."""
    make = getattr(faults, name)
    parameters = inspect.signature(make).parameters.values()
    required = {one.name: SAMPLES[one.annotation] for one in parameters if one.default is one.empty}
    yield make(**required)
    for kind in KINDS if "kind" in required else ():
        yield make(**required | {"kind": kind.name})


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_every_constructor_makes_faults_with_a_code(name: str) -> None:
    made = list(made_by(name))

    assert made
    for fault in made:
        code = BY_REASON[fault.reason]
        assert code.number == msgspec.json.decode(fault.encode())["data"]["code"]
        assert (code.cause, code.rpc) == (fault.cause, fault.code)
        assert code.started in {None, fault.started}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def constants() -> dict[str, str]:
    """Names at the top of a module that stand for a text."""
    return {
        target.id: node.value.value
        for path in SOURCE.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def reason_of(node: ast.Call) -> ast.expr | None:
    """The reason that a call gives to a fault; None where it gives none."""
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if called(node) == "Fault" and "raw" not in given:
        return given.get("reason", node.args[3] if len(node.args) > 3 else ast.Constant(value=""))
    return given.get("reason") if called(node) in {"client_mistake", "evolve"} else None


def test_no_fault_is_made_anywhere_without_a_code() -> None:
    """Whoever makes a fault with a new reason gives it a code in the same change."""
    known, missing, looked_at = constants(), [], 0
    for place, node in calls():
        reason = reason_of(node)
        if reason is None or isinstance(reason, ast.JoinedStr) or ast.unparse(reason) in HANDED_ON:
            continue  # put together, or handed through: where that may be is looked at below
        looked_at += 1
        word = reason.value if isinstance(reason, ast.Constant) else known.get(ast.unparse(reason))
        if word not in BY_REASON:
            missing.append(f"{place}: {word!r}")

    assert missing == []
    assert looked_at >= 15


def test_reasons_are_put_together_or_handed_on_only_where_all_of_them_are_known() -> None:
    put_together = [
        place
        for place, node in calls()
        if (reason := reason_of(node)) is not None and (isinstance(reason, ast.JoinedStr) or ast.unparse(reason) in HANDED_ON)
    ]
    assert [place for place in put_together if not place.startswith(("protocol/faults.py", "cli/explain.py"))] == []


def test_no_code_is_without_a_fault() -> None:
    made = {fault.reason for name in CONSTRUCTORS for fault in made_by(name)}
    known = constants()
    for _, node in calls():
        reason = reason_of(node)
        if reason is not None:
            made.add(str(reason.value) if isinstance(reason, ast.Constant) else known.get(ast.unparse(reason), ""))

    assert BY_REASON.keys() - made == set()


def test_a_number_that_was_given_stays_given() -> None:
    assert {code.number: code.reason for code in CODES} == PROMISED


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_each_fault_has_the_number_that_its_clients_know(name: str) -> None:
    numbers = {reason: number for number, reasons in ON_THE_WIRE.items() for reason in reasons}
    for fault in made_by(name):
        assert msgspec.json.decode(fault.encode())["code"] == numbers[fault.reason]


def test_the_first_digit_tells_the_cause() -> None:
    assert [code.number for code in CODES] == sorted({code.number for code in CODES})
    assert len(BY_REASON) == len(CODES)
    for code in CODES:
        assert re.fullmatch(rf"SG-{DIGITS[code.cause]}\d\d", code.number)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.number)
def test_a_page_is_whole_and_a_hint_is_short(code: Code) -> None:
    """Sentences for people on the page; a few words in every error, which are paid for on each wire."""
    assert re.fullmatch(r"[a-z_]+", code.reason)
    assert 0 < len(code.hint) <= 60
    assert not code.hint.endswith(".")
    assert not code.title.endswith(".")
    assert len(code.title) <= 60
    for text in (code.meaning, code.caller, code.operator):
        assert text.endswith(".")
        assert text.isprintable()

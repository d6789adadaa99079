"""Which tools need scopes, and that a call without them goes nowhere."""

from __future__ import annotations

import attrs
import pytest
import trio
from tests.kit.calls import a_call

from sluicegate.policies import tool_scopes
from sluicegate.policies.tool_scopes import NeededScopes, ToolScopesHeld
from sluicegate.protocol.calls import OURSELVES
from sluicegate.protocol.principal import Principal
from sluicegate.testing.backend import ScriptedBackend

RULES = [(lambda name: name.startswith("write"), ("w",)), (lambda name: name.endswith("all"), ("a", "w"))]


@pytest.mark.parametrize(
    ("tool", "granted", "lacking"),
    [
        ("read", set(), ()),
        ("write", set(), ("m", "w")),
        ("write", {"m"}, ("m", "w")),
        ("write", {"m", "w", "x"}, ()),
        ("write_all", {"m", "w"}, ("m", "w", "a")),
        ("write_all", {"m", "w", "a"}, ()),
    ],
)
def test_all_that_is_needed_is_told_where_anything_of_it_is_lacking(tool: str, granted: set[str], lacking: tuple[str, ...]) -> None:
    needed = NeededScopes(RULES, ("m",))
    for _ in range(2):  # the second time it is known
        assert needed.lacking(tool, frozenset(granted)) == lacking


def test_names_that_callers_make_up_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_scopes, "_MOST_KEPT", 3)
    needed = NeededScopes(RULES)
    for number in range(10):
        needed.lacking(f"write{number}", frozenset())
    needed.lacking("write" * 1000, frozenset())
    assert len(needed._known) <= 3
    assert max(map(len, needed._known)) < 100


@pytest.mark.parametrize(
    ("method", "principal", "runs"),
    [
        ("tools/call", Principal("ann"), False),
        ("tools/call", Principal("ann", scopes=frozenset({"w"})), True),
        ("tools/call", Principal(), False),
        ("tools/call", None, True),
        ("prompts/get", Principal("ann"), True),
    ],
)
async def test_a_call_without_them_is_no_backends_business(
    method: str, principal: Principal | None, runs: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever has to show nothing, such as the program itself, lacks none."""
    backend = ScriptedBackend()
    caller = OURSELVES if principal is None else attrs.evolve(OURSELVES, principal=principal)
    asked = a_call("write", method=method, caller=caller)
    reply = await ToolScopesHeld(backend, NeededScopes(RULES))(asked)
    assert (reply.fault is None, backend.calls) == (runs, int(runs))
    assert runs or (reply.fault is not None and reply.fault.reason == "insufficient_scope")

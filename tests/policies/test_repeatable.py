"""Which calls may be run twice."""

import pytest

from sluicegate.policies.repeatable import repeatable
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw

READ_ONLY = {("tools/call", "list_files")}


def is_safe(method: str, local: str) -> bool:
    """What a backend's annotations say."""
    return (method, local) in READ_ONLY


def tool(name: str) -> Call:
    return Call("tools/call", f"files_{name}", {"name": Raw(f'"{name}"'.encode())})


READS = [
    Call("resources/read", "file:///a", {"uri": Raw(b'"file:///a"')}),
    Call("prompts/get", "files_greet", {"name": Raw(b'"greet"')}),
    Call("completion/complete", "files_greet", {}),
]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("safe", {"list_files"}),
        ("all", {"list_files", "delete_file"}),
        (("delete_file",), {"delete_file"}),
        (("safe", "all"), set()),
        ((), set()),
    ],
)
def test_tools_are_repeatable_as_configured(only: str | tuple[str, ...], expected: set[str]) -> None:
    """RES-4: annotations decide, or the operator; by the backend's own names."""
    decide = repeatable(only, is_safe)

    assert {name for name in ("list_files", "delete_file") if decide(tool(name))} == expected


@pytest.mark.parametrize("only", ["safe", "all", ("delete_file",), ()])
@pytest.mark.parametrize("call", READS, ids=lambda call: call.method)
def test_what_only_reads_always_is(only: str | tuple[str, ...], call: Call) -> None:
    assert repeatable(only, is_safe)(call)


def test_a_list_of_tools_says_nothing_about_other_methods() -> None:
    subscribe = Call("resources/subscribe", "file:///a", {"uri": Raw(b'"file:///a"')})

    assert not repeatable(("file:///a",), is_safe)(subscribe)


def test_a_bare_name_is_no_list_of_tools() -> None:
    with pytest.raises(TypeError, match=r"\('delete_file',\)"):
        repeatable("delete_file", is_safe)

"""``sluicegate explain``: what a code in an error means, and what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

import click

from ..config.nearest import nearest
from ..protocol.fault import Fault
from ..protocol.fault_codes import BY_REASON, CODES, Code
from .json_text import print_json

__all__ = ["command", "listing"]

_WIDTH = 100


@click.command("explain", short_help="Say what the code of an error means.", context_settings={"ignore_unknown_options": True})
@click.argument("code", required=False, metavar="[CODE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(code: str | None, *, as_json: bool) -> None:
    """Say what the code of an error means, such as SG-401, and what to do about it; without one, list all.

    The code is `error.data.code`; the word in `error.data.reason` will do, too. A JSON-RPC code such as -32603 lists all that have it.
    """
    if code is None:
        _print(CODES, as_json=as_json)
        return
    if same := [one for one in CODES if code.strip() == str(one.rpc)]:
        _print(same, as_json=as_json)
        return
    found = _find(code)
    if as_json:
        print_json(_fields(found))
    else:
        print("\n".join(_page(found)))


def _print(codes: Sequence[Code], *, as_json: bool) -> None:
    if as_json:
        print_json([_fields(one) for one in codes])
    else:
        print(listing(codes))


def listing(codes: Iterable[Code] = CODES) -> str:
    """Codes, a line each; of all of them ``sluicegate help errors`` has the same."""
    width = max(len(code.reason) for code in CODES)
    return "\n".join(f"{code.number}  {code.reason:{width}}  {code.rpc}  {code.title}" for code in codes)


def _find(word: str) -> Code:
    """The code of that number or reason; raises what prints the nearest one."""
    known = {code.number: code for code in CODES} | BY_REASON
    plain = word.strip()
    number = plain.upper().removeprefix("SG").lstrip("-_ ")
    found = known.get(f"SG-{number}") or known.get(plain.lower().replace("-", "_").replace(" ", "_"))
    if found is None:
        names = {name.replace("-", ""): name for name in known}
        close = nearest(plain, names)
        instead = f"did you mean '{names[close]}'?" if close is not None else "'sluicegate explain' alone lists them all"
        raise click.BadParameter(f"there is no code '{word}'; {instead}", param_hint="CODE")
    return found


def _page(code: Code) -> Iterator[str]:
    yield f"{code.number}  {code.reason}  (JSON-RPC {code.rpc})"
    yield ""
    yield code.title
    for head, text in (
        ("What it means", code.meaning),
        ("What the caller can do", code.caller),
        ("What the operator can do", code.operator),
    ):
        yield f"\n  {head}"
        yield textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    yield ""
    for head, text in (("Cause", code.cause.value), *_consequences(code).items()):
        yield f"  {head + ':':28}{text}"


def _consequences(code: Code) -> dict[str, str]:
    """What the policies make of it: told by the fault itself, so that a page cannot be wrong about it."""
    fates = (True, False) if code.started is None else (code.started,)
    faults = [Fault(code.cause, code.rpc, code.title, code.reason, started=started) for started in fates]
    harmless = all(fault.may_be_repeated(safe=True) for fault in faults)
    anyway = [fault.may_be_repeated(safe=False) for fault in faults]
    if not harmless:
        repeated = "no"
    elif all(anyway):
        repeated = "yes; it certainly did not start"
    else:
        repeated = "where running it twice does no harm" + (", or if it certainly did not start" if any(anyway) else "")
    return {
        "May be repeated": repeated,
        "May go to a stand-in": "yes" if faults[0].may_go_elsewhere else "no",
        "Counts against the backend": "yes" if faults[0].counts_against_backend else "no",
    }


def _fields(code: Code) -> dict[str, object]:
    keys = {head.lower().replace(" ", "_").replace("-", "_"): text for head, text in _consequences(code).items()}
    return {
        "code": code.number,
        "reason": code.reason,
        "cause": code.cause.value,
        "jsonrpc": code.rpc,
        "title": code.title,
        "meaning": code.meaning,
        "caller": code.caller,
        "operator": code.operator,
        "hint": code.hint,
        **keys,
    }

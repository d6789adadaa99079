"""What a client got through the gateway, beside what it got directly."""

from __future__ import annotations

from typing import Any

from sluicegate.protocol.names import Names, fitting
from sluicegate.protocol.offers import KINDS, PROMPTS, RESOURCES, TOOLS, ListKind

from .servers import Ask

__all__ = ["Got", "asked_through", "differences", "share"]

Got = dict[str, Any]
"""By member of the list results, and ``asked``; a text under ``error`` where a client refused or was refused."""

_KIND_OF = {"call": TOOLS, "read": RESOURCES, "prompt": PROMPTS}


def _outward(names: Names, kind: ListKind, key: str) -> str:
    full = names.key_out(kind, key)
    return fitting(full, 64) if kind in (TOOLS, PROMPTS) else full


def asked_through(names: Names, ask: Ask) -> Ask:
    """The same, by the names that the gateway gives."""
    return Ask(ask.do, _outward(names, _KIND_OF[ask.do], ask.name), ask.arguments)


def share(names: Names, got: Got, asked: list[Any]) -> Got:
    """Of what a client of the whole gateway got, what is one backend's, in the backend's own words."""
    mine: Got = {"asked": [_inward(names, answer) for answer in asked]}
    for kind in KINDS:
        listed = got[kind.member]
        if isinstance(listed, list):
            listed = [entry for entry in listed if names.key_back(kind, entry[kind.key]) is not None]
        mine[kind.member] = listed
    return mine


def _inward(names: Names, value: Any) -> Any:
    """Results with the URIs in them as the backend has them."""
    if isinstance(value, list):
        return [_inward(names, entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: names.uris.back(entry) or entry if key == "uri" and isinstance(entry, str) else _inward(names, entry)
        for key, entry in value.items()
    }


def differences(names: Names, direct: Got, through: Got) -> list[str]:
    """Where the two are not the same, a phrase each."""
    found = [phrase for kind in KINDS for phrase in _of_list(names, kind, direct[kind.member], through[kind.member])]
    for number, (one, other) in enumerate(zip(direct["asked"], through["asked"], strict=True), 1):
        bare = _of_old_era(one), _of_old_era(other)
        if bare[0] != bare[1]:
            found.append(f"question {number}: {_apart(*bare)}")
        elif one != other:
            found.append(OTHER_ERA)
    return found


OTHER_ERA = "an answer has none of the members that are new in 2026-07-28"
_NEW_MEMBERS = ("resultType", "ttlMs", "cacheScope")
_SIGNATURE = "io.modelcontextprotocol/serverInfo"


def _of_old_era(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what 2026-07-28 has put around results: what kind it is, how long it holds, and whose it is."""
    meta = {key: value for key, value in answer.get("_meta", {}).items() if key != _SIGNATURE}
    rest = {key: value for key, value in answer.items() if key != "_meta" and key not in _NEW_MEMBERS}
    return rest | ({"_meta": meta} if meta else {})


def _of_list(names: Names, kind: ListKind, direct: Any, through: Any) -> list[str]:
    if isinstance(direct, dict):  # the server has none, and says so; the gateway has others'
        return [] if through in ([], direct) else [f"{kind.member}: {_apart(direct, through)}"]
    if isinstance(through, dict):
        return [f"{kind.member}: {_apart(direct, through)}"] if direct else []
    expected = {_outward(names, kind, entry[kind.key]): entry for entry in direct}
    got = {entry[kind.key]: entry for entry in through}
    if list(expected) != list(got):
        return [f"{kind.member}: {sorted(expected)} became {sorted(got)}"]
    return [
        f"{kind.name} {entry[kind.key]}: {_apart(_as_listed(names, kind, full, entry), got[full])}"
        for full, entry in expected.items()
        if _as_listed(names, kind, full, entry) != got[full]
    ]


def _as_listed(names: Names, kind: ListKind, full: str, entry: dict[str, Any]) -> dict[str, Any]:
    named = {} if kind.key == "name" else {"name": names.out(entry["name"])}
    return entry | named | {kind.key: full}


def _apart(one: Any, other: Any, at: str = "") -> str:
    """Where two values part."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            if one.get(key, ...) != other.get(key, ...):
                return _apart(one.get(key, ...), other.get(key, ...), f"{at}.{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            if left != right:
                return _apart(left, right, f"{at}[{index}]")
    return f"{at or 'it'} is {_short(other)}, directly {_short(one)}"


def _short(value: Any) -> str:
    text = "missing" if value is ... else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"

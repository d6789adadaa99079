"""URIs inside results and errors, mapped like those of the lists, so that a client can read back what it was given (P-89, LIM-12).

Only what holds a URI is encoded again; everything else is copied as it came. What does not have the expected shape is left alone.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import msgspec

from ..protocol.calls import Reply
from ..protocol.errors import RESOURCE_NOT_FOUND
from ..protocol.faults import Fault
from ..protocol.members import MOST_ENTRIES, decode_array
from ..protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, read_text

__all__ = ["Mapping", "names_view", "with_mapped_links", "with_mapped_uris"]

Mapping = Callable[[str], str]
"""From a backend's URI to the one that clients use."""


def with_mapped_uris(method: str, reply: Reply, mapping: Mapping) -> Reply:
    """The same reply with the URIs in it mapped."""
    if reply.fault is not None:
        fault = _fault(method, reply.fault, mapping)
        return reply if fault is reply.fault else Reply.failed(fault)
    if method == "tasks/get":  # of a task that has ended, in revisions without a handshake
        whole = _member(reply.result, "result", lambda raw: _tool_result(raw, mapping))
        return reply if whole is None else Reply(whole)
    place = _PLACES.get(method)
    if place is None or (method == "tools/call" and not reply.tool_result.may_hold_uris):
        return reply
    if place[1] is _block:
        result = _tool_result(reply.result, mapping)
    else:
        result = _member(reply.result, place[0], lambda raw: _entries(raw, mapping, place[1]))
    return reply if result is None else Reply(result)


def _tool_result(raw: Raw, mapping: Mapping) -> Raw | None:
    """What a tool has answered: its blocks, and the view that it names."""
    result = _member(raw, "content", lambda content: _entries(content, mapping, _block))
    shown = _member(raw if result is None else result, "_meta", lambda meta: with_mapped_links(meta, mapping))
    return result if shown is None else shown


Change = Callable[[Raw], Raw | None]
"""Gives the changed value, or None where nothing is to be changed."""


def _member(raw: Raw, key: str, change: Change) -> Raw | None:
    """An object with one member changed."""
    members = decode_object(raw)
    if isinstance(members, Malformed) or key not in members:
        return None
    changed = change(members[key])
    return None if changed is None else Raw(encode(members | {key: changed}))


def _entries(raw: Raw, mapping: Mapping, entry: Callable[[Raw, Mapping], Raw | None]) -> Raw | None:
    """A list with those entries changed that hold a URI; one with very many is left as it came."""
    try:
        entries = decode_array(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    if len(entries) > MOST_ENTRIES:
        return None
    changed = [entry(item, mapping) for item in entries]
    if all(item is None for item in changed):
        return None
    return Raw(encode([new or old for new, old in zip(changed, entries, strict=True)]))


def _uri(raw: Raw, mapping: Mapping) -> Raw | None:
    """Something with a URI: contents of a resource, a link."""
    members = decode_object(raw)
    return None if isinstance(members, Malformed) else _with_uri(members, mapping)


def _with_uri(members: Params, mapping: Mapping) -> Raw | None:
    uri = read_text(members, "uri")
    return None if uri is None else Raw(encode(members | {"uri": mapping(uri)}))


def _block(raw: Raw, mapping: Mapping) -> Raw | None:
    """A content block: a link has a URI, an embedded resource holds something that has one."""
    members = decode_object(raw)
    if isinstance(members, Malformed):
        return None
    kind = read_text(members, "type")
    if kind == "resource_link":
        return _with_uri(members, mapping)
    if kind == "resource" and "resource" in members:
        resource = _uri(members["resource"], mapping)
        return None if resource is None else Raw(encode(members | {"resource": resource}))
    return None


_LINKS = ("ui/resourceUri", "openai/outputTemplate")
"""Members of a ``_meta`` that name the resource in which a tool's results are shown, beside ``ui.resourceUri``."""


def names_view(meta: Raw) -> bool:
    """Whether a ``_meta`` names a resource in which something is shown."""
    return with_mapped_links(meta, str) is not None


def with_mapped_links(meta: Raw | None, mapping: Mapping) -> Raw | None:
    """The ``_meta`` of a tool, or of its result, with the resources mapped that it is shown in (MCP Apps); None where it names none."""
    members = None if meta is None else decode_object(meta)
    if members is None or isinstance(members, Malformed):
        return None
    named = {key: uri for key in _LINKS if (uri := read_text(members, key)) is not None}
    changed: Params = {key: Raw(encode(mapping(uri))) for key, uri in named.items()}
    ui = decode_object(members.get("ui", EMPTY))
    inner = None if isinstance(ui, Malformed) else read_text(ui, "resourceUri")
    if inner is not None and not isinstance(ui, Malformed):
        changed["ui"] = Raw(encode(ui | {"resourceUri": mapping(inner)}))
    return Raw(encode(members | changed)) if changed else None


def _message(raw: Raw, mapping: Mapping) -> Raw | None:
    """A message of a prompt: one content block."""
    return _member(raw, "content", lambda content: _block(content, mapping))


_PLACES: dict[str, tuple[str, Callable[[Raw, Mapping], Raw | None]]] = {
    "tools/call": ("content", _block),
    "tasks/result": ("content", _block),
    "resources/read": ("contents", _uri),
    "prompts/get": ("messages", _message),
}
"""Where the result of a method may hold URIs, and how to change one entry."""


def _fault(method: str, fault: Fault, mapping: Mapping) -> Fault:
    """A backend's error about a resource, with ``data.uri`` mapped; the ``uri`` of any other error may mean anything."""
    if fault.raw is None or not (method.startswith("resources/") or fault.code == RESOURCE_NOT_FOUND):
        return fault
    raw = _member(fault.raw, "data", lambda data: _uri(data, mapping))
    return fault if raw is None else attrs.evolve(fault, raw=raw)

"""What the entries of the four lists look like, and how one that is almost that becomes it.

One entry that a client's parser refuses costs that client the whole list, and behind a gateway everybody's. So each entry is looked at once,
when a backend's list is read: what can be put right without losing anything is; an optional part that cannot be is left out; and an entry
whose required part cannot be is left out itself. What is demanded is what the schemas of all revisions and the strictest of the SDKs demand
(mcp 1.26 and 2.3, @modelcontextprotocol/sdk 1.32, @modelcontextprotocol/client 2.4). Members that are not known pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, text
from ..protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS, ListKind
from .mending import Hopeless, Look, begins, choice, each, entries_of, flag, mended, moment, needed, number, object_of, words

__all__ = ["Hopeless", "well_formed"]

OBJECT = Raw(b'{"type":"object"}')
_TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))


def well_formed(kind: ListKind, members: Params, said: list[str]) -> Params:
    """An entry as clients take it, the same object where nothing is wrong; what was wrong is added to ``said``.

    Raises:
        Hopeless: a required part cannot be put right.
    """
    fill, known = _SHAPES[kind]
    return mended(fill(members, said), known, said)


def _absent(members: Params, key: str, said: list[str]) -> bool:
    value = members.get(key)
    if value is None:
        said.append(f"{key} is missing")
    elif bytes(value) == b"null":
        said.append(f"{key} is null")
    elif key == "name" and bytes(value) in (b"[]", b"{}", b'""'):
        said.append(f"{key} is empty")
    else:
        return False
    return True


def _with_schema(members: Params, said: list[str]) -> Params:
    return members | {"inputSchema": OBJECT} if _absent(members, "inputSchema", said) else members


def _with_name(key: str) -> Callable[[Params, list[str]], Params]:
    """An entry whose name, which is for people, is that by which it is read."""
    return lambda members, said: members | {"name": members[key]} if _absent(members, "name", said) else members


def _as_it_is(members: Params, _said: list[str]) -> Params:
    return members


# -- JSON Schema, as deep as clients look: an object at the top, and its properties


def _schema(raw: Raw, at: str, said: list[str]) -> Raw | None:
    """The schema of an object: arguments always are one, and structured results were until 2026."""
    members = decode_object(raw)
    if isinstance(members, Malformed):
        said.append(f"{at} is no object")
        return OBJECT if bytes(raw) == b"true" or entries_of(raw) == [] else None
    new = _with_type(members, at, said)
    if new is None:
        return None
    new = _with_required_outside(new, at, said)
    try:
        new = mended(new, _SCHEMA, said, f"{at}.")
    except Hopeless:
        return None
    return raw if new is members else Raw(encode(new))


def _with_type(members: Params, at: str, said: list[str]) -> Params | None:
    given = members.get("type")
    if given is not None and text(given) == "object":
        return members
    if given is None or bytes(given) == b"null":
        said.append(f"{at} has no type")
    else:
        among = [text(one) for one in entries_of(given) or [given]]
        said.append(f"{at}.type is not object")
        if not any(one is not None and one.lower() == "object" for one in among):
            return None
    return members | {"type": Raw(b'"object"')}


def _with_required_outside(members: Params, at: str, said: list[str]) -> Params:
    """``required`` beside ``properties``, where some write it among them; a property's schema is never a list."""
    properties = decode_object(members.get("properties", EMPTY))
    if isinstance(properties, Malformed) or entries_of(properties.get("required", EMPTY)) is None:
        return members
    said.append(f"{at}.properties.required is a list")
    inner = properties.pop("required")
    return {"required": inner} | members | {"properties": Raw(encode(properties))}


def _properties(raw: Raw, at: str, said: list[str]) -> Raw | None:
    members = decode_object(raw)
    if isinstance(members, Malformed):
        said.append(f"{at} is no object")
        return EMPTY if entries_of(raw) == [] else None
    changes: Params = {}
    for name, schema in members.items():
        if not begins(schema, b"{"):
            said.append(f"{at}.{name} is no object")
            new = _property(schema)
            if new is None:
                return None
            changes[name] = new
    return Raw(encode(members | changes)) if changes else raw


def _property(raw: Raw) -> Raw | None:
    """What says the same as a schema that is no object, if something does."""
    kind = text(raw)
    if kind is not None:
        return Raw(encode({"type": kind})) if kind in _TYPES else None
    return _PLAIN.get(bytes(raw), EMPTY if entries_of(raw) == [] else None)


_PLAIN = {b"true": EMPTY, b"null": EMPTY, b"false": Raw(b'{"not":{}}')}
"""``null`` says nothing, and so does an empty schema."""


def _required(raw: Raw, at: str, said: list[str]) -> Raw | None:
    if bytes(raw) in (b"true", b"false"):  # of the object itself, as an early draft had it
        said.append(f"{at} is no list")
        return None
    return _names(raw, at, said)


_names = each(words)
_SCHEMA: Mapping[str, Look] = {"properties": needed(_properties), "required": _required}


# -- what the lists hold


def _icon(raw: Raw, at: str, said: list[str]) -> Raw | None:
    if text(raw) is not None:
        said.append(f"{at} is no object")
        return Raw(encode({"src": raw}))
    new = _icon_object(raw, at, said)
    members = {} if new is None else decode_object(new)
    if isinstance(members, Malformed) or text(members.get("src")) is None:
        said.append(f"{at} has no src")
        return None
    return new


_icon_object = object_of(
    {"src": words, "mimeType": words, "sizes": each(words), "theme": choice("light", "dark")},
)


def _argument(raw: Raw, at: str, said: list[str]) -> Raw | None:
    """An argument of a prompt; without one that has a name it cannot be used."""
    if text(raw) is not None:
        said.append(f"{at} is no object")
        return Raw(encode({"name": raw}))
    new = _argument_object(raw, at, said)
    members = {} if new is None else decode_object(new)
    if isinstance(members, Malformed) or text(members.get("name")) is None:
        raise Hopeless(f"{at} has no name")
    return new


_argument_object = object_of({"title": words, "description": words, "required": flag})


def _arguments(raw: Raw, at: str, said: list[str]) -> Raw | None:
    if entries_of(raw) is None and decode_object(raw) != {}:
        raise Hopeless(f"{at} is no list")
    return _each_argument(raw, at, said)


_each_argument = each(_argument)

_COMMON: dict[str, Look] = {"title": words, "description": words, "icons": each(_icon), "_meta": object_of({})}
_OF_TOOLS = object_of(
    {"title": words, **dict.fromkeys(("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"), flag)},
)
_OF_RESOURCES = object_of({"audience": each(choice("user", "assistant")), "priority": number(share=True), "lastModified": moment})
_TASKS = object_of({"taskSupport": choice("required", "optional", "forbidden")})

_SHAPES: Mapping[ListKind, tuple[Callable[[Params, list[str]], Params], Mapping[str, Look]]] = {
    TOOLS: (
        _with_schema,
        _COMMON | {"inputSchema": needed(_schema), "outputSchema": _schema, "annotations": _OF_TOOLS, "execution": _TASKS},
    ),
    RESOURCES: (
        _with_name("uri"),
        _COMMON | {"name": words, "mimeType": words, "size": number(whole=True), "annotations": _OF_RESOURCES},
    ),
    TEMPLATES: (_with_name("uriTemplate"), _COMMON | {"name": words, "mimeType": words, "annotations": _OF_RESOURCES}),
    PROMPTS: (_as_it_is, _COMMON | {"arguments": _arguments}),
}
"""By list: what is put in where it is missing, and what its members hold."""

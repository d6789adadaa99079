"""A tool's ``inputSchema`` as its shape has it: what fits it is what, put into the backend's terms, fits the backend's own.

Only what is about the arguments as a whole is rewritten, wherever it stands: in ``allOf``, behind a reference, in a condition. What lies in the
value of a parameter stays as it came. Where a rewritten schema would say something else than the backend's, there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import msgspec

from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode
from ...protocol.values import read_value
from .definitions import steps_of, without_unused
from .schema_reading import TOO_DEEP, CannotReshape, entries_of, members_of, refuse_references, texts_of
from .shape import Shape

__all__ = ["CannotReshape", "in_shape", "reshaped"]


_OF_THE_WHOLE = frozenset({"$schema", "title", "description", "type", "examples", "default"})
"""What may be said both of a schema and of the one that it refers to; the former's counts."""
_SAYS_NOTHING = _OF_THE_WHOLE | {"$defs", "definitions", "$id", "$comment"}
"""What makes no difference to what stands beside it."""


_MOST_COPIED = 256 * 1024
_EACH = 256
"""Bytes that a reference counts as at least."""
_DEEPEST = 64
_ANYTHING = (b"true", b"{}")
_DEPENDENT = frozenset({"dependentRequired", "dependentSchemas", "dependencies"})


def in_shape(tool: Params, shape: Shape) -> Params:
    """A tool as clients see it; raises `CannotReshape`."""
    words = {"title": shape.title, "description": shape.description}
    shown = tool | {key: Raw(encode(text)) for key, text in words.items() if text is not None}
    return shown | {"inputSchema": reshaped(tool["inputSchema"], shape)} if shape.changes_parameters and "inputSchema" in tool else shown


def reshaped(schema: Raw, shape: Shape) -> Raw:
    """The schema that clients see; raises `CannotReshape`."""
    root = decode_object(schema)
    if isinstance(root, Malformed):
        raise CannotReshape("its inputSchema is no object")
    bound = _Bound()
    try:
        refuse_references(read_value(schema), top=True)
        shown = _Rewriting(shape, root, bound).members(root, certain=True)
        return Raw(encode(without_unused(shown) if bound.copied else shown))
    except RecursionError:
        raise CannotReshape(TOO_DEEP) from None


class _Bound(msgspec.Struct):
    """How much there may be to one schema: a backend writes it, and each reference that is followed is a copy of what it leads to."""

    copied: int = 0
    """Bytes that stand in the place of references."""
    depth: int = 0

    def copy(self, raw: Raw) -> None:
        """A definition is put in its place."""
        self.copied += memoryview(raw).nbytes + _EACH
        if self.copied > _MOST_COPIED:
            raise CannotReshape("its references lead to too much")


@attrs.frozen(repr=False)
class _Rewriting:
    """One schema on its way."""

    shape: Shape
    root: Params
    bound: _Bound
    within: tuple[str, ...] = ()
    """The references that led here."""

    def schema(self, raw: Raw, *, certain: bool) -> Raw:
        """One that is about the arguments. ``certain``: it holds for all of them, and not only under a condition, or in one of several cases."""
        members = decode_object(raw)
        if isinstance(members, Malformed):
            return raw
        self.bound.depth += 1
        if self.bound.depth > _DEEPEST:
            raise CannotReshape(TOO_DEEP)
        shown = Raw(encode(self.members(members, certain=certain)))
        self.bound.depth -= 1
        return shown

    def members(self, members: Params, *, certain: bool) -> Params:
        """The same of one that has been read."""
        found: Params = {}
        self._refuse_others(members, certain=certain)
        required = self._required(members)
        every: list[Raw] = []
        for key, raw in members.items():
            if key in _DEPENDENT:
                found[key] = self._dependent(raw, required, every, certain=certain)
            elif key == "allOf":
                every += [self.schema(one, certain=certain) for one in entries_of(raw)]
            elif key == "$ref":
                every.append(self._referred(raw, certain=certain))
            elif key != "required":
                found[key] = self._member(key, raw, certain=certain)
        if required or "required" in members:
            found["required"] = Raw(encode(required))
        return self._joined(found, every)

    def _member(self, key: str, raw: Raw, *, certain: bool) -> Raw:
        """What one keyword says, of the names that clients use."""
        if key == "properties":
            return self._properties(raw, certain=certain)
        if key in ("anyOf", "oneOf"):
            return Raw(encode([self.schema(one, certain=False) for one in entries_of(raw)]))
        if key in ("not", "if", "then", "else"):
            return self.schema(raw, certain=False)
        if key in ("examples", "default"):
            return Raw(encode([self._instance(one) for one in entries_of(raw)])) if key == "examples" else self._instance(raw)
        if key in ("minProperties", "maxProperties"):
            return self._count(key, raw)
        self._refuse(key, raw)
        return raw

    def _refuse_others(self, members: Params, *, certain: bool) -> None:
        """What is said of parameters that have no schema, where one of them is hidden."""
        others = bytes(members.get("additionalProperties", members.get("unevaluatedProperties", b"true")))
        unsaid = (self.shape.hidden & self.shape.supplied) - members_of(members.get("properties", EMPTY)).keys()
        if unsaid and (others == b"false" or not (certain or others in _ANYTHING)):
            raise CannotReshape(f"there is no place for {min(unsaid)!r}, which is hidden and supplied")

    def _joined(self, found: Params, every: Sequence[Raw]) -> Params:
        """With what must hold beside it; if that is all that is said it stands there, since clients look for ``properties`` at the top."""
        if len(every) == 1:
            only = decode_object(every[0])
            if not isinstance(only, Malformed) and found.keys() <= _SAYS_NOTHING and not found.keys() & only.keys() - _OF_THE_WHOLE:
                return only | found
        return found | {"allOf": Raw(encode(list(every)))} if every else found

    def _name(self, local: str) -> str:
        return self.shape.renamed.get(local, local)

    def _required(self, members: Params) -> list[str]:
        if "required" not in members:
            return []
        return self._asked(texts_of(members["required"]))

    def _asked(self, names: Iterable[str]) -> list[str]:
        """Of names that must be there those that a client has to give."""
        asked = [name for name in names if name not in self.shape.supplied]
        if missing := self.shape.hidden.intersection(asked):
            raise CannotReshape(f"{min(missing)!r} is required and hidden, and nothing supplies it")
        return [self._name(name) for name in asked]

    def _properties(self, raw: Raw, *, certain: bool) -> Raw:
        found: Params = {}
        shape, properties = self.shape, members_of(raw)
        for name, schema in properties.items():
            if name in shape.hidden:
                if name in shape.supplied and not certain and bytes(schema) not in _ANYTHING:
                    raise CannotReshape(f"what holds depends on {name!r}, which is hidden")
            elif name not in shape.renamed and name in shape.renamed.values():
                raise CannotReshape(f"{name!r} is a parameter already, and another is to be called that")
            else:
                found[self._name(name)] = schema
        return Raw(encode(found))

    def _dependent(self, raw: Raw, required: list[str], every: list[Raw], *, certain: bool) -> Raw:
        """What holds if a parameter is there. It always is where it is supplied, and never where it is hidden and not supplied."""
        found: Params = {}
        for name, then in members_of(raw).items():
            names = texts_of(then) if bytes(then)[:1] == b"[" else None
            if name in self.shape.supplied:
                if names is None:
                    every.append(self.schema(then, certain=certain))
                else:
                    required += [one for one in self._asked(names) if one not in required]
            elif name not in self.shape.hidden:
                found[self._name(name)] = self.schema(then, certain=False) if names is None else Raw(encode(self._asked(names)))
        return Raw(encode(found))

    def _referred(self, raw: Raw, *, certain: bool) -> Raw:
        """What a reference leads to, in its place: others may refer to the same, and mean the value of a parameter."""
        target = read_value(raw)
        if not isinstance(target, str) or not target.startswith("#/"):
            raise CannotReshape(f"its parameters are told elsewhere: {target!r}")
        if target in self.within:
            raise CannotReshape(f"{target!r} leads to itself")
        place: Params = self.root
        *steps, last = steps_of(target)
        for step in steps:
            place = members_of(place.get(step, Raw(b"")))
        if last not in place:
            raise CannotReshape(f"{target!r} leads nowhere")
        self.bound.copy(place[last])
        return attrs.evolve(self, within=(*self.within, target)).schema(place[last], certain=certain)

    def _instance(self, raw: Raw) -> Raw:
        members = decode_object(raw)
        if isinstance(members, Malformed):
            return raw
        return Raw(encode({self._name(name): value for name, value in members.items() if name not in self.shape.hidden}))

    def _count(self, key: str, raw: Raw) -> Raw:
        count = read_value(raw)
        supplied = self.shape.supplied if key == "minProperties" else self.shape.supplied & self.shape.hidden
        if not isinstance(count, int):
            return raw
        if key == "maxProperties" and count < len(supplied):
            raise CannotReshape(f"it takes {count} parameters, and {len(supplied)} are supplied")
        return Raw(encode(max(0, count - len(supplied))))

    def _refuse(self, key: str, raw: Raw) -> None:
        """What cannot be said of other names."""
        shape = self.shape
        if key in ("const", "enum"):
            values = read_value(raw)
            for value in values if key == "enum" and isinstance(values, list) else [values]:
                if isinstance(value, dict) and value.keys() & {*shape.hidden, *shape.renamed, *shape.supplied}:
                    raise CannotReshape(f"{key} names all parameters together")
        elif key in ("$dynamicRef", "$recursiveRef"):
            raise CannotReshape("a dynamic reference")
        elif (key == "patternProperties" and shape.renamed and members_of(raw)) or (
            key == "propertyNames" and (shape.renamed or shape.hidden)
        ):
            raise CannotReshape(f"{key} goes by the names of parameters")

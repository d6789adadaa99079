"""The handler that answers searches for tools; whatever else is called passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import attrs
import trio

from ...protocol import faults
from ...protocol.calls import Call, Handler, Reply
from ...protocol.members import is_null
from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, read_text
from ...protocol.offers import TOOLS
from ...protocol.values import read_value
from ..catalogue import Catalogue
from ..directory import Directory
from .findable import Findable
from .indexing import Indexer
from .own_tools import LONGEST_ANSWER, SearchNames
from .tool_index import ToolIndex

__all__ = ["CalledByName", "SearchTools"]


class _WrongArguments(Exception):
    """What a caller is told of his arguments: as the result of a tool, which models read."""


@attrs.frozen(eq=False, repr=False)
class SearchTools:
    """Each caller finds what is there for him, by the catalogue of the moment, however old the index is."""

    inner: Handler
    names: SearchNames
    directory: Directory
    indexer: Indexer
    settled: Callable[[], Awaitable[None]]
    """Returns when no backend is starting any more, or when that takes too long."""
    acquaint: Callable[[Call], Awaitable[None]]
    """Returns once it is known what a caller is offered, or when that takes too long."""
    _answers: Mapping[str, Callable[[Call, Params], Awaitable[Reply]]] = attrs.field(
        default=attrs.Factory(lambda self: self.by_name(), takes_self=True), init=False, repr=False
    )

    def by_name(self) -> Mapping[str, Callable[[Call, Params], Awaitable[Reply]]]:
        """What answers each."""
        names = self.names
        answers = {names.search: self._search, names.similar: self._similar, names.categories: self._categories, names.get: self._get}
        return answers | {names.call: self._call} if names.has_call else answers

    async def __call__(self, call: Call) -> Reply:
        """Run a call."""
        answer = self._answers.get(call.target) if call.method == "tools/call" else None
        if answer is None:
            return await self.inner(call)
        await trio.lowlevel.checkpoint()
        if (fault := self.directory.refuses_own(call)) is not None:
            return Reply.failed(fault)
        arguments = _object(call.params)
        if arguments is None:
            return Reply.failed(faults.client_mistake('"arguments" must be an object'))
        await self.settled()
        await self.acquaint(call)
        try:
            return await answer(call, arguments)
        except _WrongArguments as wrong:
            return _failed(str(wrong))

    async def _search(self, call: Call, arguments: Params) -> Reply:
        query, limit = _required(arguments, "query"), _limit(arguments, 10)
        visible = self._seen_by(call).findable.tools
        return _tools(await self.indexer.ask(lambda index: index.search(query, visible, limit)))

    async def _similar(self, call: Call, arguments: Params) -> Reply:
        tool_id, limit = _required(arguments, "tool_id"), _limit(arguments, 5)
        seen = self._seen_by(call).findable
        tool = seen.find(tool_id)
        return _tools([] if tool is None else await self.indexer.ask(lambda index: index.similar(tool, seen.tools, limit)))

    async def _categories(self, call: Call, _arguments: Params) -> Reply:
        visible = self._seen_by(call).findable.tools
        found = await self.indexer.ask(partial(ToolIndex.categories, visible=visible))
        return _answer(Raw(encode({"categories": found, "total_categories": len(found)})))

    async def _get(self, call: Call, arguments: Params) -> Reply:
        tool_id = _required(arguments, "tool_id")
        tool = self._seen_by(call).findable.find(tool_id)
        return _failed(f"there is no tool {tool_id!r}; {self.names.search} finds those that there are") if tool is None else _whole(tool)

    async def _call(self, call: Call, arguments: Params) -> Reply:
        """What could not be led on at the edge: a mistake, or a tool that nobody knew of before its caller was known."""
        name, seen = _required(arguments, "name"), self._seen_by(call)
        if name != self.names.call and (led_on := led_to_its_tool(call, seen)) is not None:
            return await self.inner(led_on)
        if _object(arguments) is None:
            raise _WrongArguments("'arguments' must be an object: what the tool is called with")
        return Reply.failed(seen.refusal(TOOLS, name) or faults.unknown_name("tool", name))

    def _seen_by(self, call: Call) -> Catalogue:
        return self.directory.seen_by(call.caller)


@attrs.frozen(eq=False, repr=False)
class CalledByName:
    """Makes a call of a hidden tool what it means: a call of that tool, for all that stands inside of this."""

    inner: Handler
    name: str
    directory: Directory

    async def __call__(self, call: Call) -> Reply:
        """Run a call."""
        if call.target == self.name and call.method == "tools/call":
            seen = self.directory.seen_by(call.caller)
            call = (led_to_its_tool(call, seen) if seen.permits_own(self.name) else None) or call
        return await self.inner(call)


def led_to_its_tool(call: Call, seen: Catalogue) -> Call | None:
    """The call of the tool that a call names in its arguments, with the same scope, trail and way home; None if there is no such tool."""
    outer = _object(call.params) or {}
    inner, tool = _object(outer), seen.findable.find(read_text(outer, "name") or "")
    if tool is None or inner is None:
        return None
    found = call.copy(params=call.params | {"name": Raw(encode(tool.name)), "arguments": outer.get("arguments", EMPTY)})
    found.target = tool.name
    return found


def _object(params: Params) -> Params | None:
    """The arguments; None if they are no object."""
    raw = params.get("arguments", EMPTY)
    members = {} if is_null(raw) else decode_object(raw)
    return None if isinstance(members, Malformed) else members


def _required(arguments: Params, key: str) -> str:
    found = read_text(arguments, key)
    if found is None:
        raise _WrongArguments(f"{key!r} must be there, and a text")
    return found


def _limit(arguments: Params, usual: int) -> int:
    if "top_k" not in arguments:
        return usual
    value = read_value(arguments["top_k"])
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _WrongArguments(f"'top_k' must be a whole number from 1 to {LONGEST_ANSWER}")
    return min(value, LONGEST_ANSWER)


def _whole(tool: Findable) -> Reply:
    """All that clients would see of it in a list (V05-3)."""
    entry = decode_object(Raw(tool.entry))
    assert not isinstance(entry, Malformed)  # we have encoded it ourselves
    told = {"name": Raw(encode(tool.name)), "description": entry.get("description", Raw(b'""'))}
    told |= {_TOLD[key]: entry[key] for key in _TOLD if key in entry}
    return _answer(Raw(encode({"input_schema": EMPTY} | told)))


_TOLD = {"title": "title", "inputSchema": "input_schema", "outputSchema": "output_schema", "annotations": "annotations"}


def _tools(found: list[dict[str, object]]) -> Reply:
    """The text is the bare list (DISC-3)."""
    listed = Raw(encode(found))
    return _answer(Raw(encode({"tools": listed})), listed)


def _answer(structured: Raw, told: Raw | None = None) -> Reply:
    words = bytes(structured if told is None else told).decode()
    return Reply(Raw(encode({"content": [{"type": "text", "text": words}], "structuredContent": structured})))


def _failed(words: str) -> Reply:
    return Reply.saying(f"Error: {words}", is_error=True)

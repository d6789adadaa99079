"""What a program that has a gateway can ask of it, as a client would."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import trio

from ..protocol import faults
from ..protocol.calls import Call, Handler, Reply
from ..protocol.ended_requests import Auditor, Ended
from ..protocol.messages import Raw, encode
from ..protocol.offers import PROMPTS, RESOURCES, TEMPLATES, TOOLS
from ..routing.catalogue import Catalogue
from ..routing.decoded_lists import listed
from ..telling.loggers import get_logger

__all__ = ["Askable"]

log = get_logger("sluicegate.gateway")


class Askable:
    """Calls tools, reads and gets what there is, and lists it."""

    __slots__ = ()

    @property
    @abstractmethod
    def handler(self) -> Handler:
        """Runs any routed request."""

    @property
    @abstractmethod
    def _audit(self) -> Auditor | None:
        """Gets a record of each request; None where none are written."""

    @property
    @abstractmethod
    def catalogue(self) -> Catalogue:
        """What clients see now."""

    async def call_tool(self, name: str, arguments: Mapping[str, object] | None = None) -> Reply:
        """Call a tool by its client-facing name; a failure, a bug in a policy included, is in ``Reply.fault``."""
        return await self._run(Call.tool(name, arguments))

    async def read_resource(self, uri: str) -> Reply:
        """Read a resource by its client-facing URI; the result is in ``Reply.value["contents"]``."""
        return await self._run(Call("resources/read", uri, {"uri": Raw(encode(uri))}))

    async def get_prompt(self, name: str, arguments: Mapping[str, str] | None = None) -> Reply:
        """Get a prompt by its client-facing name; the result is in ``Reply.value["messages"]``."""
        return await self._run(Call("prompts/get", name, {"name": Raw(encode(name)), "arguments": Raw(encode(arguments or {}))}))

    async def _run(self, call: Call) -> Reply:
        began, reply = trio.current_time(), Reply.failed(faults.cancelled("the program cancelled it"))
        try:
            reply = await self.handler(call)
        except Exception:  # as for a client's call: a bug costs one call
            log.exception("a bug cost one call", method=call.method, target=call.target)
            reply = Reply.failed(faults.bug(call.target))
        finally:
            if self._audit is not None:
                self._audit.ended(Ended(call, reply, b"", began, 0))
        return reply

    def list_tools(self) -> list[dict[str, object]]:
        """The tools that clients see now, decoded, in their order; so with the lists below."""
        return listed(self.catalogue, TOOLS)

    def list_resources(self) -> list[dict[str, object]]:
        """The resources."""
        return listed(self.catalogue, RESOURCES)

    def list_resource_templates(self) -> list[dict[str, object]]:
        """The templates of resources."""
        return listed(self.catalogue, TEMPLATES)

    def list_prompts(self) -> list[dict[str, object]]:
        """The prompts."""
        return listed(self.catalogue, PROMPTS)

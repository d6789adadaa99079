"""The gateway as a program uses it: what can be asked of it, and what it says to who holds it wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from sluicegate import BackendFailed, Builder, Call, ConfigError, Handler, Reply, State
from sluicegate.policies.settings import RetrySettings
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.offers import RESOURCES, TEMPLATES
from sluicegate.testing.backend import ScriptedBackend

Clock = trio.testing.MockClock


def library() -> ScriptedBackend:
    return ScriptedBackend(
        tools=["find"], resources=["file:///a", "file:///b"], templates=["file:///{name}"], prompts=["sum", "tell"], name="books"
    )


# -- asking


async def test_all_lists_can_be_read_as_clients_see_them(autojump_clock: Clock) -> None:
    async with Builder("x").proxy(page_size=1).backend("books", library().connector).open() as gateway:
        await gateway.ready("books")
        assert gateway.list_tools() == [{"name": "books_find", "inputSchema": {"type": "object"}}]
        assert [prompt["name"] for prompt in gateway.list_prompts()] == ["books_sum", "books_tell"]
        assert [resource["uri"] for resource in gateway.list_resources()] == list(gateway.catalogue.names(RESOURCES))
        assert [one["uriTemplate"] for one in gateway.list_resource_templates()] == list(gateway.catalogue.names(TEMPLATES))


async def test_a_listed_resource_can_be_read_and_a_prompt_be_had(autojump_clock: Clock) -> None:
    backend = library()
    async with Builder("x").backend("books", backend.connector).open() as gateway:
        await gateway.ready()
        uri = str(gateway.list_resources()[0]["uri"])
        assert (await gateway.read_resource(uri)).value["contents"] == [{"uri": uri, "text": "file:///a {} #1"}]
        prompt = await gateway.get_prompt("books_sum", {"of": "all"})
        assert b'sum {\\"of\\":\\"all\\"} #2' in bytes(prompt.result)


async def test_what_is_not_there_is_a_fault_and_no_exception(autojump_clock: Clock) -> None:
    async with Builder("x").backend("books", library().connector).open() as gateway:
        await gateway.ready()
        for reply in (await gateway.read_resource("x:y"), await gateway.get_prompt("books_no"), await gateway.call_tool("no")):
            assert reply.fault is None or reply.fault.reason.startswith("unknown_")
        assert (await gateway.call_tool("no")).fault is not None


async def test_a_bug_in_a_layer_costs_one_read_and_nothing_else(autojump_clock: Clock) -> None:
    def broken(_inner: Handler) -> Handler:
        async def raising(_call: Call) -> Reply:
            raise ZeroDivisionError

        return raising

    async with Builder("x").backend("books", library().connector).layer(broken).open() as gateway:
        await gateway.ready()
        reply = await gateway.read_resource(str(gateway.list_resources()[0]["uri"]))
        assert reply.fault is not None
        assert reply.fault.reason == "bug"


# -- waiting


async def test_who_waits_for_a_backend_is_told_when_it_is_up_again(autojump_clock: Clock) -> None:
    backend = library()
    async with Builder("x").backend("books", backend.connector).open() as gateway:
        await gateway.ready("books")
        backend.crash()
        await gateway.backends["books"].wait_for(lambda one: one.state is State.RESTARTING)
        await gateway.ready("books")
        assert (await gateway.call_tool("books_find")).fault is None


async def test_who_waits_for_a_backend_that_is_removed_is_told(autojump_clock: Clock) -> None:
    backend = library()
    backend.refuse = "not today"
    told: list[str] = []

    async def wait() -> None:
        try:
            await gateway.ready("books")
        except BackendFailed as error:
            told.append(str(error))

    async with Builder("x").backend("books", backend.connector).open() as gateway, trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(1)
        assert await gateway.remove_backend("books")
    assert told == ["[books] Connect failed: it was removed"]


async def test_a_name_that_no_backend_has_is_said_with_the_nearest(autojump_clock: Clock) -> None:
    async with Builder("x").backend("books", library().connector).open() as gateway:
        with pytest.raises(KeyError, match="there is no backend 'bocks'; did you mean 'books'"):
            await gateway.ready("bocks")


# -- a second start


async def test_nothing_of_a_gateway_starts_it_a_second_time(autojump_clock: Clock) -> None:
    backend = library()
    async with Builder("x").backend("books", backend.connector).open() as gateway:
        await gateway.ready()
        assert not hasattr(gateway, "start")
        assert len(backend.sessions) == 1


# -- held wrong


def test_off_trio_it_says_how_to_get_there() -> None:
    async def main() -> None:
        async with Builder("x").open():
            raise AssertionError

    with pytest.raises(RuntimeError, match=r"anyio\.run\(main, backend='trio'\).*start_guest_run"):
        asyncio.run(main())


class Fast:
    """A server of another make."""

    def run(self) -> None: ...


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Fast(), r"test_library\.Fast is no server: bring an MCPServer or Server of the MCP SDK 2, a command as a list of texts"),
        (Fast, r"test_library\.Fast, a class: make an object of it is no server"),
        (Path("server.py"), "PosixPath is no server"),
        (None, "NoneType is no server"),
        ([], r"\[\] is no command: write a list of texts, the program first"),
        (["python", Path("server.py")], "is no command"),
    ],
)
def test_what_is_no_server_is_refused_where_it_is_given(source: object, told: str) -> None:
    with pytest.raises(TypeError, match=f"backend 'b': .*{told}"):
        Builder("x").backend("b", source)  # type: ignore[arg-type]


async def test_what_is_no_server_is_refused_where_it_is_added(autojump_clock: Clock) -> None:
    config = Builder("y").backend("b", library().connector).config().backends[0]
    async with Builder("x").open() as gateway:
        with pytest.raises(TypeError, match=r"backend 'b': .*Fast is no server"):
            await gateway.add_backend(config, Fast())
        assert gateway.backends == {}


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (lambda builder: builder.backend("b", ["x"], retries={}), "backends[0].retries: unknown key 'retries'; did you mean 'retry'?"),
        (lambda builder: builder.backend("b", ["x"], hide_tools="a"), "a text stands where a list of texts is expected"),
        (lambda builder: builder.backend("b", ["x"], url="http://a"), "backends[0].url: 'url' follows from the source; leave it out"),
        (lambda builder: builder.backend("b", ["x"], timeout=20), "a number stands where a table is expected; write a table with seconds"),
        (lambda builder: builder.proxy(page_sise=20), "proxy.page_sise: unknown key 'page_sise'; did you mean 'page_size'?"),
        (lambda builder: builder.proxy(page_size="20"), "proxy.page_size: a text stands where a whole number is expected"),
    ],
)
def test_a_wrong_keyword_is_said_with_what_to_write_instead(work: Callable[[Builder], object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        work(Builder("x"))
    assert told in str(caught.value)


def test_a_setting_may_be_an_object_or_a_plain_value() -> None:
    builder = Builder("x").backend("a", ["x"], retry=RetrySettings(2), hide_tools=("a",), env={"K": "v"})
    builder.backend("b", ["x"], retry={"max_retries": 2}, hide_tools=["a"], aliases=[{"from": "a", "to": "b"}])
    first, second = builder.config().backends
    assert (first.retry, first.hide_tools) == (second.retry, second.hide_tools) == (RetrySettings(2), ("a",))
    assert [(alias.from_, alias.to) for alias in second.aliases] == [("a", "b")]


# -- calls and replies in one's own policy


async def test_a_policy_of_ones_own_reads_and_changes_arguments(autojump_clock: Clock) -> None:
    def first_page(inner: Handler) -> Handler:
        async def policy(call: Call) -> Reply:
            if "page" in call.arguments:
                return await inner(call)
            return await inner(call.with_arguments(call.arguments | {"page": 1}))

        return policy

    async with Builder("x").backend("books", library().connector).layer(first_page).open() as gateway:
        await gateway.ready()
        assert (await gateway.call_tool("books_find", {"word": "sea"})).text == 'find {"word":"sea","page":1} #1'
        assert (await gateway.call_tool("books_find", {"page": 7})).text == 'find {"page":7} #2'


@pytest.mark.parametrize("arguments", [b"null", b"[1]", b'"x"', b"1"])
def test_arguments_that_are_no_object_read_as_none(arguments: bytes) -> None:
    assert Call("tools/call", "t", {"arguments": Raw(arguments)}).arguments == {}
    assert Call("tools/call", "t", {}).arguments == {}


def test_other_arguments_are_in_a_copy_that_shares_all_else() -> None:
    call = Call.tool("look", {"a": 1})
    other = call.with_arguments({"a": 2})
    assert (call.arguments, other.arguments) == ({"a": 1}, {"a": 2})
    assert (other.method, other.target, other.trail) == ("tools/call", "look", call.trail)


def test_a_reply_of_one_text_is_a_tools_result() -> None:
    assert Reply.saying("here").value == {"content": [{"type": "text", "text": "here"}]}
    assert Reply.saying("no", is_error=True).value["isError"] is True

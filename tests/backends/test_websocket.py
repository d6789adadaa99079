"""A backend over a WebSocket: what leaves and comes as frames, what a peer can do wrong, and how it ends (CORE-67, LIM-4)."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
import trio
import trio.testing
from tests.kit.calls import a_call
from tests.kit.farside import FarSide, Talk
from tests.kit.heard import Heard
from tests.kit.socket_peer import SocketPeer, connected, start
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from sluicegate.backends.session import BackendSession, ConnectFailed
from sluicegate.backends.websocket.websocket_connector import WebSocketConnector
from sluicegate.protocol.calls import Reply

Clock = trio.testing.MockClock
SILENCE = 20.0
"""Seconds without a sign of life after which a peer is pinged, and after as many more given up: promised to operators."""
MOST_REQUESTS, MOST_GARBAGE = 1000, 10_000
"""Pings, and empty fragments, within ten seconds."""


async def reply_to(session: BackendSession, peer: SocketPeer, *answers: object) -> Reply:
    """The reply to a call that is answered with these events."""
    replies: list[Reply] = []
    async with trio.open_nursery() as nursery:
        start(nursery, session, a_call("b_t"), replies)
        await peer.message()
        for answer in answers:
            await (peer.raw(answer) if isinstance(answer, bytes) else peer.send(answer))  # type: ignore[arg-type]
    return replies[0]


def answer(text: str = "x", number: int = 1) -> str:
    return f'{{"jsonrpc":"2.0","id":{number},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}'


async def test_the_handshake_offers_mcp_and_carries_what_is_configured(autojump_clock: Clock) -> None:
    async with connected(Heard(), headers={"Authorization": "Bearer s3cret", "X-Team": "a"}, url="ws://far.test:81/mcp?x=1") as (_, peer):
        head = peer.head.lower()
        assert head.startswith(b"get /mcp?x=1 http/1.1\r\n")
        for line in (
            b"host: far.test:81",
            b"authorization: bearer s3cret",
            b"x-team: a",
            b"sec-websocket-protocol: mcp",
            b"user-agent: sluicegate",
        ):
            assert line + b"\r\n" in head
        assert b"extensions" not in head


async def test_user_and_password_of_the_address_are_sent_unless_a_header_says_otherwise(autojump_clock: Clock) -> None:
    async with connected(Heard(), url="ws://u:p@far.test/") as (_, peer):
        assert b"authorization: basic dTpw\r\n".lower() in peer.head.lower()
    async with connected(Heard(), url="ws://u:p@far.test/", headers={"authorization": "Bearer x"}) as (_, peer):
        assert b"basic" not in peer.head.lower()


@pytest.mark.parametrize(
    "events",
    [
        [TextMessage(answer("é").replace("é", "\u00e9"))],
        [BytesMessage(answer("\u00e9").encode())],
        [TextMessage(answer("\u00e9")[:9], message_finished=False), Ping(b"?"), TextMessage(answer("\u00e9")[9:])],
        [TextMessage(one, message_finished=False) for one in answer("\u00e9")] + [TextMessage("")],
    ],
)
async def test_an_answer_is_read_however_it_is_cut_into_frames(events: list[object], autojump_clock: Clock) -> None:
    async with connected(Heard()) as (session, peer):
        assert (await reply_to(session, peer, *events)).text == "\u00e9"


async def test_a_call_that_is_given_up_before_it_left_is_never_heard_of_and_no_frame_is_torn(autojump_clock: Clock) -> None:
    async with connected(Heard(), FarSide(buffer=64), limit=10**6) as (session, peer), trio.open_nursery() as nursery:
        replies: list[Reply] = []
        start(nursery, session, a_call("b_large", arguments={"x": "y" * 1000}), replies)
        await trio.testing.wait_all_tasks_blocked()  # its frame has left in part
        with trio.move_on_after(1):
            await session.request(a_call("b_waits"))
        heard = await peer.message()
        assert heard["params"] == {"name": "large", "arguments": {"x": "y" * 1000}}
        await peer.say({"jsonrpc": "2.0", "id": heard["id"], "result": {}})
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await session.request(a_call("b_given_up"))
        methods = [(await peer.message())["method"] for _ in range(2)]
        assert methods == ["tools/call", "notifications/cancelled"]
        assert [reply.fault for reply in replies] == [None]


async def test_pings_are_answered_while_calls_are_open(autojump_clock: Clock) -> None:
    async with connected(Heard()) as (session, peer), trio.open_nursery() as nursery:
        start(nursery, session, a_call("b_t"), [])
        await peer.message()
        for number in range(5):
            await peer.send(Ping(b"%d" % number))
            assert await peer.hear() == Pong(b"%d" % number)
        nursery.cancel_scope.cancel()


async def test_a_silent_peer_is_pinged_and_lives_while_it_answers(autojump_clock: Clock) -> None:
    async with connected(Heard()) as (session, peer):
        for _ in range(3):
            began = trio.current_time()
            assert await peer.hear() == Ping()
            assert trio.current_time() - began == pytest.approx(SILENCE)
            await peer.send(Pong())
        assert session.is_open


async def test_a_peer_that_answers_no_ping_is_given_up(autojump_clock: Clock) -> None:
    async with connected(Heard()) as (session, peer):
        began = trio.current_time()
        replies: list[Reply] = []
        async with trio.open_nursery() as nursery:
            start(nursery, session, a_call("b_t"), replies)
            await peer.message()
        assert trio.current_time() - began == pytest.approx(2 * SILENCE)
        assert str(await session.wait_closed()) == "it did not answer a ping within 20 s"
        fault = replies[0].fault
        assert fault is not None
        assert (fault.reason, fault.started) == ("connection_lost", True)


async def test_a_message_over_the_limit_costs_its_own_call_alone(autojump_clock: Clock) -> None:
    async with connected(Heard(), limit=5000) as (session, peer), trio.open_nursery() as nursery:
        others: list[Reply] = []
        start(nursery, session, a_call("b_other"), others)
        await peer.message()
        large = answer("x" * 6000, 2)
        pieces = [TextMessage(large[start : start + 100], message_finished=False) for start in range(0, len(large), 100)]
        fault = (await reply_to(session, peer, *pieces, TextMessage(""))).fault
        assert fault is not None
        assert (fault.reason, fault.told) == ("bad_answer", fault.told)
        assert "larger than 5000 bytes" in fault.told
        await peer.send(TextMessage(answer("well", 1)))
        await trio.testing.wait_all_tasks_blocked()
        assert [reply.text for reply in others] == ["well"]


FLOODS = {
    "pings": (Ping(b"x"), MOST_REQUESTS, "requests that nobody asked for"),
    "pongs that nobody waits for": (Pong(b"x"), MOST_REQUESTS, "requests that nobody asked for"),
    "empty fragments": (TextMessage("", message_finished=False), MOST_GARBAGE, "messages that could not be used"),
    "empty messages": (BytesMessage(b""), MOST_GARBAGE, "messages that could not be used"),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_ends_the_connection(kind: str, autojump_clock: Clock) -> None:
    event, most, what = FLOODS[kind]
    async with connected(Heard(), FarSide(buffer=1 << 20)) as (session, peer):
        data = b"".join(peer.socket.send(event) for _ in range(most))
        await peer.raw(data)
        await trio.testing.wait_all_tasks_blocked()
        assert session.is_open
        await peer.send(event)
        why = str(await session.wait_closed())
        assert why.startswith(f"it sent {most + 1} {what}")


async def test_frames_without_end_let_others_go_on(autojump_clock: Clock) -> None:
    """Between a few of them everybody else has a turn."""
    async with connected(Heard(), FarSide(buffer=1 << 20)) as (_, peer):
        turns = 0
        await peer.raw(peer.socket.send(Pong()) * 960)
        with trio.CancelScope():
            for _ in range(20):
                await trio.lowlevel.checkpoint()
                turns += 1
        assert turns == 20


BROKEN = {
    "invalid UTF-8": (b"\x81\x02\xff\xfe", 1007),
    "a masked frame": (b"\x81\x81abcdx", 1002),
    "a reserved bit": (b"\xc1\x01x", 1002),
    "a continuation of nothing": (b"\x80\x01x", 1002),
    "a long control frame": (b"\x89\x7e\x00\x80" + bytes(128), 1002),
    "an unknown kind": (b"\x83\x01x", 1002),
    "a length with too many bits": (b"\x81\x7f" + struct.pack("!Q", 1 << 63), 1002),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_who_breaks_the_rules_is_told_with_which_code_and_every_call_ends(kind: str, autojump_clock: Clock) -> None:
    data, code = BROKEN[kind]
    async with connected(Heard()) as (session, peer):
        fault = (await reply_to(session, peer, data)).fault
        assert fault is not None
        assert fault.reason == "connection_lost"
        assert "rules of WebSockets" in fault.message
        heard = await peer.hear()
        assert isinstance(heard, CloseConnection)
        assert heard.code == code


@pytest.mark.parametrize(
    ("code", "reason", "public", "operator"),
    [
        (1000, None, "it closed the connection (WebSocket close code 1000)", ""),
        (1001, None, "it goes away (WebSocket close code 1001)", ""),
        (1008, "no key in \x1b[31mred", "it does not let us go on (WebSocket close code 1008)", ": no key in red"),
        (1009, None, "a message was too large for it (WebSocket close code 1009)", ""),
        (4321, "own", "it closed the connection (WebSocket close code 4321)", ": own"),
        (CloseReason.NO_STATUS_RCVD, None, "it closed the connection (WebSocket close code 1005)", ""),
    ],
)
async def test_the_code_of_a_close_is_told_in_words_and_answered(
    code: int, reason: str | None, public: str, operator: str, autojump_clock: Clock
) -> None:
    async with connected(Heard()) as (session, peer):
        fault = (await reply_to(session, peer, CloseConnection(code, reason))).fault
        why = await session.wait_closed()
        assert fault is not None
        assert public in fault.message
        assert (getattr(why, "public", ""), getattr(why, "operator", "")) == (public, public + operator)
        assert isinstance(await peer.hear(), CloseConnection)


async def test_who_accepts_and_closes_at_once_is_heard_and_answered(autojump_clock: Clock) -> None:
    async with connected(Heard(), together_with=(CloseConnection(1008, "no token"),)) as (session, peer):
        heard = await peer.hear()
        assert isinstance(heard, CloseConnection)
        assert heard.code == 1008
        assert str(await session.wait_closed()) == "it does not let us go on (WebSocket close code 1008): no token"
        assert trio.current_time() == pytest.approx(0)


async def test_what_comes_together_with_the_handshake_is_heard_without_waiting_for_more(autojump_clock: Clock) -> None:
    inbox, note = Heard(), TextMessage('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
    async with connected(inbox, together_with=(note, Ping(b"?"))) as (_, peer):
        assert await peer.hear() == Pong(b"?")
        assert inbox.methods == ["notifications/tools/list_changed"]


@pytest.mark.parametrize("data", [b"", b"\x01\x05hel", b"\x81\x05he"])
async def test_a_connection_that_ends_in_the_middle_is_a_loss(data: bytes, autojump_clock: Clock) -> None:
    async with connected(Heard()) as (session, peer), trio.open_nursery() as nursery:
        replies: list[Reply] = []
        start(nursery, session, a_call("b_t"), replies)
        await peer.message()
        await peer.raw(data)
        await peer.talk.close()
        await session.wait_closed()
        await trio.testing.wait_all_tasks_blocked()
        fault = replies[0].fault
        assert fault is not None
        assert (fault.reason, fault.started) == ("connection_lost", True)
        assert "the connection ended without a word" in fault.message


async def test_leaving_says_goodbye_and_waits_for_the_answer_but_not_for_ever(autojump_clock: Clock) -> None:
    far = FarSide()
    async with connected(Heard(), far) as (_, peer):
        pass
    assert isinstance(heard := await peer.hear(), CloseConnection)
    assert (heard.code, far.open) == (1000, 0)
    assert trio.current_time() == pytest.approx(2.0)  # it said nothing


REFUSALS = {
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n": (
        "HTTP 404 instead of a WebSocket",
        'transport = "http" and url = "http://far.test/…"',
    ),
    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno": (
        "it wants to know who calls",
        "check the backend's headers and bearer_token",
    ),
    b"HTTP/1.1 307 X\r\nLocation: wss://other.test/\r\n\r\n": ("it redirects elsewhere", "'wss://other.test/'; if you trust that address"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nhello": (
        "HTTP 200 instead of a WebSocket",
        "no WebSocket is served at that path",
    ),
    b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n": (
        "it does not speak WebSocket",
        "ws://far.test does not speak WebSocket",
    ),
    b"SSH-2.0-x\r\n\r\n": ("it does not speak WebSocket", "does not speak WebSocket"),
    b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000: ("it does not speak WebSocket", "does not speak WebSocket"),
    b"": ("it closed the connection during the WebSocket handshake", ""),
}


@pytest.mark.parametrize("data", REFUSALS)
async def test_a_refused_handshake_says_what_to_do(data: bytes, autojump_clock: Clock) -> None:
    public, operator = REFUSALS[data]
    far = FarSide()
    connector = WebSocketConnector("b", "ws://far.test/mcp", open_stream=far.open_stream)

    async def play() -> None:
        talk = await far.accept()
        await talk.hear()
        with trio.move_on_after(1), suppress(trio.BrokenResourceError):
            await talk.stream.send_all(data)
            if data:
                await talk.wait_gone()
        await talk.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        with pytest.raises(ConnectFailed) as caught:
            async with connector(Heard()):
                pass
    assert public in caught.value.why.public
    assert operator in caught.value.why.operator
    assert "other.test" not in caught.value.why.public
    assert far.open == 0


async def test_a_peer_that_never_answers_is_left_with_its_callers_time(autojump_clock: Clock) -> None:
    far = FarSide()
    connector = WebSocketConnector("b", "ws://far.test/mcp", open_stream=far.open_stream)
    with trio.move_on_after(5) as scope:
        async with connector(Heard()):
            pass
    assert scope.cancelled_caught
    assert far.open == 0


async def test_a_proxy_is_asked_for_a_tunnel_also_without_tls(autojump_clock: Clock) -> None:
    far = FarSide()
    connector = WebSocketConnector("b", "ws://far.test/mcp", open_stream=far.open_stream, proxy="http://u:p@way.test:3128")

    async def play() -> None:
        talk: Talk = await far.accept()
        assert (await talk.hear()).startswith(b"CONNECT far.test:80 HTTP/1.1\r\n")
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\n")
        peer = SocketPeer(talk)
        await peer.take()
        assert b"u:p" not in peer.head
        await peer.hear()
        await peer.send(CloseConnection(1000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        async with connector(Heard()):
            assert far.dialled == [("way.test", 3128)]

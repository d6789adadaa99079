"""Which protocol revision is agreed upon with servers that refuse the newest, over one session or one after the other."""

from __future__ import annotations

import json

import attrs
import pytest
import trio
import trio.testing

from sluicegate.backends.handshake import HandshakeFailed, shake_hands
from sluicegate.backends.negotiation import Negotiation
from sluicegate.protocol import faults
from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.eras import LEGACY, NEWEST
from sluicegate.protocol.messages import Params, Raw, encode, read_text
from sluicegate.protocol.why import Why


@attrs.define
class Picky:
    """A session that takes only some revisions, and refuses others as it was told (implements `BackendSession`)."""

    is_open = True
    takes: str
    error: dict[str, object]
    ends: bool = False
    """After a refusal."""
    asked: list[str] = attrs.field(factory=list)

    async def request(self, call: Call) -> Reply:
        await trio.lowlevel.checkpoint()
        if self.ends and self.asked:
            return Reply.failed(faults.lost("b", Why("exited with status 1")))
        version = read_text(call.params, "protocolVersion") or ""
        self.asked.append(version)
        if version == self.takes:
            return Reply(Raw(encode({"protocolVersion": version, "capabilities": {}})))
        return Reply.failed(faults.backend_error("b", Raw(encode(self.error))))

    def speak(self, version: str) -> None:
        del version

    def tell(self, method: str, params: Params) -> None:
        del method, params

    async def wait_closed(self) -> Why:
        await trio.sleep_forever()
        raise AssertionError


def refuses(*supported: object, code: int = -32602, message: str = "Unsupported protocol version") -> dict[str, object]:
    return {"code": code, "message": message} | ({"data": {"supported": list(supported), "requested": "x"}} if supported else {})


@pytest.mark.parametrize(
    ("takes", "error", "asked"),
    [
        ("2024-11-05", refuses("2024-11-05"), [NEWEST, "2024-11-05"]),
        ("2025-03-26", refuses("2024-11-05", "2025-03-26", "2099-01-01"), [NEWEST, "2025-03-26"]),
        ("2024-11-05", refuses(), list(reversed(LEGACY))),
        ("2025-03-26", refuses(message="Invalid params"), list(reversed(LEGACY))[:3]),
        ("2025-06-18", refuses(code=-32603, message="Unknown protocol"), list(reversed(LEGACY))[:2]),
        ("2025-06-18", refuses(code=-32000, message="Bad Request: Unsupported protocol version"), list(reversed(LEGACY))[:2]),
        (NEWEST, refuses(), [NEWEST]),
    ],
)
async def test_the_newest_common_revision_is_found(takes: str, error: dict[str, object], asked: list[str]) -> None:
    session = Picky(takes, error)
    assert (await shake_hands(session, name="t", version="1")).version == takes
    assert session.asked == asked


@pytest.mark.parametrize(
    ("error", "asked", "told"),
    [
        (refuses("2026-07-28"), [NEWEST], "'2026-07-28'"),
        (refuses(7), list(reversed(LEGACY)), "-32602"),
        (refuses(), list(reversed(LEGACY)), "-32602"),
        (refuses(*LEGACY), None, "-32602"),
        ({"code": -32603, "message": "database is down"}, [NEWEST], "database is down"),
    ],
)
async def test_who_takes_none_is_refused_with_the_reason_after_at_most_as_many_tries_as_there_are_revisions(
    error: dict[str, object], asked: list[str] | None, told: str
) -> None:
    session = Picky("none", error)
    with pytest.raises(HandshakeFailed) as failure:
        await shake_hands(session, name="t", version="1")
    assert told in failure.value.why.operator or told in json.dumps(failure.value.why.public)
    assert "2026" not in failure.value.why.public
    assert len(session.asked) <= len(LEGACY)
    assert asked is None or session.asked == asked


async def test_what_ends_after_each_refusal_is_offered_the_next_revision_at_its_next_start() -> None:
    negotiation, asked = Negotiation(), []
    for _ in LEGACY:
        session = Picky("2024-11-05", refuses(), ends=True)
        try:
            hello = await shake_hands(session, name="t", version="1", negotiation=negotiation)
        except HandshakeFailed:
            hello = None
        asked += session.asked
    assert hello is not None
    assert asked == list(reversed(LEGACY))


@pytest.mark.parametrize(("size", "shown"), [(198, "'" + "9" * 198 + "'"), (199, "'" + "9" * 199), (1000, "'" + "9" * 199)])
async def test_200_characters_of_what_a_backend_says_it_speaks_are_shown(size: int, shown: str) -> None:
    with pytest.raises(HandshakeFailed) as failure:
        await shake_hands(Picky("none", refuses("9" * size)), name="t", version="1")
    assert f"it has {shown}, and the gateway" in failure.value.why.operator

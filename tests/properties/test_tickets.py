"""Session tickets: whatever a client can do fits into one, and whatever comes back as one is judged and never a crash."""

from __future__ import annotations

import os

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.frontends.endpoint import Opening
from sluicegate.frontends.ticket_keys import LONGEST_TICKET, SealedTicket, TicketKeys
from sluicegate.frontends.tickets import Ticket, ticket_content, ticket_of
from sluicegate.protocol.capabilities import read_capabilities
from sluicegate.protocol.faults import Fault
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.principal import NOBODY, Principal
from sluicegate.protocol.sealing_key import SealingKey

KEY = SealingKey.new(1, os.urandom)
KEYS = TicketKeys(os.urandom)
KEYS.hold([KEY])
NOW, LIFETIME = 1000.0, 100.0

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
words = st.integers(-(2**63), 2**63 - 1)
names = st.sampled_from(["elicitation", "experimental", "extensions", "roots", "sampling", "tasks", "unknown"])


@given(st.dictionaries(names, json | st.dictionaries(st.text(max_size=400), st.text(max_size=400))))
def test_whatever_a_client_can_do_fits_and_its_names_come_back(said: dict[str, object]) -> None:
    capabilities = read_capabilities(Raw(msgspec.json.encode(said)), "capabilities")
    assert not isinstance(capabilities, Fault)
    text = KEYS.seal(KEY, ticket_content(Opening("2025-11-25", capabilities), NOBODY, NOW, LIFETIME))
    assert len(text) <= LONGEST_TICKET
    assert all("!" <= letter <= "~" for letter in text)
    sealed = KEYS.open(text)
    assert isinstance(sealed, SealedTicket)
    ticket = ticket_of(sealed, NOBODY, NOW, LIFETIME)
    assert isinstance(ticket, Ticket)
    assert ticket.opening.capabilities.keys() == capabilities.keys()
    if len(msgspec.json.encode(capabilities)) < 600:
        assert ticket.opening.capabilities == capabilities
    assert ticket_of(sealed, Principal("x"), NOW, LIFETIME) == "principal"
    assert ticket_of(sealed, NOBODY, NOW + LIFETIME, LIFETIME) == "expired"


@given(st.text(st.characters(max_codepoint=255), max_size=1100) | st.text())
def test_whatever_is_shown_as_a_ticket_is_none(text: str) -> None:
    assert isinstance(KEYS.open(text), str)
    assert isinstance(KEYS.open(text + KEY.id), str)


@given(st.binary() | st.tuples(st.text(), words, words, st.binary(), st.binary(), words).map(msgspec.msgpack.encode))
def test_whatever_was_sealed_is_judged(content: bytes) -> None:
    judged = ticket_of(SealedTicket("", content, KEY), NOBODY, NOW, LIFETIME)
    assert judged in {"malformed", "principal", "expired", "era"}

"""Every code of every revision, and what retry, failover, breaker, ejection and health make of it."""

from __future__ import annotations

import pytest

import sluicegate.protocol.errors as names
from sluicegate.policies.gate import failed
from sluicegate.protocol import faults
from sluicegate.protocol.meanings import MEANINGS, Meaning, meaning_of
from sluicegate.protocol.messages import Raw

FINAL, ANSWERED, FAILED = Meaning.FINAL, Meaning.ANSWERED, Meaning.FAILED
CODES = {
    # every revision
    -32700: ANSWERED,
    -32600: FINAL,
    -32601: ANSWERED,
    -32602: FINAL,
    -32603: FAILED,
    # 2024-11-05 to 2025-11-25: a person said no; no such resource
    -1: ANSWERED,
    -32002: FINAL,
    # 2025-11-25: somebody has to open a URL first
    -32042: FINAL,
    # 2026-07-28: header mismatch, missing client capability, unsupported protocol version
    -32020: FINAL,
    -32021: FINAL,
    -32022: FINAL,
    # what the SDKs say by themselves: connection closed, request timeout, cancelled
    -32000: FAILED,
    -32001: FAILED,
    -32800: FINAL,
    # the rest of the server errors, and a backend's own
    -32003: FAILED,
    -32019: FAILED,
    -32023: FAILED,
    -32041: FAILED,
    -32043: FAILED,
    -32099: FAILED,
    -32100: ANSWERED,
    -31999: ANSWERED,
    -32799: ANSWERED,
    -32801: ANSWERED,
    0: ANSWERED,
    404: ANSWERED,
}


@pytest.mark.parametrize("code", CODES)
def test_a_code_means_one_thing_to_every_policy(code: int) -> None:
    """DEC-5, RES-1, RES-2, RES-44, RES-50: what is the caller's to mend is final, and its backend healthy."""
    meaning = CODES[code]
    fault = faults.backend_error("b", Raw(b'{"code":%d,"message":"m"}' % code))

    assert meaning_of(code) is meaning
    assert fault.may_be_repeated(safe=True) == (meaning is FAILED)
    assert not fault.may_be_repeated(safe=False)
    assert fault.may_go_elsewhere == (meaning is not FINAL)
    assert failed(fault) == (meaning is FAILED)


def test_every_code_that_has_a_meaning_of_its_own_is_asserted() -> None:
    assert MEANINGS.keys() <= CODES.keys()


def test_our_own_codes_mean_nothing_special_where_another_gateway_says_them() -> None:
    """A gateway behind us that refuses a call has failed at it, as far as we can see."""
    for code in (names.EJECTED, names.TIMED_OUT, names.RATE_LIMITED, names.CIRCUIT_OPEN, names.OVERLOADED):
        assert meaning_of(code) is FAILED

"""Envelopes: what is read, what is refused, and what passes through byte for byte."""

from __future__ import annotations

import pytest

from sluicegate.protocol.batches import decode_batch, is_batch
from sluicegate.protocol.messages import (
    Malformed,
    Notification,
    Raw,
    Request,
    Response,
    compact,
    decode,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
)

# The numbers that are promised. Taken from the source they would move with it.
INVALID_REQUEST = -32600
PARSE_ERROR = -32700
MOST_BYTES = 1024 * 1024
MOST_MEMBERS = 256


def test_a_request_keeps_every_parameter_as_it_came() -> None:
    message = decode(
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","n":1.10,"big":123456789012345678901234567890,"z":null}}'
    )
    assert isinstance(message, Request)
    assert (message.method, message.id, message.key) == ("tools/call", b"7", 7)
    assert encode_request(1, message.method, message.params) == (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","n":1.10,"big":123456789012345678901234567890,"z":null}}'
    )


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b"7", 7),
        (b'"7"', "7"),
        (b"-1", -1),
        (b'"\\u0061"', "a"),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"1.0", 1),
        (b"-0.0", 0),
        (b"2.50E1", 25),
        (b"9007199254740992.0", 2**53),
    ],
)
def test_an_id_is_given_back_exactly_and_compared_by_value(raw: bytes, key: int | str) -> None:
    message = decode(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % raw)
    assert isinstance(message, Request)
    assert (raw, key) == (message.id, message.key)


@pytest.mark.parametrize("raw", [b"null", b"1.5", b"1e-3", b"1e400", b"1e17", b"true", b"[1]", b"{}", b'"' + b"x" * 5000 + b'"'])
def test_an_id_that_is_no_string_or_whole_number_is_refused_and_not_taken_for_a_notification(raw: bytes) -> None:
    message = decode(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % raw)
    assert isinstance(message, Malformed)
    assert (message.code, message.id) == (INVALID_REQUEST, b"null")


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", PARSE_ERROR, "not valid JSON"),
        (b"{", PARSE_ERROR, "not valid JSON"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x"} {}', PARSE_ERROR, "not valid JSON"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', PARSE_ERROR, "not valid JSON"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\xff"}}', PARSE_ERROR, "UTF-8"),
        (b'{"a":' * 100_000, PARSE_ERROR, "nested too deeply"),
        (b"[1]", INVALID_REQUEST, "object"),
        (b"7", INVALID_REQUEST, "object"),
        (b'{"jsonrpc":"1.0","id":1,"method":"x"}', INVALID_REQUEST, '"2.0"'),
        (b'{"id":1,"method":"x"}', INVALID_REQUEST, '"2.0"'),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', INVALID_REQUEST, "string"),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', INVALID_REQUEST, "not empty"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', INVALID_REQUEST, "object"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","result":{}}', INVALID_REQUEST, "not both"),
        (b'{"jsonrpc":"2.0","id":1}', INVALID_REQUEST, "exactly one"),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', INVALID_REQUEST, "exactly one"),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}', INVALID_REQUEST, "case alone"),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}', INVALID_REQUEST, "case alone"),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}', INVALID_REQUEST, "case alone"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(data: bytes, code: int, says: str) -> None:
    message = decode(data)
    assert isinstance(message, Malformed)
    assert code == message.code
    assert says in message.message


def test_a_refusal_carries_the_id_where_one_can_be_read() -> None:
    message = decode(b'{"jsonrpc":"2.0","id":"q","method":"x","params":[1]}')
    assert isinstance(message, Malformed)
    assert message.id == b'"q"'


def test_a_key_that_came_twice_or_escaped_says_one_thing_to_us_and_to_a_backend() -> None:
    message = decode(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\\u0061me":"b"}}')
    assert isinstance(message, Request)
    assert encode_request(1, message.method, message.params) == b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b"}}'


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        (
            b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1.0},"trace":{"a":1.0}}',
            b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1.0}}',
        ),
        (b'{"server":"y","jsonrpc":"2.0","method":"x"}', b'{"jsonrpc":"2.0","method":"x"}'),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"took":3}', b'{"jsonrpc":"2.0","id":1,"result":{}}'),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":1},"":[]}', b'{"jsonrpc":"2.0","id":1,"error":{"code":1}}'),
    ],
)
def test_members_that_json_rpc_does_not_know_are_left_out(odd: bytes, plain: bytes) -> None:
    """P-25: servers and clients in the wild drop a message that has one, without an answer."""
    message = decode(odd)
    assert not isinstance(message, Malformed)
    assert decode(plain) == message


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b'"result":{},"error":null', b'"result":{}'),
        (b'"result":null,"error":{"code":1}', b'"error":{"code":1}'),
        (b'"result":null,"error":null', b'"result":null'),
        (b'"method":null,"params":null,"result":{},"error":null', b'"result":{}'),
        (b'"method":"x","params":null,"result":null,"error":null', b'"method":"x"'),
    ],
)
def test_a_null_member_counts_as_absent_where_another_one_says_what_is_meant(written: bytes, meant: bytes) -> None:
    """There are servers that always write all of them."""
    message = decode(b'{"jsonrpc":"2.0","id":1,%b}' % written)
    assert not isinstance(message, Malformed)
    assert decode(b'{"jsonrpc":"2.0","id":1,%b}' % meant) == message


def test_what_means_nothing_without_its_null_members_is_no_message() -> None:
    for nothing in (b'"method":null', b'"method":null,"params":{}', b'"id":1,"error":{},"result":{}'):
        assert isinstance(decode(b'{"jsonrpc":"2.0","id":1,%b}' % nothing), Malformed)


def test_notifications_and_responses_are_told_apart() -> None:
    assert isinstance(decode(b'{"jsonrpc":"2.0","method":"notifications/x"}'), Notification)
    assert isinstance(decode(b'{"jsonrpc":"2.0","id":"1","result":null}'), Response)
    error = decode(b'{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}')
    assert isinstance(error, Response)
    assert error.key is None


def test_null_parameters_are_no_parameters() -> None:
    message = decode(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":null}')
    assert isinstance(message, Request)
    assert message.params == {}


def test_answers_carry_the_callers_id_bytes() -> None:
    assert encode_result(b'"a"', Raw(b"{}")) == b'{"jsonrpc":"2.0","id":"a","result":{}}'
    assert encode_error(b"7", b'{"code":1}') == b'{"jsonrpc":"2.0","id":7,"error":{"code":1}}'
    assert encode_notification("n", {"a": Raw(b"1")}) == b'{"jsonrpc":"2.0","method":"n","params":{"a":1}}'


def test_line_breaks_between_tokens_are_taken_out_and_those_in_strings_stay_escaped() -> None:
    assert compact(b'{\n  "a" : "x\\ny",\r\n  "b": 1.10\n}') == b'{  "a" : "x\\ny",  "b": 1.10}'
    one_line = b'{"a": 1}'
    assert one_line is compact(one_line)


def test_a_batch_is_recognised_and_taken_apart() -> None:
    assert is_batch(b"  \n[1]")
    assert not is_batch(b'{"a":[]}')
    members = decode_batch(b'[{"a":1},2]')
    assert isinstance(members, list)
    assert [bytes(member) for member in members] == [b'{"a":1}', b"2"]
    assert isinstance(decode_batch(b"[]"), Malformed)
    assert isinstance(decode_batch(b"[" + b"1," * MOST_MEMBERS + b"1]"), Malformed)
    assert isinstance(decode_batch(b'["' + b"x" * MOST_BYTES + b'"]'), Malformed)
    assert isinstance(decode_batch(b"[" * 100_000), Malformed)
    assert isinstance(decode_batch(b'["\xff"]'), Malformed)


@pytest.mark.parametrize(
    "params",
    [
        '{"_meta":{"ProgressToken":5}}',
        '{"_meta":{"progressToken":5,"progresstoken":6}}',
        '{"_meta":{"progre\u017f\u017fToken":5}}',
        '{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}',
        '{"ref":{"TYPE":"ref/prompt"}}',
        '{"argument\u017f":{}}',
        '{"progressTo\u212aen":1}',
    ],
)
def test_keys_that_collide_by_case_are_refused_at_every_level_we_read(params: str) -> None:
    for number in (b"1", b"2"):  # said again it is no better
        message = decode(b'{"jsonrpc":"2.0","id":%b,"method":"x","params":%b}' % (number, params.encode()))
        assert isinstance(message, Malformed)
        assert "by case alone" in message.message
        assert message.id == number


def test_an_envelope_key_in_odd_letters_is_refused() -> None:
    message = decode('{"jsonrpc":"2.0","id":1,"method":"x","param\u017f":{}}'.encode())
    assert isinstance(message, Malformed)
    assert "by case alone" in message.message


@pytest.mark.parametrize("params", ['{"_meta":3}', '{"_meta":{"other":1,"Other":2}}', '{"arguments":{"Name":1,"name":2}}', '{"ref":null}'])
def test_levels_that_we_do_not_read_are_the_backends_to_judge(params: str) -> None:
    assert isinstance(decode(b'{"jsonrpc":"2.0","id":1,"method":"x","params":%b}' % params.encode()), Request)


@pytest.mark.parametrize(("members", "taken"), [(256, True), (257, False)])
def test_a_batch_has_256_messages_at_most(members: int, taken: bool) -> None:
    found = decode_batch(b"[" + b"1," * (members - 1) + b"1]")
    assert isinstance(found, Malformed) is not taken


R, E = b'"result":{}', b'"error":{"code":1}'
NULL_R, NULL_E = b'"result":null', b'"error":null'


@pytest.mark.parametrize(
    ("own_id", "named"), [(b"", None), (b'"id":null', None), (b'"id":7', 7), (b'"id":"7"', "7"), (b'"id":[7]', ...), (b'"id":7.5', ...)]
)
@pytest.mark.parametrize(
    ("members", "is_error"),
    [
        ([R], False),
        ([E], True),
        ([R, NULL_E], False),
        ([NULL_R, E], True),
        ([NULL_R], False),
        ([NULL_R, NULL_E], False),
        ([R, E], None),
        ([], None),
    ],
)
def test_an_answer_has_an_id_and_a_result_or_an_error_and_only_an_error_may_be_about_what_had_none(
    members: list[bytes], is_error: bool | None, own_id: bytes, named: object
) -> None:
    found = decode(b"{%b}" % b",".join(filter(None, [b'"jsonrpc":"2.0"', own_id, *members])))
    if is_error is None or named is ... or (named is None and not is_error):
        assert isinstance(found, Malformed)
        assert (found.code, found.id) == (INVALID_REQUEST, own_id.partition(b":")[2] if named not in (None, ...) else b"null")
    else:
        assert isinstance(found, Response)
        assert (found.key, found.result is None, found.error is None) == (named, is_error, not is_error)

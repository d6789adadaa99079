"""JSON-RPC error codes, as the specification names them."""

from __future__ import annotations

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
USER_REJECTED = -1
CONNECTION_CLOSED, REQUEST_TIMEOUT = -32000, -32001
"""The SDKs' own: no server means them, but a gateway in between may send them on."""
RESOURCE_NOT_FOUND = -32002
URL_ELICITATION_REQUIRED = -32042
HEADER_MISMATCH, MISSING_CLIENT_CAPABILITY, UNSUPPORTED_VERSION = -32020, -32021, -32022
"""From 2026-07-28 on."""
SESSION_NOT_FOUND = -32001
"""What the SDKs' servers say of an unknown session; we send it with HTTP 404. There are clients that begin anew on nothing else."""
SESSION_LOST = -32005
"""The reference's code for the same (HTTP-8)."""
SESSION_REQUIRED = -32006
UNAUTHORIZED = -32007
TOKEN_REFUSED = -32001
"""Of an issuer's token, always with HTTP 401; as the code of a message alone it means a lost session."""
EJECTED = -32000
TIMED_OUT, RATE_LIMITED, CIRCUIT_OPEN, OVERLOADED = -32010, -32011, -32012, -32013
"""Our own: nobody else's code says so (RES-E10, DEC-6). ``data.reason`` tells more."""
REQUEST_CANCELLED = -32800
"""Outside the reserved range on purpose (P-26): the caller itself cancelled."""

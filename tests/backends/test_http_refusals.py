"""What the status and the head of a refusal tell about what an endpoint wants."""

from __future__ import annotations

import pytest

from sluicegate.backends.http.refusal_reasons import SSE_ONLY, what_is_missing
from sluicegate.http1.client.response import ClientResponse

PLACE = "https://a.test/.well-known/oauth-protected-resource"
HOW = (
    "needs login: write auth = { type = \"authorization_code\" } in its table, then run 'sluicegate login' with its name (it speaks OAuth: "
)
OAUTH = ("needs login", f"{HOW}{PLACE})")


def refusal(status: int, *challenges: str) -> ClientResponse:
    return ClientResponse(status, [(b"server", b"x"), *((b"www-authenticate", challenge.encode()) for challenge in challenges)], None)


@pytest.mark.parametrize(
    ("status", "challenges", "told"),
    [
        (401, [f'Bearer resource_metadata="{PLACE}"'], OAUTH),
        (403, [f'Bearer error="insufficient_scope", resource_metadata="{PLACE}"'], OAUTH),
        (403, ["Basic realm=x", f"Bearer Resource_Metadata={PLACE}, scope=a"], OAUTH),
        (401, ["Bearer"], None),
        (401, [], None),
        (400, [f'Bearer resource_metadata="{PLACE}"'], None),
        (404, [f'Bearer resource_metadata="{PLACE}"'], None),
        (401, ['Bearer resource_metadata="file:///etc/passwd"'], None),
        (401, ['Bearer resource_metadata="https://' + "a" * 500 + '"'], ("needs login", f"{HOW}https://{'a' * 500})")),
        (401, ['Bearer resource_metadata="https://' + "a" * 501 + '"'], None),
        (405, [], (SSE_ONLY.public, SSE_ONLY.operator)),
    ],
)
def test_a_refusal_tells_what_is_missing(status: int, challenges: list[str], told: tuple[str, str] | None) -> None:
    why = what_is_missing(refusal(status, *challenges))
    assert (None if why is None else (why.public, why.operator)) == told

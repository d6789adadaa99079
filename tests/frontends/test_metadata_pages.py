"""Documents that strangers read before they have a token: public, for pages of any origin, and never with an address that a stranger made up."""

from __future__ import annotations

from typing import Any

import pytest

from sluicegate.frontends.admission import Admission
from sluicegate.frontends.metadata_pages import metadata_pages
from sluicegate.identity.challenges import Challenges
from sluicegate.identity.identify import Refused, Sent
from sluicegate.identity.protected_resource import ProtectedResource
from sluicegate.protocol.principal import Principal

OWN = "/.well-known/oauth-protected-resource"
ISSUER = "https://id.example"


class Closed:
    """Lets nobody in who shows nothing, and nobody else either."""

    def __init__(self, challenges: Challenges) -> None:
        self.challenges = challenges

    async def identify(self, request: Sent) -> Principal | Refused:
        shown = request.headers.authorization
        if not shown:
            return self.challenges.missing(request)
        if shown == (b"Bearer weak",):
            return self.challenges.insufficient(request, ("a", "b"), {"b"})
        return self.challenges.invalid(request, "token has expired")


def closed(gate: Any, admission: Admission | None = None, public_url: str | None = None) -> Any:
    admission = admission or Admission()
    gate.rebuild(admission=admission)
    resource = ProtectedResource("desk", (ISSUER,), ("a",), public_url, "http", admission.knows_host)
    for path, row in metadata_pages(resource, admission.allows_host, gate.endpoint.refused):
        gate.app.paths.add(path, row)
    gate.app.identity = Closed(Challenges(resource, ("a",)))
    return gate


@pytest.mark.parametrize(("path", "resource"), [(f"{OWN}/mcp", "/mcp"), (f"{OWN}/mcp/", "/mcp"), (OWN, "")])
async def test_both_forms_are_there_for_whoever_asks_from_any_page(gate: Any, path: str, resource: str) -> None:
    answer = await closed(gate).http.get(path, headers={"origin": "https://inspector.example"})
    assert (answer.status_code, answer.json()["resource"]) == (200, f"http://127.0.0.1:8080{resource}")
    assert answer.json()["authorization_servers"] == [ISSUER]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/json"


async def test_a_page_may_ask_beforehand(gate: Any) -> None:
    asked = await closed(gate).http.options(OWN, headers={"origin": "https://inspector.example", "access-control-request-method": "GET"})
    assert (asked.status_code, asked.headers["access-control-allow-origin"], asked.headers["access-control-allow-headers"]) == (
        204,
        "*",
        "*",
    )


async def test_other_methods_are_told_of_those_that_there_are(gate: Any) -> None:
    refused = await closed(gate).http.post(OWN)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    ("admission", "host", "status"),
    [
        (Admission(), "evil.example", 404),
        (Admission(on_loopback=False), "evil.example", 404),
        (Admission(on_loopback=False), "127.0.0.1", 404),
        (Admission(on_loopback=False, allowed_hosts=("*",)), "evil.example", 404),
        (Admission(on_loopback=False, allowed_hosts=("gate.example",)), "evil.example", 404),
        (Admission(on_loopback=False, allowed_hosts=("gate.example",)), "gate.example", 200),
        (Admission(on_loopback=False, allowed_hosts=("gate.example:*",)), "gate.example:81", 200),
        (Admission(allowed_hosts=("*",)), "localhost:8080", 200),
    ],
)
async def test_a_host_that_is_not_allowed_by_name_becomes_nobodys_address(
    gate: Any, talk: Any, admission: Admission, host: str, status: int
) -> None:
    closed(gate, admission)
    answer = await gate.http.get(OWN, headers={"host": host})
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["resource"] == f"http://{host}"
    else:
        assert host not in answer.text
        assert "proxy.public_url" in answer.text
    challenge = (await gate.post(talk.opening(), host=host)).headers.get("www-authenticate", "")
    assert ("resource_metadata" in challenge) is (status == 200)


@pytest.mark.parametrize(
    ("authorization", "status", "code", "challenge"),
    [
        ("", 401, -32001, 'Bearer realm="sluicegate", scope="a", {}'),
        (
            "Bearer old",
            401,
            -32001,
            'Bearer realm="sluicegate", error="invalid_token", error_description="token has expired", scope="a", {}',
        ),
        (
            "Bearer weak",
            403,
            -32007,
            (
                'Bearer realm="sluicegate", error="insufficient_scope", '
                'error_description="insufficient scope: required [a, b], missing [a]", scope="a b", {}'
            ),
        ),
    ],
    ids=["nothing", "no good", "too little"],
)
async def test_who_is_refused_is_told_where_the_document_is(
    gate: Any, talk: Any, authorization: str, status: int, code: int, challenge: str
) -> None:
    """P-141, AUTH-11, AUTH-13."""
    closed(gate, public_url="https://gate.example/gw")
    answer = await gate.post(talk.opening(), authorization=authorization)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    metadata = f'resource_metadata="https://gate.example{OWN}/gw/mcp"'
    assert answer.headers["www-authenticate"] == challenge.format(metadata)
    assert (await gate.http.get(f"{OWN}/gw/mcp")).json()["resource"] == "https://gate.example/gw/mcp"

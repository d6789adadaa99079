#!/usr/bin/env bash
# The OAuth client of mcp 2.3.0 (PyPI) does not ask a person for the scope that it was made with.
#
# One would expect: OAuthClientProvider(..., OAuthClientMetadata(scope="notes:read", ...)) asks for scope=notes:read in the authorization
# request, at least where neither the challenge nor any metadata of the server names other scopes.
# Seen with mcp 2.3.0: before it registers, the scope of the challenge (else of the protected resource's metadata, else of the
# authorization server's) is put in the place of its own, also where all three say nothing. The registration and the authorization request
# then carry no scope at all, and what is granted is the server's default:
#   scope given to the client: notes:read
#   scope registered:          None
#   scope asked for:           None
# Who needs a certain scope has to put it into the address in the redirect handler, and into the registration by hand.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check mcp==2.3.0
cat > "$folder/ask.py" <<'PY'
import json
import logging
import sys
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

seen = {}


def answer(request):
    path = request.url.path
    if path.startswith("/.well-known/oauth-protected-resource"):
        return httpx2.Response(200, json={"resource": "https://a.example/mcp", "authorization_servers": ["https://a.example"]})
    if path == "/.well-known/oauth-authorization-server":
        places = {name: f"https://a.example/{name}" for name in ("authorize", "token", "register")}
        return httpx2.Response(200, json={
            "issuer": "https://a.example", "authorization_endpoint": places["authorize"], "token_endpoint": places["token"],
            "registration_endpoint": places["register"], "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
        })
    if path == "/register":
        seen["registered"] = json.loads(request.content)
        return httpx2.Response(201, json={**seen["registered"], "client_id": "c"})
    if path == "/token":
        return httpx2.Response(200, json={"access_token": "t", "token_type": "Bearer"})
    return httpx2.Response(200 if "authorization" in request.headers else 401, headers={"www-authenticate": "Bearer"}, json={})


class Storage:
    async def get_tokens(self): return None
    async def set_tokens(self, tokens): pass
    async def get_client_info(self): return None
    async def set_client_info(self, info): pass


async def redirect(address):
    seen["asked"] = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


async def come_back():
    return AuthorizationCodeResult(code="x", state=seen["asked"]["state"])


async def main():
    metadata = OAuthClientMetadata(redirect_uris=["http://127.0.0.1:1/callback"], scope="notes:read")
    auth = OAuthClientProvider("https://a.example/mcp", metadata, Storage(), redirect, come_back)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        assert (await client.post("https://a.example/mcp", json={}, auth=auth)).status_code == 200


logging.disable()
anyio.run(main)
registered, asked = seen["registered"].get("scope"), seen["asked"].get("scope")
print("scope given to the client: notes:read")
print(f"scope registered:          {registered}")
print(f"scope asked for:           {asked}")
sys.exit(0 if registered is None and asked is None else "the behaviour has changed")
PY
"$folder/env/bin/python" "$folder/ask.py"

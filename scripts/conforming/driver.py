"""What the suite runs as "the client": the SDK's own driver, behind a gateway whose only backend is the suite's server.

Arguments: the SDK's driver, and last, added by the suite, the URL of its server. Ends with the driver's exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is started in the suite's folder

from scripts.conforming.places import gateway_before, over_http, settings

PATIENCE = 60


def main() -> int:
    """Run the driver through a gateway."""
    driver, url = sys.argv[1], sys.argv[-1]
    revision = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend = over_http(url, more=settings(revision) + credentials(folder, url))
        with gateway_before(folder, backend) as through:
            return subprocess.run([sys.executable, driver, through], timeout=PATIENCE, check=False, env=client_environment()).returncode


def credentials(folder: Path, url: str) -> str:
    """By which the gateway is let in, where the suite gives it some; the last table of its backend."""
    if not is_about_authorization():
        return ""
    given = json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])
    if "private_key_pem" in given:
        key = folder / "key.pem"
        key.write_text(given["private_key_pem"], encoding="utf-8")
        return f'[backends.auth]\ntype = "private_key_jwt"\nclient_id = {json.dumps(given["client_id"])}\nkey = {json.dumps(str(key))}\n'
    told = urlsplit(url)
    metadata = httpx2.get(f"{told.scheme}://{told.netloc}/.well-known/oauth-protected-resource{told.path}").json()
    return (
        f'[backends.auth]\ntype = "client_credentials"\nclient_id = {json.dumps(given["client_id"])}\n'
        f"client_secret = {json.dumps(given['client_secret'])}\nissuer = {json.dumps(metadata['authorization_servers'][0])}\n"
    )


def is_about_authorization() -> bool:
    """Whether the suite's server lets nobody in without a token."""
    return os.environ.get("MCP_CONFORMANCE_SCENARIO", "").startswith("auth/")


def client_environment() -> dict[str, str]:
    """What the SDK's driver is told: where the gateway is the one who is let in, to list its tools and no more."""
    return {**os.environ, "MCP_CONFORMANCE_SCENARIO": "initialize"} if is_about_authorization() else dict(os.environ)


if __name__ == "__main__":
    sys.exit(main())

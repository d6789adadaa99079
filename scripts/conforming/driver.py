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

from scripts.conforming.places import configuration, gateway_before, over_http, settings

PATIENCE = 60
LOGIN_SECONDS = 10
ASKED_TWICE = {"auth/authorization-server-migration"}
"""Where the suite's server wants another login after a while, and a person gives it."""
METADATA_URL = "https://conformance-test.local/client-metadata.json"
"""By which the suite knows a client that does not register."""


def main() -> int:
    """Run the driver through a gateway, which a person has logged in before where the suite's server wants one."""
    driver, url = sys.argv[1], sys.argv[-1]
    revision = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = credentials(folder, url) if os.environ.get("MCP_CONFORMANCE_SCENARIO", "").startswith("auth/") else ""
        backend = over_http(url, more=settings(revision) + shown)
        logins = 0 if "authorization_code" not in shown else 1 + (os.environ["MCP_CONFORMANCE_SCENARIO"] in ASKED_TWICE)
        for _ in range(logins):
            log_in(configuration(folder, backend))
            code = run(driver, folder, backend)
        return code if logins else run(driver, folder, backend)


def run(driver: str, folder: Path, backend: str) -> int:
    """The driver, through a gateway before that backend; its exit code."""
    with gateway_before(folder, backend) as through:
        return subprocess.run([sys.executable, driver, through], timeout=PATIENCE, check=False).returncode


def credentials(folder: Path, url: str) -> str:
    """By which the gateway is let in, the last table of its backend. A secret needs its server's name, which an operator knows and this looks up."""
    given = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    if "private_key_pem" in given:
        (folder / "key.pem").write_text(given["private_key_pem"], encoding="utf-8")
        return table(type="private_key_jwt", client_id=given["client_id"], key=str(folder / "key.pem"))
    kind = "client_credentials" if os.environ["MCP_CONFORMANCE_SCENARIO"].startswith("auth/client-credentials") else "authorization_code"
    if "client_secret" not in given:
        return table(type=kind, client_metadata_url=METADATA_URL)
    told = urlsplit(url)
    metadata = httpx2.get(f"{told.scheme}://{told.netloc}/.well-known/oauth-protected-resource{told.path}").json()
    issuer = metadata["authorization_servers"][0]
    return table(type=kind, client_id=given["client_id"], client_secret=given["client_secret"], issuer=issuer)


def table(**keys: str) -> str:
    """``[backends.auth]`` with these."""
    return "[backends.auth]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


def log_in(file: Path) -> None:
    """What a person does, with a browser that consents to everything."""
    command = [sys.executable, "-u", "-m", "sluicegate", "login", "everything", "-c", str(file), "--no-browser"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as login:
        assert login.stdout is not None
        address = next((line.strip() for line in login.stdout if line.strip().startswith("http")), None)
        try:
            if address is not None:
                httpx2.get(address, follow_redirects=True, timeout=LOGIN_SECONDS)
            login.communicate(timeout=LOGIN_SECONDS)
        except (httpx2.HTTPError, subprocess.TimeoutExpired):  # there are servers that must not be believed
            login.kill()


if __name__ == "__main__":
    sys.exit(main())

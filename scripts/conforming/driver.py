"""What the suite runs as "the client": the SDK's own driver, behind a gateway whose only backend is the suite's server.

Arguments: the SDK's driver, and last, added by the suite, the URL of its server. Ends with the driver's exit code.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is started in the suite's folder

from scripts.conforming.places import gateway_before, over_http, settings

PATIENCE = 60


def main() -> int:
    """Run the driver through a gateway."""
    driver, url = sys.argv[1], sys.argv[-1]
    revision = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
    with tempfile.TemporaryDirectory() as name, gateway_before(Path(name), over_http(url, more=settings(revision))) as through:
        return subprocess.run([sys.executable, driver, through], timeout=PATIENCE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

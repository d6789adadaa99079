"""Programs that only the benchmark needs: wrk from the system, the others in folders of their own below ``.cache/bench``, installed once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .processes import Failed

__all__ = ["install_wrk", "node_tool", "python_tool"]

CACHE = Path(".cache/bench").absolute()


def install_wrk() -> None:
    """Have wrk; raises `Failed` where a person has to install it."""
    if shutil.which("wrk"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failed("wrk is missing; install it first (Debian, Ubuntu: sudo apt-get install wrk)")
    print("installing wrk", file=sys.stderr)
    try:
        _run("apt-get", "install", "--yes", "--quiet", "wrk")
    except Failed:  # the list of packages may be old, or not there at all
        _run("apt-get", "update", "--quiet")
        _run("apt-get", "install", "--yes", "--quiet", "wrk")


def python_tool(name: str, *requirements: str) -> Path:
    """The folder with the programs of an environment that holds these packages of PyPI."""
    folder = CACHE / name
    stamp = folder / "stamp"
    wanted = f"{sys.version} {folder} {requirements}"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {', '.join(requirements)} in {folder}", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
        stamp.write_text(wanted)
    return folder / "bin"


def node_tool(name: str, *packages: str) -> Path | None:
    """The folder with the programs of these packages of npm; None where there is no npm."""
    if shutil.which("npm") is None:
        return None
    folder = CACHE / name
    stamp = folder / "stamp"
    wanted = f"{folder} {packages}"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {', '.join(packages)} in {folder}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        _run(
            "npm",
            "install",
            "--prefix",
            str(folder),
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
            *packages,
        )
        stamp.write_text(wanted)
    return folder / "node_modules" / ".bin"


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

"""Run one fuzz target of tests/fuzz for some seconds, with atheris; see scripts/fuzz."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
TARGETS = ROOT / "tests" / "fuzz"
INSTRUMENTED = ["sluicegate.http1", "sluicegate.protocol", "sluicegate.channel.lines", "sluicegate.routing"]


def main() -> None:
    """Parse the arguments, and run until the time is over or something is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(path.stem for path in TARGETS.glob("[!t]*.py")))
    parser.add_argument("seconds", type=int)
    parser.add_argument("--verbosity", type=int, default=1, help="0 is for runs of a few seconds")
    arguments = parser.parse_args()
    try:
        import atheris
    except ImportError:
        print("atheris has no wheel for this Python or this machine, so nothing is fuzzed; CPython 3.11 to 3.13 on Linux x86-64 has one")
        return
    sys.path.insert(0, str(ROOT))  # for what the targets share
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = load(TARGETS / f"{arguments.target}.py")
    corpus = ROOT / ".cache" / "fuzz" / arguments.target
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.SEEDS:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    words = corpus.with_suffix(".dict")
    escaped = ("".join(f"\\x{byte:02x}" for byte in token) for token in target.TOKENS)
    words.write_text("".join(f'"{token}"\n' for token in escaped))
    options = [f"-dict={words}", f"-max_total_time={arguments.seconds}", f"-max_len={target.LONGEST}", "-timeout=10", "-rss_limit_mb=1024"]
    where = [f"-artifact_prefix={corpus}/finding-", "-print_final_stats=1", f"-verbosity={arguments.verbosity}", str(corpus)]
    atheris.Setup([sys.argv[0], *options, *where], target.check)
    atheris.Fuzz()


def load(path: Path) -> ModuleType:
    """A module by its path: test folders are no packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()

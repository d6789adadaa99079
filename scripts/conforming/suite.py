"""One run of the suite, and what it found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from .install import ALPHA, STABLE, node, sdk_sources, suite

__all__ = ["AS_CLIENT", "AUTHORIZED", "OF_TASKS", "RUNS", "TASKS", "Check", "Result", "Run", "run_as_client", "run_suite"]

PATIENCE = 600
FOLDER = re.compile(r"(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
DRIVER = Path(__file__).with_name("driver.py")
AS_CLIENT = (
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "request-metadata",
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    "json-schema-2020-12-preservation",
)
"""What the suite looks at in a client, but for authorization."""
AUTHORIZED = (
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/basic-cimd",
    "auth/scope-from-www-authenticate",
    "auth/scope-from-scopes-supported",
    "auth/scope-omitted-when-undefined",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none",
    "auth/pre-registration",
    "auth/resource-mismatch",
    "auth/offline-access-scope",
    "auth/offline-access-not-supported",
    "auth/authorization-server-migration",
    "auth/iss-supported",
    "auth/iss-not-advertised",
    "auth/iss-supported-missing",
    "auth/iss-wrong-issuer",
    "auth/iss-unexpected",
    "auth/iss-normalized",
    "auth/metadata-issuer-mismatch",
)
"""The same for authorization, but for extensions that the gateway does not have, and for a person who is asked for more in the middle of a call
(``auth/scope-step-up``, ``auth/scope-retry-limit``): to log in is a command of its own here, and until somebody gives it the call is refused."""


@attrs.frozen
class Run:
    """Which scenarios, at which revision of the protocol."""

    name: str
    version: str
    """Of the suite."""
    options: tuple[str, ...]

    @property
    def revision(self) -> str:
        """In which the backend is spoken to: the suite's own, as it is without a gateway."""
        return "2026-07-28" if "2026-07-28" in self.options else "2025-11-25"


RUNS = (
    Run("0.1.16 active", STABLE, ("--suite", "active")),
    Run("0.1.16 all", STABLE, ("--suite", "all")),
    Run("requirements 2025-11-25", ALPHA, ("--requirements", "2025-11-25")),
    Run("requirements 2026-07-28", ALPHA, ("--requirements", "2026-07-28")),
    Run("all, 2025-03-26", ALPHA, ("--suite", "all", "--spec-version", "2025-03-26")),
    Run("all, 2025-06-18", ALPHA, ("--suite", "all", "--spec-version", "2025-06-18")),
    Run("all, 2025-11-25", ALPHA, ("--suite", "all", "--spec-version", "2025-11-25")),
    Run("all, 2026-07-28", ALPHA, ("--suite", "all", "--spec-version", "2026-07-28")),
)


TASKS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)
"""The scenarios of the extension for tasks, but for the one that is skipped; the suite runs them by name alone."""
OF_TASKS = Run("tasks, 2026-07-28", ALPHA, ())


@attrs.frozen
class Check:
    """Something that was looked at in a scenario."""

    scenario: str
    name: str
    status: str
    """SUCCESS, FAILURE, WARNING, SKIPPED or INFO."""
    said: str = attrs.field(default="", eq=False)

    @property
    def failed(self) -> bool:
        """Whether it counts against the server."""
        return self.status == "FAILURE"


@attrs.frozen
class Result:
    """All that one run looked at."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> int:
        """How many were right."""
        return sum(check.status == "SUCCESS" for check in self.checks)

    @property
    def failures(self) -> list[Check]:
        """Those that were wrong."""
        return [check for check in self.checks if check.failed]

    def __str__(self) -> str:
        return f"{self.passed} / {len(self.failures)}"

    def worse_than(self, other: Result) -> list[Check]:
        """What is wrong here and not there, or was not even looked at."""
        theirs = {(check.scenario, check.name) for check in other.failures}
        seen = {check.scenario for check in self.checks}
        missing = dict.fromkeys(check.scenario for check in other.checks if check.scenario not in seen)
        worse = [check for check in self.failures if (check.scenario, check.name) not in theirs]
        return worse + [Check(name, "(the whole scenario)", "FAILURE", "it was not run") for name in missing]


def run_suite(run: Run, url: str, output: Path, scenarios: Sequence[str] = ()) -> Result:
    """Run it against a server; ``scenarios`` are run alone, one after the other, in the place of the whole."""
    for options in [("--scenario", name) for name in scenarios] or [run.options]:
        # a scenario alone is run at the revision of the run, where that names one
        more = run.options[-2:] if scenarios and "--spec-version" in run.options else ()
        _quietly([node(), suite(run.version), "server", "--url", url, *options, *more, "-o", output])
    return Result(tuple(_read(output)))


def run_as_client(revision: str, output: Path, scenarios: Sequence[str] = (), *, direct: bool) -> Result:
    """Run the suite's servers against the SDK's client, directly or through a gateway."""
    driver = sdk_sources() / ".github/actions/conformance/client.py"
    command = " ".join(map(str, [sys.executable, *([] if direct else [DRIVER]), driver]))
    for scenario in scenarios or (*AS_CLIENT, *AUTHORIZED):
        force = ["--force"] if scenario in AUTHORIZED else []  # of an extension, which the suite counts to no revision
        options = ["--command", command, "--scenario", scenario, "--spec-version", revision, *force, "-o", output]
        _quietly([node(), suite(ALPHA), "client", *options])
    return Result(tuple(_read(output)))


def _quietly(command: Sequence[str | Path]) -> None:
    environment = os.environ | {"NO_COLOR": "1"}
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False, env=environment)


def _read(output: Path) -> Iterator[Check]:
    for file in sorted(output.rglob("checks.json")):
        found = FOLDER.fullmatch(file.parent.name)
        scenario = found[1] if found else file.parent.name
        for one in json.loads(file.read_text(encoding="utf-8")):
            yield Check(scenario, one["id"], one["status"], str(one.get("errorMessage") or one.get("description") or ""))

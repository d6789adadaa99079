"""What a file may say of the audit (CFG-120)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.config.load import ConfigError, dump, load, parse
from sluicegate.settings.audit_settings import AuditSettings

HEAD = '[proxy]\nname = "p"\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'


def audit_of(text: str) -> AuditSettings | None:
    return parse(HEAD + text, environ={"AUDIT_KEY": "0123456789abcdef"}).config.observability.audit


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("[observability]\naudit = true\n", "log"),
        ("[observability.audit]\n", "log"),
        ('[observability]\naudit.file = "a"\n', "file"),
        ('[observability.audit]\nto = "stdout"\nwhen_full = "drop_and_count"\n', "stdout"),
        ('[observability.audit]\nto = "syslog"\naddress = "udp://[::1]:514"\n', "syslog"),
    ],
)
def test_a_flag_is_enough_and_a_file_says_where(text: str, target: str) -> None:
    """CFG-120."""
    audit = audit_of(text)
    assert audit is not None
    assert (audit.enabled, audit.target) == (True, target)


@pytest.mark.parametrize("text", ["", "[observability]\naudit = false\n", "[observability.audit]\nenabled = false\n"])
def test_without_it_there_is_none(text: str) -> None:
    audit = audit_of(text)
    assert audit is None or not audit.enabled


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('to = "file"', 'observability.audit.file: there is no file for the audit; write file = "audit.jsonl"'),
        ('to = "log"\nfile = "x"', "observability.audit.file: file has no effect where records go to the log"),
        ('to = "log"\nmax_waiting = 9', "observability.audit.max_waiting: max_waiting has no effect where records go to the log"),
        ('to = "stdout"\nrotate_bytes = 9', "observability.audit.rotate_bytes: rotate_bytes has no effect where records go to stdout"),
        ('to = "syslog"\naddress = "host:514"', "observability.audit.address: this is neither the path of a socket nor an address"),
        ('redact = ["$.a"]', "observability.audit.redact: redact has no effect: a record has no arguments"),
        ('arguments = true\nredact = ["$.a", "$["]', "observability.audit.redact[1]: this is no JSON Path"),
        ('key = "short"', "observability.audit.key: the key has under 16 characters and can be guessed"),
        (
            'when_full = "wait"',
            'observability.audit.when_full: this is none of the values that are known; write "block" or "drop_and_count"',
        ),
        ('path = "a"', "observability.audit.path: unknown key 'path'"),
    ],
)
def test_what_has_no_effect_or_makes_no_sense_is_an_error(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        audit_of(f"[observability.audit]\n{text}\n")
    assert any(error in str(problem) for problem in caught.value.problems), caught.value


def test_a_file_is_beside_the_configuration_and_the_key_is_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(HEAD + '[observability.audit]\nfile = "audit.jsonl"\nkey = "${AUDIT_KEY}"\n')
    config = load(path, environ={"AUDIT_KEY": "0123456789abcdef"}).config
    audit = config.observability.audit
    assert audit is not None
    assert audit.key is not None
    assert (audit.file, audit.key.reveal()) == (str(tmp_path / "audit.jsonl"), "0123456789abcdef")
    assert "0123456789abcdef" not in dump(config) + repr(audit)

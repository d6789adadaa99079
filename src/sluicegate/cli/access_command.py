"""``sluicegate access``: who may use what, and which rule says so."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

import attrs
import click

from ..config.model import BearerAuth, Config
from ..protocol.principal import NO_ROLE
from .configuration import Choice, choose_configuration
from .json_text import print_json

__all__ = ["command"]

_PARTS = 3
"""Of a JWT."""


@attrs.frozen
class Who:
    """Whom it is about."""

    name: str
    roles: frozenset[str]
    note: str = ""


@click.group("access", short_help="Explain who may use what.")
def command() -> None:
    """Look at what [[auth.scoped_tokens]], [[auth.roles]] and [auth.role_mapping] come to."""


@command.command("explain")
@choose_configuration
@click.option(
    "--token",
    envvar="SLUICEGATE_TOKEN",
    show_envvar=True,
    help="The token of a caller; of a signed one the claims are read, and nothing else.",
)
@click.option("--role", "roles", multiple=True, help="Somebody with this role instead; may be given several times.")
@click.option(
    "--claims",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Somebody of whom an issuer says what is in this JSON file.",
)
@click.option("--tool", help="A tool, by the name that clients see.")
@click.option("--resource", help="A resource, by the URI that clients see.")
@click.option("--prompt", help="A prompt, by the name that clients see.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def explain(
    choice: Choice,
    *,
    token: str | None,
    roles: tuple[str, ...],
    claims: Path | None,
    tool: str | None,
    resource: str | None,
    prompt: str | None,
    as_json: bool,
) -> int:
    """Say whether a caller may use something, and which roles and rules that follows from; 0 if he may, 1 if not.

    Backends are not asked, so it makes no difference whether there is such a thing.
    """
    from ..gateway.explained_access import explained

    named = {kind: name for kind, name in (("tool", tool), ("resource", resource), ("prompt", prompt)) if name is not None}
    if len(named) != 1:
        raise click.UsageError("name one thing: --tool, --resource or --prompt")
    if roles or claims is not None:
        token = None  # that is what was typed, and the token may be of the environment
    if sum((token is not None, bool(roles), claims is not None)) != 1:
        raise click.UsageError("say who: with --token, --role or --claims")
    config = choice.load().config
    who = _of_roles(config, roles) if roles else _of_claims(config, _read(claims)) if claims is not None else _of_token(config, token or "")
    ((kind, name),) = named.items()
    found = explained(config, who.roles, kind, name)
    if as_json:
        print_json({"caller": who.name, "roles": sorted(_shown(who.roles)), "target": name, **attrs.asdict(found)})
        return 0 if found.allowed else 1
    print(f"caller:   {who.name}{f' ({who.note})' if who.note else ''}")
    print(f"roles:    {', '.join(sorted(_shown(who.roles))) or 'none are needed'}")
    print(f"{kind + ':':10}{name}")
    print(f"allowed:  {'yes' if found.allowed else 'no'}")
    for role in found.without_lists:
        print(f"  '{role}' allows everything that is not denied")
    for rule in found.rules:
        print(f"  '{rule.role}' has {rule.key} = \"{rule.pattern}\"")
    if not found.allowed and not any(rule.key.startswith("deny") for rule in found.rules):
        print("  no allow list has it")
    if found.words:
        print(f"answer:   {found.words}")
    return 0 if found.allowed else 1


def _shown(roles: frozenset[str]) -> set[str]:
    return {"none, and one is needed" if role == NO_ROLE else "token" if role.startswith("token ") else role for role in roles}


def _of_roles(config: Config, roles: tuple[str, ...]) -> Who:
    known = [role.name for role in getattr(config.auth, "roles", ())]
    for role in roles:
        if role not in known:
            raise click.BadParameter(f"there is no role '{role}'; there are: {', '.join(known) or 'none'}", param_hint="--role")
    return Who("somebody", frozenset(roles))


def _of_claims(config: Config, claims: dict[str, Any], note: str = "") -> Who:
    from ..gateway.rule_making import roles_by_claims

    return Who(str(claims.get("sub") or claims.get("client_id") or "somebody"), roles_by_claims(config)(claims), note)


def _of_token(config: Config, token: str) -> Who:
    from ..gateway.explained_access import known_caller

    if isinstance(config.auth, BearerAuth):
        found = known_caller(config.auth, token)
        if found is None:
            raise click.ClickException("the token is none of auth.tokens and auth.scoped_tokens")
        return Who(found.name, found.roles, "" if found.expires_at is None else "the token ends, which is not looked at here")
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise click.ClickException("the token is no JWT; --claims takes what its issuer says of it")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        claims = None
    if not isinstance(claims, dict):
        raise click.ClickException("the token is no JWT: its middle part is no JSON object")
    return _of_claims(config, claims, "its signature and its end are not looked at here")


def _read(file: Path) -> dict[str, Any]:
    try:
        claims = json.loads(file.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"'{file}' is no JSON: {error}", param_hint="--claims") from None
    if not isinstance(claims, dict):
        raise click.BadParameter(f"'{file}' holds no JSON object", param_hint="--claims")
    return claims

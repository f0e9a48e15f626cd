"""`stackly policies`: the account's rules."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, clean, json_option
from stackly_sdk.durations import said

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Finding, Policy


@click.group()
def policies() -> None:
    """Rules on who must approve."""


@policies.command("list")
@json_option
def list_policies(session: Session) -> None:
    """List policies."""
    with session.client() as client:
        found = list(client.policies.list())
    session.table(
        found,
        ("POLICY", "REVISION", "APPROVERS", "GROUPS", "WHERE", "CHANGED"),
        lambda policy: (
            words.last(policy.name),
            str(policy.revision),
            " and ".join(str(rule.min_approvers if rule.required else 0) for rule in policy.approvals),
            " and ".join(", ".join(rule.allowed_groups) or "anyone" for rule in policy.approvals),
            _where(policy),
            words.ago(policy.updated_at),
        ),
    )


@policies.command()
@click.argument("policy")
@json_option
def show(session: Session, *, policy: str) -> None:
    """Show one policy."""
    with session.client() as client:
        found = client.policies.get(policy)
    session.show(found, lambda: _lines(found))


@policies.command()
@click.argument("file", type=click.File())
@json_option
def create(session: Session, *, file: TextIO) -> None:
    """Make a policy of a file with one policy block; - is stdin."""
    with session.client() as client:
        made = client.policies.create(file.read())
    name = words.last(made.policy.name) if made.policy else ""
    session.show(made, lambda: [f"Made {name}.", *_findings(made.warnings)])


@policies.command()
@click.argument("policy")
@click.argument("file", type=click.File())
@json_option
def update(session: Session, *, policy: str, file: TextIO) -> None:
    """Give a policy a new text. Approvals under the old one no longer count."""
    with session.client() as client:
        changed = client.policies.update(policy, file.read())
    revision = changed.policy.revision if changed.policy else 0
    session.show(changed, lambda: [f"Changed {policy}: revision {revision}.", *_findings(changed.warnings)])


@policies.command()
@click.argument("file", type=click.File())
@json_option
def validate(session: Session, *, file: TextIO) -> None:
    """Check a policy's text and write nothing."""
    with session.client() as client:
        answer = client.policies.validate(file.read())
    session.show(answer, lambda: [*_findings(answer.findings), "" if answer.findings else "No errors."])
    if any(finding.blocking for finding in answer.findings):
        raise click.exceptions.Exit(1)


@policies.command()
@click.argument("policy")
@click.option("--force", is_flag=True, help="Also while stack files name it; their runs are then denied.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(session: Session, *, policy: str, force: bool, yes: bool) -> None:
    """Delete a policy."""
    from stackly_sdk.cli.asking import confirm

    confirm(f"Delete the policy {policy}?", yes=yes)
    with session.client() as client:
        client.policies.delete(policy, force=force)
    if session.json:
        session.print_json({})
    else:
        click.echo(clean(f"Deleted {policy}."))


def _lines(policy: "Policy") -> Iterator[str]:
    yield f"{words.last(policy.name)}, revision {policy.revision}, {_where(policy)}"
    for rule in policy.approvals:
        groups = f" of {' or '.join(rule.allowed_groups)}" if rule.allowed_groups else ""
        own = "the run's author counts" if rule.self_allowed else "the run's author does not count"
        asked = f"{rule.min_approvers} must approve{groups}; {own}" if rule.required else "asks nobody"
        yield f"  {asked}; a request ends after {said(rule.expires_seconds)}"
    yield policy.hcl.rstrip()


def _where(policy: "Policy") -> str:
    if (selector := policy.selector) is None or not (selector.environments or selector.labels):
        return "everywhere"
    parts = [f"environment {' or '.join(selector.environments)}"] if selector.environments else []
    return ", ".join([*parts, *([words.pairs(selector.labels)] if selector.labels else [])])


def _findings(findings: "Iterable[Finding]") -> Iterator[str]:
    for each in findings:
        yield f"{'error' if each.blocking else 'warning'}: line {each.line}, column {each.column}: {each.message}"
        if each.line_text:
            yield f"    {each.line_text}"

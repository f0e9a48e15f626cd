"""`stackly plan`: what a run would change, drawn as Terraform draws it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, clean, json_option

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Plan, ResourceChange


@click.group()
def plan() -> None:
    """What a run would change."""


@plan.command()
@click.argument("run")
@json_option
def show(session: Session, *, run: str) -> None:
    """Show the current plan of a run, by unit where its root was cut; sensitive values are masked."""
    with session.client() as client:
        found = client.runs.get(run)
        current, changes = found.plan, list(found.changes())
    if session.json:
        from stackly_sdk.jsonview import as_json

        session.print_json({"plan": as_json(current), "resourceChanges": [as_json(change) for change in changes]})
        return
    print_plan(current, changes)


def print_plan(current: "Plan", changes: "Iterable[ResourceChange]") -> None:
    from stackly_sdk.cli.audits import audit_lines
    from stackly_sdk.cli.units import counted, draw_plan

    if current.audit is not None:
        for text, colour in audit_lines(current.audit):
            click.secho(clean(text), fg=colour)
        click.echo("What a plan of the whole root would change:")
    for line in draw_plan(current, changes):
        click.secho(clean(line.text), fg=line.colour)
    click.secho(words.summary(current.summary), bold=True)
    if skipped := counted(current.units):
        click.secho(skipped, bold=True)

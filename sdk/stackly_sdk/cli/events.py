"""`stackly events`: what happened."""

import json
from typing import TYPE_CHECKING

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, clean, json_option

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Event


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Show events as they happen, until Ctrl-C; with --json one a line.")
@click.option("--type", "kind", default="", help="Only this type, such as run.created, or its first word.")
@click.option("--subject", default="", help="Only events of this thing, by its whole name.")
@click.option("--since", default="", help="With --follow: go on after this sequence; 0 is the oldest kept.")
@click.option("--limit", default=50, show_default=True, help="How many at most; with --follow no bound.")
@json_option
def events(session: Session, *, follow: bool, kind: str, subject: str, since: str, limit: int) -> None:
    """Show what happened, newest first; with --follow as it happens."""
    with session.client() as client:
        if follow:
            for event in client.events.watch(kind=kind, resume_token=since):
                if not subject or event.subject == subject:
                    _print(session, event)
            return
        found = list(client.events.list(kind=kind, subject=subject).limit(limit))
    session.table(
        found,
        ("EVENT", "WHEN", "TYPE", "SUBJECT", "BY"),
        lambda event: (
            str(event.sequence),
            words.ago(event.occurred_at),
            event.type,
            _subject(event),
            words.last(event.actor),
        ),
    )


def _print(session: Session, event: "Event") -> None:
    if session.json:
        from stackly_sdk.jsonview import as_json

        click.echo(json.dumps(as_json(event), ensure_ascii=False))
        return
    moment = event.occurred_at.astimezone().strftime("%H:%M:%S") if event.occurred_at else "--:--:--"
    facts = words.pairs(event.facts)
    click.echo(clean(f"{moment} {event.type:<24} {_subject(event)} by {words.last(event.actor)} {facts}".rstrip()))


def _subject(event: "Event") -> str:
    """The name without its account."""
    return "/".join(event.subject.split("/")[2:])

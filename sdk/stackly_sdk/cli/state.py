"""`stackly state`: versions, export and lock of Terraform state."""

import os
import sys
from pathlib import Path

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, json_option


@click.group()
def state() -> None:
    """Terraform state: versions, export, lock."""


@state.command("list")
@click.argument("stack")
@click.option("--limit", default=20, show_default=True, help="How many at most.")
@json_option
def list_versions(session: Session, *, stack: str, limit: int) -> None:
    """List the stored serials, newest first."""
    with session.client() as client:
        found = list(client.state(stack).versions().limit(limit))
    session.table(
        found,
        ("SERIAL", "RESOURCES", "BYTES", "RUN", "STORED"),
        lambda each: (
            str(each.serial),
            str(each.resource_count),
            str(each.size_bytes),
            words.last(each.run),
            words.ago(each.created_at),
        ),
    )


@state.command()
@click.argument("stack")
@click.option("--serial", type=int, default=None, help="Which one. [default: the newest]")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="File to write, readable by you only. [default: stdout]"
)
@click.pass_obj
def export(session: Session, stack: str, serial: int | None, out: Path | None) -> None:
    """Write the whole Terraform state. It may hold secrets; the export is audited."""
    with session.client() as client:
        document = client.state(stack).export(serial)
    if out is None:
        sys.stdout.buffer.write(document)
        return
    write_private(out, document)
    click.echo(f"Wrote {len(document)} bytes to {out}.", err=True)


@state.command()
@click.argument("stack")
@click.option("--reason", default="", help="Why, for people.")
@click.option("--ttl", default=None, help="Ends by itself after this, such as 2h; at most 7d. [default: never]")
@json_option
def lock(session: Session, *, stack: str, reason: str, ttl: str | None) -> None:
    """Lock the state: no run applies until it is unlocked."""
    with session.client() as client:
        held = client.state(stack).lock(reason=reason, ttl=ttl)
    session.show(held, lambda: [f"Locked. Give it back: stackly state unlock {stack} {held.lock_id}"])


@state.command()
@click.argument("stack")
@click.argument("lock_id", default="")
@click.option("--force", is_flag=True, help="Break another member's lock; never that of a live run.")
@json_option
def unlock(session: Session, *, stack: str, lock_id: str, force: bool) -> None:
    """Give the lock back."""
    with session.client() as client:
        if not lock_id and not force:
            held = client.stacks.get(stack).raw.lock
            lock_id = held.lock_id if held else ""
        client.state(stack).unlock(lock_id, force=force)
    if session.json:
        session.print_json({})
    else:
        click.echo("Unlocked.")


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        path.chmod(0o600)
        file.write(content)

"""`stackly whoami`, `stackly keys`, `stackly members`."""

from pathlib import Path

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, json_option

_FEW = 4


@click.command()
@json_option
def whoami(session: Session) -> None:
    """Who you are and what you may do."""
    with session.client() as client:
        who = client.whoami()
    session.show(
        who,
        lambda: [
            f"{who.principal} in {who.account}",
            f"  may: {', '.join(who.permissions) or 'nothing'}",
            *([f"  groups: {', '.join(who.groups)}"] if who.groups else []),
        ],
    )


@click.group()
def keys() -> None:
    """API keys."""


@keys.command("list")
@json_option
def list_keys(session: Session) -> None:
    """List API keys, never their secrets."""
    with session.client() as client:
        found = list(client.keys.list())
    session.table(
        found,
        ("KEY", "FOR", "MEMBER", "PERMISSIONS", "USED", "ENDS"),
        lambda key: (
            words.last(key.name),
            key.display_name,
            words.last(key.member),
            _permissions(key.permissions),
            words.ago(key.used_at),
            "revoked" if key.revoked_at else words.ago(key.expires_at),
        ),
    )


def _permissions(given: "list[str]") -> str:
    if len(given) > _FEW:
        return f"{len(given)} permissions"
    return ", ".join(given) or "all of the member's"


@keys.command()
@click.option("--name", "display_name", default="", help="What it is for.")
@click.option("--member", default="", help="The member it acts as. [default: you]")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    help="A permission such as runs.create; may be repeated. [default: all]",
)
@click.option("--expires-in", default=None, help="Such as 30d; at most 366d. [default: 90d]")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="File to write, readable by you only. [default: stdout]"
)
@json_option
def create(
    session: Session,
    *,
    display_name: str,
    member: str,
    permissions: tuple[str, ...],
    expires_in: str | None,
    out: Path | None,
) -> None:
    """Make an API key. Its secret is shown this once."""
    from stackly_sdk.cli.state import write_private

    with session.client() as client:
        made = client.keys.create(
            display_name=display_name, member=member, permissions=permissions, expires_in=expires_in
        )
    name = words.last(made.api_key.name) if made.api_key else ""
    if out is not None:
        write_private(out, f"{made.secret}\n".encode())
        click.echo(f"Made {name}; its secret is in {out}.", err=True)
        return
    if not session.json:
        click.echo(f"Made {name}. Keep its secret, it is not shown again:", err=True)
    session.show(made, lambda: [made.secret])


@keys.command()
@click.argument("key")
@json_option
def revoke(session: Session, *, key: str) -> None:
    """Revoke an API key and all tokens made from it, at once."""
    with session.client() as client:
        client.keys.revoke(key)
    if session.json:
        session.print_json({})
    else:
        click.echo(f"Revoked {key}.")


@click.group()
def members() -> None:
    """Members of the account."""


@members.command("list")
@json_option
def list_members(session: Session) -> None:
    """List members."""
    with session.client() as client:
        found = list(client.members.list())
    session.table(
        found,
        ("MEMBER", "ROLES", "GROUPS", "ADDED"),
        lambda member: (
            words.last(member.name),
            ", ".join(member.roles),
            ", ".join(member.groups),
            words.ago(member.created_at),
        ),
    )


@members.command("set")
@click.argument("member")
@click.option(
    "--role", "roles", multiple=True, required=True, help="viewer, operator, approver, admin or owner; may be repeated."
)
@click.option(
    "--group", "groups", multiple=True, help="A group for approval policies; may be repeated. [default: as before]"
)
@click.option("--add", is_flag=True, help="Add the member when it is not there.")
@json_option
def set_member(session: Session, *, member: str, roles: tuple[str, ...], groups: tuple[str, ...], add: bool) -> None:
    """Give a member roles and groups."""
    with session.client() as client:
        found = client.members.set(member, roles=roles, groups=groups or None, add=add)
    session.show(found, lambda: [f"{words.last(found.name)}: {', '.join(found.roles)}"])


@members.command()
@click.argument("member")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(session: Session, *, member: str, yes: bool) -> None:
    """Remove a member; its API keys stop working at once."""
    from stackly_sdk.cli.asking import confirm

    confirm(f"Remove {member}?", yes=yes)
    with session.client() as client:
        client.members.remove(member)
    if session.json:
        session.print_json({})
    else:
        click.echo(f"Removed {member}.")

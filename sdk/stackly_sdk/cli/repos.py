"""`stackly repos`: connected Git repositories."""

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, json_option


@click.group()
def repos() -> None:
    """Connected Git repositories."""


@repos.command("list")
@json_option
def list_repositories(session: Session) -> None:
    """List connected repositories."""
    with session.client() as client:
        found = list(client.repositories.list())
    session.table(
        found,
        ("REPOSITORY", "FULL NAME", "BRANCH", "CLONED FROM", "CONNECTED"),
        lambda each: (
            words.last(each.name),
            each.full_name,
            each.default_ref,
            each.clone_url,
            words.ago(each.created_at),
        ),
    )


@repos.command()
@click.argument("clone_url")
@click.option("--full-name", required=True, help="The code host's name of it, such as acme/infrastructure.")
@click.option("--external-id", required=True, help="The code host's own id of it (repository.id of its webhooks).")
@click.option("--ref", default="", help="Branch whose pushes are deployed. [default: main]")
@json_option
def connect(session: Session, *, clone_url: str, full_name: str, external_id: str, ref: str) -> None:
    """Connect a repository. The secret for its webhook is shown this once."""
    with session.client() as client:
        made = client.repositories.connect(clone_url, full_name=full_name, external_id=external_id, default_ref=ref)
    name = words.last(made.repository.name) if made.repository else ""
    if not session.json:
        click.echo(f"Connected {name}. The webhook's secret, not shown again:", err=True)
    session.show(made, lambda: [made.webhook_secret])


@repos.command()
@click.argument("repository")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def disconnect(session: Session, *, repository: str, yes: bool) -> None:
    """Disconnect a repository: its webhook is refused from then on."""
    from stackly_sdk.cli.asking import confirm

    confirm(f"Disconnect {repository}?", yes=yes)
    with session.client() as client:
        client.repositories.disconnect(repository)
    if session.json:
        session.print_json({})
    else:
        click.echo(f"Disconnected {repository}.")

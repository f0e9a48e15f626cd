"""`stackly workers`: the machines that run Terraform."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, json_option
from stackly_sdk.cli.variables import labels_of

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Worker

_namespace = click.option("--namespace", default="default", show_default=True, help="Pool of workers.")


@click.group()
def workers() -> None:
    """Workers, and tokens for new ones."""


@workers.command("list")
@_namespace
@json_option
def list_workers(session: Session, *, namespace: str) -> None:
    """List workers."""
    with session.client() as client:
        found = list(client.workers.list(namespace))
    session.table(
        found,
        ("WORKER", "STATUS", "HOST", "ENGINES", "RUNS", "CERTIFICATE ENDS"),
        lambda worker: (
            words.last(worker.name),
            words.status(worker.status),
            worker.host,
            ", ".join(worker.verified_capabilities.engines if worker.verified_capabilities else []),
            str(len(worker.running_runs)),
            words.ago(worker.certificate_expires_at),
        ),
    )


@workers.command()
@click.argument("worker")
@_namespace
@json_option
def show(session: Session, *, worker: str, namespace: str) -> None:
    """Show one worker."""
    with session.client() as client:
        found = client.workers.get(worker, namespace=namespace)
    session.show(found, lambda: _lines(found))


@workers.command()
@click.argument("worker")
@_namespace
@json_option
def drain(session: Session, *, worker: str, namespace: str) -> None:
    """Let a worker finish what it has and take nothing new."""
    with session.client() as client:
        found = client.workers.drain(worker, namespace=namespace)
    session.show(found, lambda: _lines(found))


@workers.command()
@_namespace
@click.option("--name", "display_name", default="", help="What it is for.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label that the worker gets; may be repeated."
)
@click.option("--ttl", default=None, help="How long it is good, at most 24h. [default: 10m]")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="File to write, readable by you only. [default: stdout]"
)
@json_option
def token(
    session: Session, *, namespace: str, display_name: str, labels: tuple[str, ...], ttl: str | None, out: Path | None
) -> None:
    """Make a join file for one new worker. It is shown this once."""
    from stackly_sdk.cli.state import write_private

    with session.client() as client:
        made = client.workers.create_token(
            namespace=namespace, display_name=display_name, labels=labels_of(labels), ttl=ttl
        )
    if out is not None:
        write_private(out, made.join_file.encode())
        click.echo(f"Wrote {out}. Use it once: stackly-worker run --join-token-file {out}", err=True)
        return
    session.show(made, lambda: [made.join_file.rstrip("\n")])


def _lines(worker: "Worker") -> Iterator[str]:
    yield f"{words.last(worker.name)}: {words.status(worker.status)}"
    has = worker.verified_capabilities
    facts = {
        "host": worker.host,
        "proved": ", ".join([*has.features, *has.engines]) if has else "nothing yet",
        "labels": words.pairs(has.labels) if has else "",
        "platform": f"{has.platform}, {has.cpus} CPUs, sandbox {has.sandbox}" if has else "",
        "runs": ", ".join(worker.running_runs),
        "lease ends": words.ago(worker.lease_expires_at),
        "certificate": words.ago(worker.certificate_expires_at),
        "joined": words.ago(worker.created_at),
    }
    yield from (f"  {key:<13}{value}" for key, value in facts.items() if value)

"""`stackly stacks`: deployed instances of stack code."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, json_option
from stackly_sdk.cli.variables import labels_of, values_of, variable_options

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import StackState


@click.group()
def stacks() -> None:
    """Deployed instances of stack code."""


@stacks.command("list")
@click.option("--code", default="", help="Only those of this stack code.")
@click.option("--deleted", is_flag=True, help="Deleted ones too.")
@json_option
def list_stacks(session: Session, *, code: str, deleted: bool) -> None:
    """List stacks."""
    with session.client() as client:
        found = [stack.raw for stack in client.stacks.list(code=code, show_deleted=deleted)]
    session.table(
        found,
        ("STACK", "STATUS", "COMMIT", "RESOURCES", "RUN", "CHANGED"),
        lambda stack: (
            words.last(stack.name),
            words.status(stack.status),
            words.commit(stack.commit),
            str(stack.resource_count),
            words.last(stack.current_run),
            words.ago(stack.updated_at),
        ),
    )


@stacks.command()
@click.argument("stack")
@json_option
def show(session: Session, *, stack: str) -> None:
    """Show one stack."""
    with session.client() as client:
        found = client.stacks.get(stack).raw
        code = None if session.json or not found.stack_code else client.codes.get(found.stack_code)
    config = code.config if code is not None else None
    session.show(found, lambda: _lines(found, words.engine(config, suspended=bool(found.engine_suspended))))


@stacks.command()
@click.argument("stack")
@click.option("--code", required=True, help="Stack code to deploy; `stackly codes list` shows them.")
@click.option("--namespace", default="", help="Where it runs. [default: default]")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label; may be repeated.")
@click.option("--auto-deploy/--no-auto-deploy", default=None, help="Whether a push goes on to apply.")
@variable_options
@json_option
def create(
    session: Session,
    *,
    stack: str,
    code: str,
    namespace: str,
    labels: tuple[str, ...],
    auto_deploy: bool | None,
    var: tuple[str, ...],
    var_file: Path | None,
    secret: tuple[str, ...],
) -> None:
    """Make a stack of a stack code. Starts no run."""
    values = values_of(var, var_file, secret)
    with session.client() as client:
        made = client.stacks.create(
            stack, code=code, namespace=namespace, labels=labels_of(labels), variables=values, auto_deploy=auto_deploy
        ).raw
    session.show(made, lambda: [f"Made {stack}. Start its first run: stackly run {stack} --follow"])


@stacks.command()
@click.argument("stack")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label; all given replace all there are."
)
@click.option("--auto-deploy/--no-auto-deploy", default=None, help="Whether a push goes on to apply.")
@click.option(
    "--suspend-engine/--trust-engine",
    default=None,
    help="Run it whole, or cut it into units again as its code says.",
)
@click.option("--remove-var", multiple=True, metavar="NAME", help="Forget this variable; may be repeated.")
@variable_options
@json_option
def update(
    session: Session,
    *,
    stack: str,
    labels: tuple[str, ...],
    auto_deploy: bool | None,
    suspend_engine: bool | None,
    remove_var: tuple[str, ...],
    var: tuple[str, ...],
    var_file: Path | None,
    secret: tuple[str, ...],
) -> None:
    """Change labels, variables, auto-deploy or whether the engine is trusted. Starts no run."""
    values = values_of(var, var_file, secret)
    with session.client() as client:
        changed = client.stacks.get(stack).update(
            labels=labels_of(labels) if labels else None,
            variables=values,
            remove_variables=remove_var,
            auto_deploy=auto_deploy,
            engine_suspended=suspend_engine,
        )
    session.show(changed.raw, lambda: [f"Changed {stack}. Take it up: stackly run {stack}"])


@stacks.command()
@click.argument("stack")
@click.option("--message", "-m", default="", help="Why, for people.")
@click.option("--follow", "-f", is_flag=True, help="Show phases and log, which says what was found.")
@json_option
def audit(session: Session, *, stack: str, message: str, follow: bool) -> None:
    """Audit the engine: plan the whole of a stack and hold what its runs would skip against it. Changes nothing.

    What was found is in `stackly plan show` of the run.
    """
    from stackly_sdk.cli.following import present

    with session.client() as client:
        present(session, client, client.stacks.get(stack).audit(message=message), follow=follow)


@stacks.command()
@click.argument("stack")
@click.option("--message", "-m", default="", help="Why, for people.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--follow", "-f", is_flag=True, help="Show phases and log until it ends or waits.")
@json_option
def destroy(session: Session, *, stack: str, message: str, yes: bool, follow: bool) -> None:
    """Start a run that destroys all resources of a stack; it asks for approval like any other."""
    from stackly_sdk.cli.asking import confirm
    from stackly_sdk.cli.following import present

    confirm(f"Start a run that destroys all resources of {stack}?", yes=yes)
    with session.client() as client:
        present(session, client, client.stacks.get(stack).destroy(message=message), follow=follow)


@stacks.command()
@click.argument("stack")
@click.option("--force", is_flag=True, help="Also while it holds resources: they live on unmanaged.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(session: Session, *, stack: str, force: bool, yes: bool) -> None:
    """Delete a stack that holds no resources. It can be brought back for 30 days."""
    from stackly_sdk.cli.asking import confirm

    confirm(f"Delete {stack}{' and leave its resources unmanaged' if force else ''}?", yes=yes)
    with session.client() as client:
        gone = client.stacks.get(stack).delete(force=force).raw
    session.show(gone, lambda: [f"Deleted {stack}. Bring it back: stackly stacks undelete {stack}"])


@stacks.command()
@click.argument("stack")
@json_option
def undelete(session: Session, *, stack: str) -> None:
    """Bring a deleted stack back as it was."""
    with session.client() as client:
        back = client.stacks.get(stack).undelete().raw
    session.show(back, lambda: [f"{stack} is back."])


def _lines(stack: "StackState", engine: str) -> Iterator[str]:
    yield f"{words.last(stack.name)}: {words.status(stack.status)}"
    facts = {
        "code": words.last(stack.stack_code),
        "engine": engine,
        "namespace": words.last(stack.namespace),
        "environment": stack.environment,
        "labels": words.pairs(stack.labels),
        "variables": ", ".join(sorted(stack.variables)),
        "commit": stack.commit,
        "next commit": stack.desired_commit if stack.desired_commit != stack.commit else "",
        "state": f"serial {stack.serial}, {stack.resource_count} resources" if stack.serial else "",
        "conditions": ", ".join(words.status(each) for each in stack.conditions),
        "current run": words.last(stack.current_run),
        "last applied": words.last(stack.last_applied_run),
        "changed": words.ago(stack.updated_at),
    }
    if stack.lock is not None:
        facts["lock"] = (
            f"{stack.lock.holder} {words.ago(stack.lock.locked_at)} {stack.lock.reason} ({stack.lock.lock_id})"
        )
    yield from (f"  {key:<14}{value}" for key, value in facts.items() if value)

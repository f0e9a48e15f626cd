"""`stackly runs`: start, follow and decide on runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.graph import graph_of_run
from stackly_sdk.cli.session import Session, clean, json_option
from stackly_sdk.cli.steps import tasks
from stackly_sdk.cli.variables import values_of, variable_options

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Run


@click.group()
def runs() -> None:
    """Start, follow and decide on runs. A run is named STACK/run-NUMBER."""


runs.add_command(graph_of_run)


@runs.command()
@click.argument("stack")
@click.option("--commit", default="", help="Commit to deploy, by its hash. [default: the newest of the branch]")
@click.option("--message", "-m", default="", help="Why, for people.")
@click.option("--plan-only", is_flag=True, help="Plan and end.")
@click.option("--auto-apply", is_flag=True, help="Apply without asking where no policy asks.")
@click.option("--follow", "-f", is_flag=True, help="Show phases and log until it ends or waits. Ctrl-C detaches.")
@variable_options
@json_option
def create(
    session: Session,
    *,
    stack: str,
    commit: str,
    message: str,
    plan_only: bool,
    auto_apply: bool,
    follow: bool,
    var: tuple[str, ...],
    var_file: Path | None,
    secret: tuple[str, ...],
) -> None:
    """Start a run of a stack: plan and, once approved, apply."""
    from stackly_sdk.cli.following import present

    if plan_only and auto_apply:
        raise click.UsageError("--plan-only and --auto-apply exclude each other.")
    values = values_of(var, var_file, secret)
    with session.client() as client:
        found = client.stacks.get(stack)
        if plan_only:
            run = found.plan(commit, message=message, variables=values)
        else:
            run = found.deploy(commit, message=message, auto_apply=auto_apply, variables=values)
        present(session, client, run, follow=follow)


@runs.command("list")
@click.argument("stack", default="-")
@click.option("--limit", default=20, show_default=True, help="How many at most.")
@json_option
def list_runs(session: Session, *, stack: str, limit: int) -> None:
    """List the runs of a stack, or of all stacks, newest first."""
    with session.client() as client:
        found = [run.raw for run in client.runs.list(stack).limit(limit)]
    session.table(
        found,
        ("RUN", "STATUS", "TYPE", "COMMIT", "MESSAGE", "BY", "MADE"),
        lambda run: (
            _short(run),
            words.status(run.status),
            words.status(run.type),
            words.commit(run.to_commit),
            run.message[:60],
            words.last(run.creator),
            words.ago(run.created_at),
        ),
    )


@runs.command()
@click.argument("run")
@json_option
def show(session: Session, *, run: str) -> None:
    """Show one run."""
    with session.client() as client:
        current = client.runs.get(run)
        found, parts = current.raw, [] if session.json else list(current.steps())
    session.show(found, lambda: [*_lines(found), *tasks(parts)])


@runs.command()
@click.argument("run")
@json_option
def steps(session: Session, *, run: str) -> None:
    """List the tasks of a run, and the units within them; while it goes on too."""
    with session.client() as client:
        found = list(client.runs.get(run).steps())
    session.table(
        found,
        ("STEP", "STATUS", "BATCH", "TOOK", "WORKER", "WHY"),
        lambda step: (
            words.last(step.name),
            words.status(step.status),
            step.batch,
            words.took(step.started_at, step.finished_at),
            words.last(step.worker),
            "; ".join(step.reasons[:3]),
        ),
    )


@runs.command()
@click.argument("run")
@click.option("--follow", "-f", is_flag=True, help="Follow it until the run ends.")
@click.option("--offset", default=0, help="Where to begin, in bytes.")
@json_option
def logs(session: Session, *, run: str, follow: bool, offset: int) -> None:
    """Show the log of a run; with --json one object a line."""
    with session.client() as client:
        lines = client.runs.get(run).logs(follow=follow, offset=offset)
        for line in lines:
            click.echo(json.dumps({"text": line}, ensure_ascii=False) if session.json else clean(line))


@runs.command()
@click.argument("run")
@click.option("--comment", default="", help="Why, for people.")
@click.option("--plan-digest", default="", help="Approve only this plan. [default: the current one, as shown]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--follow", "-f", is_flag=True, help="Then show phases and log until it ends or waits.")
@json_option
def approve(session: Session, *, run: str, comment: str, plan_digest: str, yes: bool, follow: bool) -> None:
    """Show the plan of a run and approve it."""
    from stackly_sdk.cli.approving import approve_shown
    from stackly_sdk.cli.following import log_end, present

    with session.client() as client:
        found = client.runs.get(run)
        offset = log_end(client, found) if follow else 0
        found = approve_shown(session, found, comment=comment, plan_digest=plan_digest, yes=yes)
        present(session, client, found, follow=follow, news="Approved", offset=offset)


@runs.command()
@click.argument("run")
@click.option("--comment", default="", help="Why, for people.")
@json_option
def reject(session: Session, *, run: str, comment: str) -> None:
    """Reject the plan of a run and end it."""
    with session.client() as client:
        found = client.runs.get(run).reject(comment=comment).raw
    session.show(found, lambda: [f"{_short(found)} is {words.status(found.status)}."])


@runs.command()
@click.argument("run")
@click.option("--reason", default="", help="Why, for people.")
@click.option("--force", is_flag=True, help="Kill Terraform when it does not stop within 60 s; unsaved state is lost.")
@json_option
def cancel(session: Session, *, run: str, reason: str, force: bool) -> None:
    """Stop a run in any phase."""
    with session.client() as client:
        found = client.runs.get(run).cancel(reason=reason, force=force).raw
    session.show(found, lambda: [f"{_short(found)} is {words.status(found.status)}."])


@runs.command()
@click.argument("run")
@click.option(
    "--until", type=click.Choice(["planned", "waiting", "applying", "done"]), default="done", show_default=True
)
@click.option("--timeout", default=None, help="Such as 30m. [default: no bound]")
@click.option("--through-approval", is_flag=True, help="Wait on while it waits for people.")
@json_option
def wait(session: Session, *, run: str, until: str, timeout: str | None, through_approval: bool) -> None:
    """Wait until a run gets there. It is never touched, whatever ends the wait."""
    from stackly_sdk.cli.following import wait_for

    with session.client() as client:
        found = wait_for(client.runs.get(run), until, timeout, through_approval=through_approval).raw
    session.show(found, lambda: [f"{_short(found)} is {words.status(found.status)}."])


def _short(run: "Run") -> str:
    from stackly_sdk.reaching import short

    return short(run)


def _lines(run: "Run") -> Iterator[str]:
    from stackly_sdk.reaching import missing

    yield f"{_short(run)}: {words.status(run.status)}{missing(run)}"
    facts = {
        "type": words.status(run.type),
        "commit": run.to_commit,
        "message": run.message,
        "by": run.creator,
        "worker": words.last(run.worker),
        "plan": words.summary(run.plan_summary) if run.plan_summary else "",
        "digest": run.plan_digest,
        "made": words.ago(run.created_at),
        "suspects": ", ".join(run.suspects),
        "lacking": words.lacking(run.waiting_on),
        "blocked by": (run.waiting_on.blocking_run or run.waiting_on.lock_holder) if run.waiting_on else "",
    }
    yield from (f"  {key:<12}{value}" for key, value in facts.items() if value)
    yield from (f"  left: {line}" for line in words.left(run))
    for each in run.approvals:
        word = "approved" if each.approved else "rejected"
        stale = "" if each.valid or not each.approved else " (an older plan)"
        yield f"  {word} by {words.last(each.member)} {words.ago(each.given_at)}{stale} {each.comment}".rstrip()
    if run.error is not None:
        yield f"  error: {run.error.message} [{run.error.reason}]"
        for problem in run.error.terraform_errors:
            yield f"    {problem.address or 'terraform'} {problem.path}:{problem.line}: {problem.summary}"

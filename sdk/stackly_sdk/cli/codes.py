"""`stackly codes`: stack code in connected repositories."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from stackly_sdk.cli import words
from stackly_sdk.cli.session import Session, json_option

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import StackCode


@click.group()
def codes() -> None:
    """Stack code in connected repositories."""


@codes.command("list")
@json_option
def list_codes(session: Session) -> None:
    """List stack codes."""
    with session.client() as client:
        found = list(client.codes.list())
    session.table(
        found,
        ("CODE", "STATUS", "PATH", "REF", "COMMIT", "STACKS"),
        lambda code: (
            words.last(code.name),
            words.status(code.status),
            code.repo_path or ".",
            code.ref,
            words.commit(code.current_commit),
            str(code.stack_state_count),
        ),
    )


@codes.command()
@click.argument("code")
@json_option
def show(session: Session, *, code: str) -> None:
    """Show one stack code, with what its stack file says and what is wrong with it."""
    with session.client() as client:
        found = client.codes.get(code)
    session.show(found, lambda: _lines(found))


@codes.command()
@click.argument("code")
@json_option
def sync(session: Session, *, code: str) -> None:
    """Fetch the repository and take up what changed, as a push would. Starts no run."""
    with session.client() as client:
        answer = client.codes.sync(code)
    done = "Took up what changed." if answer.changed else "Nothing changed."
    session.show(answer, lambda: [done, *(_lines(answer.stack_code) if answer.stack_code else [])])


@codes.command()
@click.argument("repository")
@click.option("--path", default="", help="Folder of the root module. [default: the repository's root]")
@click.option("--ref", default="", help="Branch to follow. [default: the repository's]")
@json_option
def register(session: Session, *, repository: str, path: str, ref: str) -> None:
    """Register the stack at a path of a connected repository, as a push would."""
    with session.client() as client:
        found = client.codes.register(repository, path=path, ref=ref)
    session.show(found, lambda: _lines(found))


def _lines(code: "StackCode") -> Iterator[str]:
    yield f"{words.last(code.name)}: {words.status(code.status)}"
    facts = {
        "repository": words.last(code.repository),
        "path": code.repo_path or ".",
        "ref": code.ref,
        "commit": code.current_commit,
        "stacks": str(code.stack_state_count),
    }
    if code.config is not None:
        facts |= {
            "stack": code.config.stack,
            "version": code.config.version,
            "engine": words.engine(code.config),
            "environment": code.config.environment,
            "labels": words.pairs(code.config.labels),
            "policies": ", ".join(code.config.policies),
            "auto deploy": "yes" if code.config.auto_deploy else "no",
        }
    yield from (f"  {key:<13}{value}" for key, value in facts.items() if value)
    for finding in code.findings:
        weight = "error" if finding.blocking else "warning"
        yield f"  {weight}: {finding.path}:{finding.line}:{finding.column}: {finding.message}"
        if finding.line_text:
            yield f"      {finding.line_text}"

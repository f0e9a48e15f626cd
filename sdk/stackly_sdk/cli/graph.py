"""`stackly graph`: the units of a stack's newest plan, or of a run's, as waves on the terminal, as SVG or for Graphviz."""

from typing import IO, TYPE_CHECKING

import click

from stackly_sdk.cli.session import Session, clean, json_option

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import ExecutionGraph, GetExecutionGraphResponse

_WIDTH = 100  # columns where there is no terminal


def _options(command: "click.decorators.FC") -> "click.decorators.FC":
    for option in (
        click.option("--all", "everything", is_flag=True, help="A line for each unit, however many there are."),
        click.option(
            "--dot", type=click.File("w", "utf-8", lazy=True), help="Write it for Graphviz to this file; - is stdout."
        ),
        click.option(
            "--svg", type=click.File("w", "utf-8", lazy=True), help="Write a picture to this file; - is stdout."
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("stack")
@click.option("--commit", default="", help="Of the newest plan of this commit. [default: of any]")
@_options
@json_option
def graph(
    session: Session, *, stack: str, commit: str, svg: IO[str] | None, dot: IO[str] | None, everything: bool
) -> None:
    """Show the units of a stack's newest plan in the waves in which they run. STACK/run-NUMBER shows a run's."""
    from stackly_sdk.names import last_part

    with session.client() as client:
        is_run = "/" in stack.rpartition("stackStates/")[2]
        if is_run and commit:
            raise click.UsageError(f"{last_part(stack)} is a run, and has one commit: leave --commit out.")
        if is_run:
            found = client.runs.get(stack).execution_graph(draw=svg is not None)
        else:
            found = client.stacks.get(stack).execution_graph(commit, draw=svg is not None)
    _show(session, found, svg, dot, everything=everything)


@click.command("graph")
@click.argument("run")
@_options
@json_option
def graph_of_run(session: Session, *, run: str, svg: IO[str] | None, dot: IO[str] | None, everything: bool) -> None:
    """Show the units of a run's plan in the waves in which they run."""
    with session.client() as client:
        found = client.runs.get(run).execution_graph(draw=svg is not None)
    _show(session, found, svg, dot, everything=everything)


def _show(
    session: Session, found: "GetExecutionGraphResponse", svg: IO[str] | None, dot: IO[str] | None, *, everything: bool
) -> None:
    from stackly_sdk.cli.dot import dot as dot_of
    from stackly_sdk.presence import there

    current = there(found.graph)
    if svg is not None:
        _write(svg, found.svg)
    if dot is not None:
        _write(dot, dot_of(current))
    if session.json:
        session.show(current, list)
    elif svg is None and dot is None:
        _print(current, everything=everything)


def _write(file: IO[str], text: str) -> None:
    file.write(text)
    file.flush()
    if file.name != "-":
        click.echo(f"Wrote {file.name}.", err=True)


def _print(current: "ExecutionGraph", *, everything: bool) -> None:
    import shutil

    from stackly_sdk.cli.waves import draw_graph

    for line in draw_graph(current, shutil.get_terminal_size((_WIDTH, 24)).columns, everything=everything):
        click.secho(clean(line.text), fg=line.colour)

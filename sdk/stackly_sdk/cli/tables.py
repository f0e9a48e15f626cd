"""Tables for people: aligned and coloured on a terminal, tab-separated in a pipe."""

import sys
from collections.abc import Sequence

import click

from stackly_sdk.cli.session import clean

_COLOURS = {
    "active": "green",
    "applied": "green",
    "succeeded": "green",
    "failed": "red",
    "invalid": "red",
    "awaiting approval": "yellow",
    "unreachable": "yellow",
    "loose": "yellow",
}


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not sys.stdout.isatty():
        for row in [head, *rows] if rows else []:
            click.echo("\t".join(clean(cell) for cell in row))
        return
    if not rows:
        click.echo("None.", err=True)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in head:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell), style=_COLOURS.get(cell, "")) for cell in row))
    Console().print(table)

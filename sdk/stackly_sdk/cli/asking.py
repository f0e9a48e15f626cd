"""Asks before what cannot be taken back."""

import sys

import click


def confirm(question: str, *, yes: bool) -> None:
    """Goes on at yes, ends the program at no. Without a terminal nobody can be asked: that is a usage error."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} There is no terminal to ask at: give --yes.")
    click.confirm(question, abort=True, err=True)

"""Variables and labels as they are given on the command line."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from stackly_sdk.values import Json, Secret

F = TypeVar("F", bound=Callable[..., Any])


def variable_options(command: F) -> F:
    options = (
        click.option(
            "--var", multiple=True, metavar="NAME=VALUE", help="A variable: JSON, else taken as text; may be repeated."
        ),
        click.option("--var-file", type=click.Path(path_type=Path), help="A JSON file of variables."),
        click.option(
            "--secret",
            multiple=True,
            metavar="NAME=FILE",
            help="A sensitive variable, its text from a file; - is stdin.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def values_of(var: Iterable[str], var_file: Path | None, secret: Iterable[str]) -> dict[str, Json | Secret]:
    """Those of the file, over them the single ones. Raises UsageError for what is not NAME=VALUE."""
    values: dict[str, Json | Secret] = dict(_file_values(var_file)) if var_file else {}
    for given in var:
        name, text = _pair(given, "--var")
        values[name] = _json_or_text(text)
    for given in secret:
        name, path = _pair(given, "--secret")
        values[name] = Secret((sys.stdin.read() if path == "-" else Path(path).read_text()).rstrip("\n"))
    return values


def labels_of(given: Iterable[str]) -> dict[str, str]:
    return dict(_pair(each, "--label") for each in given)


def _pair(given: str, option: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise click.UsageError(f"{option} {given!r}: write it as NAME=VALUE.")
    return name, value


def _json_or_text(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text
    return value


def _file_values(path: Path) -> dict[str, Json]:
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise click.UsageError(f"{path} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise click.UsageError(f"{path} is no JSON object of variables by name.")
    return values

"""What the commands of one invocation share: settings, the client, how results are printed."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import betterproto2

    from stackly_sdk import Stackly

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Session:
    """`json` is set by the command that runs."""

    profile: str = ""
    account: str = ""
    timeout: float = 10.0
    json: bool = False

    @contextmanager
    def client(self) -> "Iterator[Stackly]":
        from stackly_sdk import Stackly

        with Stackly(profile=self.profile, account=self.account, timeout=self.timeout) as client:
            yield client

    def show(self, message: "betterproto2.Message", lines: Callable[[], Iterable[str]]) -> None:
        """Prints one thing: the message as JSON, or `lines` for people."""
        if self.json:
            from stackly_sdk.jsonview import as_json

            self.print_json(as_json(message))
        else:
            for line in lines():
                click.echo(clean(line))

    def table(
        self, messages: "Iterable[betterproto2.Message]", head: Sequence[str], row: Callable[[Any], Sequence[str]]
    ) -> None:
        """Prints many: a JSON array, or a table for people."""
        if self.json:
            from stackly_sdk.jsonview import as_json

            self.print_json([as_json(message) for message in messages])
            return
        from stackly_sdk.cli.tables import print_table

        print_table(head, [row(message) for message in messages])

    def print_json(self, value: Any) -> None:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def clean(text: str) -> str:
    """Text without what could move a terminal's cursor or change its title; tabs and colours stay."""
    import re

    return re.sub(
        r"\x1b\[[0-9;]*m|[^\x20-\x7e\t\n\xa0-\U0010ffff]", lambda hit: hit[0] if hit[0][-1] == "m" else "", text
    )


def json_option(command: F) -> F:
    """Adds `--json` and hands the session in as the first argument."""

    def keep(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
        context.find_root().obj.json = value

    option = click.option(
        "--json", is_flag=True, expose_value=False, callback=keep, help="Print JSON, as the REST face has it."
    )
    return option(click.pass_obj(command))  # type: ignore[return-value]

"""`stackly outputs`: the outputs of a stack."""

import json

import click

from stackly_sdk.cli.session import Session, clean, json_option


@click.command()
@click.argument("stack")
@click.argument("output", default="")
@click.option("--show-sensitive", is_flag=True, help="Sensitive values too; needs state.secret and is audited.")
@json_option
def outputs(session: Session, *, stack: str, output: str, show_sensitive: bool) -> None:
    """Show the outputs of a stack, or the value of one: text bare, all else as JSON."""
    with session.client() as client:
        found = client.state(stack).outputs(include_sensitive=show_sensitive).outputs
    if output:
        _print_one(session, {each.name: each.json for each in found}, output)
    elif session.json:
        session.print_json(
            {each.name: {"value": json.loads(each.json or "null"), "sensitive": each.sensitive} for each in found}
        )
    else:
        for each in found:
            click.echo(clean(f"{each.name} = {each.json or '(sensitive)'}"))


def _print_one(session: Session, values: dict[str, str], name: str) -> None:
    if name not in values:
        raise click.ClickException(f"There is no output {name!r}; there are: {', '.join(values) or 'none'}.")
    if not values[name]:
        raise click.ClickException(f"The output {name!r} is sensitive: give --show-sensitive to see it.")
    value = json.loads(values[name])
    if isinstance(value, str) and not session.json:
        click.echo(value)
    else:
        click.echo(values[name])

"""`stackly login`: takes an API key by prompt, stdin or file, tries it, and keeps it as a profile."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from stackly_sdk.cli.session import Session, json_option
from stackly_sdk.config import ConfigError, Settings, config_path, load, write_profile


@click.command()
@click.option("--endpoint", default="", help="Address of the server: https://host:port. [default: the profile's]")
@click.option(
    "--ca-file", type=click.Path(path_type=Path), help="PEM file of the CA that signs the server. [default: public CAs]"
)
@click.option("--api-key-file", type=click.File(), help="File with the API key; - is stdin. [default: a prompt]")
@json_option
def login(session: Session, *, endpoint: str, ca_file: Path | None, api_key_file: TextIO | None) -> None:
    """Sign in with an API key and keep it as a profile.

    The key is read from a prompt, from stdin or from a file, never from the command line, where others could see it.
    """
    profile = session.profile or "default"
    known = _known(session.profile)
    endpoint = endpoint or known.endpoint or _asked_endpoint()
    settings = Settings(
        endpoint,
        session.account or "",
        _api_key(api_key_file),
        ca_file.absolute() if ca_file else _kept_ca(endpoint, known),
    )
    from stackly_sdk import LoginRequired, Stackly

    with Stackly(
        endpoint=endpoint, api_key=settings.api_key, ca_file=settings.ca_file, account=session.account
    ) as client:
        try:
            who = client.whoami()
        except LoginRequired as error:
            raise click.ClickException(f"{endpoint} does not take this API key: {error.message}") from error
    settings = replace(settings, account=settings.account or who.account.removeprefix("accounts/"))
    path = config_path()
    write_profile(path, profile, settings)
    session.show(who, lambda: [f"Signed in to {endpoint} as {who.principal}. Kept as profile {profile!r} in {path}."])


def _known(profile: str) -> Settings:
    """What is known already; a profile that is not there yet is about to be made."""
    try:
        return load(profile)
    except ConfigError:
        return Settings()


def _kept_ca(endpoint: str, known: Settings) -> Path | None:
    return known.ca_file if known.endpoint in ("", endpoint) else None


def _asked_endpoint() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("Give the server's address with --endpoint.")
    return str(click.prompt("Server (https://host:port)", err=True))


def _api_key(file: TextIO | None) -> str:
    if file is not None:
        key = file.read()
    elif sys.stdin.isatty():
        key = click.prompt("API key", hide_input=True, err=True)
    else:
        key = sys.stdin.read()
    if not (key := str(key).strip()):
        raise click.UsageError("The API key is empty.")
    return key

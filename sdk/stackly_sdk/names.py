"""Resource names: whole ones pass, short ids get the account in front."""

from collections.abc import Iterable

from stackly_sdk.mistakes import Mistake


def full_name(given: str, *parts: str, parent: str) -> str:
    """`hello` with parts ("stackStates",) below `accounts/dev` gives `accounts/dev/stackStates/hello`."""
    return given if given.startswith("accounts/") else "/".join((parent, *parts, given))


def last_part(name: str) -> str:
    """`accounts/dev/stackStates/hello` gives `hello`."""
    return name.rsplit("/", 1)[-1]


def parent_of(name: str, levels: int = 2) -> str:
    """`…/stackStates/hello/runs/run-1` gives `…/stackStates/hello`."""
    return "/".join(name.split("/")[:-levels])


def run_name(given: str, parent: str) -> str:
    """Reads `hello/run-3`, `hello/3` or a whole name. Raises Mistake for a run without its stack."""
    if given.startswith("accounts/"):
        return given
    stack, _, number = given.rpartition("/")
    if not stack or "/" in stack:
        raise Mistake(f"{given!r} is no run: write it as STACK/run-NUMBER")
    return f"{parent}/stackStates/{stack}/runs/{number if number.startswith('run-') else f'run-{number}'}"


def ids(names: Iterable[str]) -> list[str]:
    return [last_part(name) for name in names]

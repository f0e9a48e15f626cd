"""Which engine of this worker suits a requirement such as `terraform ~> 1.11`; pure."""

import re
from collections.abc import Iterable

from stackly_worker.runner.terraform import Engine

_CLAUSE = re.compile(r"(=|!=|>=|<=|>|<|~>)?\s*v?(\d+(?:\.\d+){0,2})(-[0-9A-Za-z.-]+)?")
_Version = tuple[int, ...]


class RequirementError(ValueError):
    """The requirement cannot be read, or no engine here fulfils it."""


def choose(requirement: str, engines: Iterable[Engine]) -> Engine:
    """The newest engine of the wanted product whose version fulfils every clause; RequirementError without one.

    Clauses are Terraform's: `= != > >= < <= ~>`, joined by commas; a bare version is `=`. A pre-release fits a range
    only when it is named exactly, and comes after every release.
    """
    product, _, constraint = requirement.strip().partition(" ")
    clauses = [clause.strip() for clause in constraint.split(",") if clause.strip()]
    own = [engine for engine in engines if engine.product == (product or "terraform")]
    fitting = [engine for engine in own if all(_fulfils(engine.version, clause) for clause in clauses)]
    if not fitting:
        there = ", ".join(sorted(engine.name for engine in own)) or "none of it"
        raise RequirementError(f"no engine here fulfils `{requirement}`; this worker has {there}")
    return max(fitting, key=lambda engine: ("-" not in engine.version, _numbers(engine.version)))


def _fulfils(version: str, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise RequirementError(f"`{clause}` is no version constraint")
    operator, wanted_text, extra = found[1] or "=", found[2], found[3] or ""
    mine, mine_extra = _numbers(version), version.partition("-")[2]
    if mine_extra or extra:
        same = mine == _numbers(wanted_text) and mine_extra == extra.removeprefix("-")
        return same if operator in {"=", ">=", "<=", "~>"} else operator == "!=" and not same
    return _compare(operator, mine, _numbers(wanted_text), wanted_text.count("."))


def _compare(operator: str, mine: _Version, wanted: _Version, dots: int) -> bool:
    if operator == "~>":
        # `~> 1.11` lets the last number given rise: 1.11 and later below 2; `~> 1.11.4` later ones below 1.12.
        return mine >= wanted and mine[: max(dots, 1)] == wanted[: max(dots, 1)]
    return {
        "=": mine == wanted,
        "!=": mine != wanted,
        ">": mine > wanted,
        ">=": mine >= wanted,
        "<": mine < wanted,
        "<=": mine <= wanted,
    }[operator]


def _numbers(version: str) -> _Version:
    parts = [int(part) for part in version.partition("-")[0].split(".")[:3] if part.isdigit()]
    return tuple([*parts, 0, 0, 0][:3])

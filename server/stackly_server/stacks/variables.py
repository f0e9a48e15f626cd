"""Variables and labels that are set by API: what they may be, and what a change makes of them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from stackly_server.errors import FieldProblem, Invalid

VARIABLES_MAX = 200
LABELS_MAX = 50

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_LABEL_TEXT = re.compile(r"[A-Za-z0-9._/@:+ -]{0,63}")


@dataclass(frozen=True, slots=True)
class Variables:
    """JSON texts by name, plain and secret. An empty text removes the variable."""

    plain: Mapping[str, str]
    secret: Mapping[str, str] = field(repr=False)

    def onto(self, plain: Mapping[str, str], secret: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """What is there, with these on top. What was secret and is set plain is no longer secret, and the reverse."""
        named = self.plain.keys() | self.secret.keys()
        return (
            {**{k: v for k, v in plain.items() if k not in named}, **{k: v for k, v in self.plain.items() if v}},
            {**{k: v for k, v in secret.items() if k not in named}, **{k: v for k, v in self.secret.items() if v}},
        )


def check_variables(variables: Variables) -> None:
    """Refuses names that Terraform does not allow, and texts that are no JSON. The error repeats no value."""
    problems = [*_problems(variables.plain), *_problems(variables.secret)]
    if len(variables.plain) + len(variables.secret) > VARIABLES_MAX:
        problems.append(FieldProblem("stack_state.variables", f"more than {VARIABLES_MAX} variables"))
    if problems:
        message = f"{problems[0].field}: {problems[0].problem}."
        raise Invalid("VALIDATION_FAILED", message, fields=problems[:20])


def check_labels(labels: Mapping[str, str]) -> None:
    """Refuses labels that no selector could name."""
    problems = [
        FieldProblem(f"stack_state.labels[{name[:80]!r}]", "letters, digits and ._/- only, at most 63 characters")
        for name, text in labels.items()
        if not _LABEL.fullmatch(name) or not _LABEL_TEXT.fullmatch(text)
    ]
    if problems:
        raise Invalid("VALIDATION_FAILED", f"{problems[0].field}: {problems[0].problem}.", fields=problems[:20])


def _problems(variables: Mapping[str, str]) -> list[FieldProblem]:
    found = []
    for name, text in variables.items():
        place = f"stack_state.variables[{name[:80]!r}]"
        if not _NAME.fullmatch(name):
            found.append(FieldProblem(place, "this is no name of a variable"))
        elif text and not _is_json(text):
            found.append(FieldProblem(f"{place}.json", "this is no JSON text; a string needs its quotes"))
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)

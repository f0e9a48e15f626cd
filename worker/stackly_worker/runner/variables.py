"""Variables that do not fit the root module: set but not declared, declared but without a value."""

import re
from collections.abc import Iterable
from typing import Any

from stackly_engine import exact
from stackly_worker.runner.events import TerraformError

_MISSING = "No value for required variable"
_DECLARED = re.compile(r'"([^"]+)"')


class UnknownVariablesError(Exception):
    """Variables are set that the root module does not declare. Terraform itself would only warn of them."""

    def __init__(self, names: Iterable[str], declared: Iterable[str]) -> None:
        known = ", ".join(sorted(declared)) or "none"
        self.names = tuple(sorted(names))
        super().__init__(
            f"The root module does not declare {_words(self.names)}. It declares: {known}. "
            "Correct the name, declare the variable, or no longer set it."
        )


def require_declared(plan: bytes, names: Iterable[str]) -> None:
    """UnknownVariablesError for a name that the configuration in a plan's JSON does not declare."""
    root = (exact.loads(plan).get("configuration") or {}).get("root_module") or {}
    declared: dict[str, Any] = root.get("variables") or {}
    if unknown := set(names) - set(declared):
        raise UnknownVariablesError(unknown, declared)


def missing(errors: Iterable[TerraformError]) -> tuple[str, ...]:
    """The variables that Terraform found no value for; it points at their declarations."""
    found = (
        _DECLARED.search(error.snippet) or _DECLARED.search(error.detail)
        for error in errors
        if error.summary == _MISSING
    )
    return tuple(sorted({name[1] for name in found if name}))


def say_missing(names: tuple[str, ...]) -> str:
    return f"No value is set for {_words(names)}, which the root module declares without a default."


def _words(names: tuple[str, ...]) -> str:
    return f"the variable{'s' if len(names) > 1 else ''} {', '.join(names)}"

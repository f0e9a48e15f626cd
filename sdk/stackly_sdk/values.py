"""Values of variables and outputs: JSON on the wire, plain Python here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import Output, RunVariable, Variable

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A sensitive value: stored sealed, masked in logs, never shown."""

    value: Json = field(repr=False)


class Masked:
    """Stands for the value of a sensitive output that was not asked for."""

    def __repr__(self) -> str:
        return "(sensitive)"

    def __bool__(self) -> bool:
        return False


MASKED = Masked()


def run_variables(values: "Mapping[str, Json | Secret] | None") -> "dict[str, RunVariable]":
    from stackly_sdk._gen.stackly.v1 import RunVariable

    return {name: RunVariable(*_encoded(value)) for name, value in (values or {}).items()}


def stack_variables(values: "Mapping[str, Json | Secret] | None") -> "dict[str, Variable]":
    from stackly_sdk._gen.stackly.v1 import Variable

    return {name: Variable(*_encoded(value)) for name, value in (values or {}).items()}


def output_values(outputs: "Iterable[Output]") -> "dict[str, Json | Masked]":
    return {output.name: json.loads(output.json) if output.json else MASKED for output in outputs}


def _encoded(value: Json | Secret) -> tuple[str, bool]:
    if isinstance(value, Secret):
        return json.dumps(value.value, ensure_ascii=False, allow_nan=False), True
    return json.dumps(value, ensure_ascii=False, allow_nan=False), False

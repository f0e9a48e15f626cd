"""Roots to measure the engine on: M modules of R resources, in a shape, of one provider."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Shape(StrEnum):
    """Which module reads an output of which."""

    FAN_OUT = "fan-out"  # all read the first
    CHAIN = "chain"  # each reads the one before
    DIAMOND = "diamond"  # all read the first, the last reads all


@dataclass(frozen=True)
class Provider:
    """What the resources are: which provider, and the body of one module.

    `first` is the resource that gives the module's output and reads those of others; `other` is one of the rest, with
    `{n}` its number, and changes with `var.revision`.
    """

    name: str
    required: str  # the `terraform` block, of the root and of the module
    configuration: str  # the `provider` block of the root
    first: str
    other: str
    output: str


BUILTIN = Provider(
    name="terraform_data",
    required="",
    configuration="",
    first='resource "terraform_data" "first" {\n  input = { name = var.name, from = var.from }\n}\n',
    other='resource "terraform_data" "r{n}" {\n  input = { of = terraform_data.first.output.name, revision = var.revision }\n}\n',
    output="terraform_data.first.output.name",
)


@dataclass(frozen=True)
class Root:
    """One root to measure: its code depends on the revision of each module only."""

    shape: Shape
    modules: int
    resources: int
    provider: Provider = BUILTIN

    def __str__(self) -> str:
        return f"{self.shape} {self.modules}x{self.resources}"

    @property
    def leaf(self) -> int:
        """A module that nobody reads."""
        return self.modules - 1

    def write(self, folder: Path, revisions: Mapping[int, int] | None = None, comment: str = "") -> None:
        """The code; `revisions` are those of modules that are not at their first, `comment` moves no unit."""
        module = folder / "modules" / "unit"
        module.mkdir(parents=True, exist_ok=True)
        others = (self.provider.other.replace("{n}", str(n)) for n in range(1, self.resources))
        output = f'output "name" {{\n  value = {self.provider.output}\n}}\n'
        parts = (self.provider.required, _VARIABLES, self.provider.first, *others, output)
        (module / "main.tf").write_text("\n".join(part for part in parts if part))
        calls = (self._call(number, (revisions or {}).get(number, 1)) for number in range(self.modules))
        (folder / "main.tf").write_text(
            "\n".join((f"# {comment}", self.provider.required, self.provider.configuration, *calls))
        )

    def _call(self, number: int, revision: int) -> str:
        reads = ", ".join(f"module.{_name(other)}.name" for other in _READS[self.shape](number, self.modules))
        return (
            f'module "{_name(number)}" {{\n  source   = "./modules/unit"\n  name     = "{_name(number)}"\n'
            f"  from     = [{reads}]\n  revision = {revision}\n}}\n"
        )


_VARIABLES = """\
variable "name" {
  type = string
}
variable "from" {
  type = list(string)
}
variable "revision" {
  type = number
}
"""

_READS: Mapping[Shape, Callable[[int, int], Sequence[int]]] = {
    Shape.FAN_OUT: lambda number, _: [0] if number else [],
    Shape.CHAIN: lambda number, _: [number - 1] if number else [],
    Shape.DIAMOND: lambda number, of: range(1, of - 1) if number == of - 1 > 1 else [0] if number else [],
}


def _name(number: int) -> str:
    return f"m{number:04d}"

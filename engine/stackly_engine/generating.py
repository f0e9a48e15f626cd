"""The one file that a cut root has beside its own: values of other units, and outputs that record exports."""

from dataclasses import dataclass, field
from typing import Any

from stackly_engine import probing
from stackly_engine.building import Builder, Variable
from stackly_engine.exports import Export


@dataclass
class Generated:
    """Collects the blocks; `text` is HCL without any value in it, `values` is what its variables are set to."""

    variables: list[Variable] = field(default_factory=list)
    locals: list[tuple[str, str]] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)

    def value(self, name: str, export: Export) -> None:
        """`local.<name>` is the export."""
        builder = Builder(name)
        self.locals.append((name, builder.expression(export)))
        self.variables.extend(builder.variables)
        if builder.unknown:
            self.placeholder(name)

    def placeholder(self, name: str) -> None:
        """A resource that is not in the state: in a plan its id is unknown and whatever depends on it waits."""
        self.resources.append(name)

    def record(self, name: str, expression: str) -> None:
        """An output that records the value of an expression and what of it is sensitive."""
        self.outputs.append((name, probing.probed(expression)))

    def text(self) -> bytes:
        blocks = [variable.text for variable in self.variables]
        blocks += [f'resource "terraform_data" "{name}" {{}}\n' for name in self.resources]
        blocks += [f"locals {{\n  {name} = {expression}\n}}\n" for name, expression in self.locals]
        blocks += [f'output "{name}" {{\n  value = {value}\n  sensitive = true\n}}\n' for name, value in self.outputs]
        return "".join(blocks).encode()

    def values(self) -> dict[str, Any]:
        return {variable.name: variable.value for variable in self.variables}

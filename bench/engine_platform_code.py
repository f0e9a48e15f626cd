"""The code that the platform is measured with: M modules in folders of their own, as people write them, and how it moves on."""

from dataclasses import dataclass
from pathlib import Path

_MODULE = """\
variable "name" {
  type = string
}

variable "up" {
  type    = bool
  default = true
}

variable "word" {
  type    = string
  default = "none"
}

locals {
  edition = %(edition)s
}
"""
_RESOURCE = """
resource "terraform_data" "r%(number)s" {
  input = "${var.name}-%(number)s-${local.edition}-${var.word}-${var.up}"
}
"""
_OUTPUT = """
output "fixed" {
  value = length(var.name) > 0
}
"""
_WORD = """\
# %(comment)s
variable "word" {
  type    = string
  default = "first"
}
"""


@dataclass
class Code:
    """Fan-out: all modules read the first. The last reads the root's variable `word`, the one before it has editions."""

    modules: int
    resources: int
    edition: int = 1
    writings: int = 0

    def __str__(self) -> str:
        return f"{self.modules}x{self.resources}"

    def write(self, folder: Path) -> None:
        """All of it; each writing differs from the one before by a comment at least."""
        calls = [_WORD % {"comment": f"writing {self.writings}"}]
        for number in range(self.modules):
            place = folder / "modules" / _name(number)
            place.mkdir(parents=True, exist_ok=True)
            (place / "main.tf").write_text(self._module(number))
            calls.append(self._call(number))
        (folder / "main.tf").write_text("\n".join(calls))

    def move(self, folder: Path, *, leaf: bool) -> None:
        """One writing on: with `leaf` a module that nobody reads has another edition, else only a comment is new."""
        self.edition += leaf
        self.writings += 1
        self.write(folder)

    def _module(self, number: int) -> str:
        edition = self.edition if number == self.modules - 2 else 1
        resources = (_RESOURCE % {"number": one} for one in range(self.resources))
        return "".join((_MODULE % {"edition": edition}, *resources, _OUTPUT))

    def _call(self, number: int) -> str:
        up = f"  up     = module.{_name(0)}.fixed\n" if number else ""
        word = "  word   = var.word\n" if number == self.modules - 1 else ""
        name = _name(number)
        return f'module "{name}" {{\n  source = "./modules/{name}"\n  name   = "{name}"\n{up}{word}}}\n'


def _name(number: int) -> str:
    return f"m{number:04d}"

"""A stack of module blocks that is cut into units: each module makes one slow resource, and many that take no time."""

import json
from dataclasses import dataclass
from pathlib import Path

from flows.ledger import Ledger, planned
from terraform_cli import Terraform

_MODULE = """
variable "name" { type = string }
variable "word" { type = string }
variable "needs" { type = string }
variable "ledger" { type = string }
variable "pause" { type = number }

resource "terraform_data" "slow" {
  input            = "${var.needs}/${var.name}"
  triggers_replace = var.word
  provisioner "local-exec" {
    environment = { ADDRESS = var.name, LEDGER = var.ledger, PAUSE = var.pause }
    command     = <<-EOT
      note() { printf '%s %s %s\\n' "$ADDRESS" "$1" "$(date +%s.%N)" >> "$LEDGER"; }
      note begin
      if [ -e "$LEDGER.fail.$ADDRESS" ]; then exit 7; fi
      while [ -e "$LEDGER.hold.$ADDRESS" ]; do sleep 0.05; done
      sleep "$PAUSE"
      note end
    EOT
  }
}
output "name" { value = terraform_data.slow.output }
"""
_HEAD = """
variable "ledger" { type = string }
variable "round" { type = string }
variable "pause" { type = number }

output "last" { value = module.m{last}.name }
"""
_CALL = """
module "m{number}" {{
  source = "./m"
  name   = "m{number}"
  word   = "{word}"
  needs  = {needs}
  ledger = var.ledger
  pause  = var.pause
}}
"""


@dataclass(frozen=True)
class UnitLedger(Ledger):
    """`steps` modules; each of the second half reads one of the first. `filler` resources a module make several batches."""

    filler: int = 24
    padding: int = 0  # characters that each of these holds
    more: str = '  engine = "auto"'
    changed: tuple[int, ...] = ()  # modules that `turn` makes anew

    @property
    def addresses(self) -> set[str]:
        """What the slow resources call themselves."""
        return {f"m{number}" for number in range(self.steps)}

    def fail(self, number: int) -> Path:
        """The module's slow resource fails as long as the file is there."""
        path = Path(f"{self.file}.fail.m{number}")
        path.touch()
        return path

    def tree(self, turn: str = "1") -> dict[str, str]:
        return {f"code/{path}": text for path, text in self._code(turn).items()} | {
            "code/stackly.hcl": self._stack_file(turn)
        }

    def _code(self, turn: str) -> dict[str, str]:
        held = f'\n  input = "{"x" * self.padding}"\n' if self.padding else ""
        filler = "".join(f'resource "terraform_data" "f{number}" {{{held}}}\n' for number in range(self.filler))
        half = self.steps // 2
        calls = [
            _CALL.format(
                number=number,
                needs='"-"' if number < half else f"module.m{number - half}.name",
                word=turn if number in self.changed else "1",
            )
            for number in range(self.steps)
        ]
        return {"main.tf": _HEAD.replace("{last}", str(self.steps - 1)) + "".join(calls), "m/main.tf": _MODULE + filler}

    def _plain_plan(self, state: bytes, folder: Path, turn: str) -> str:
        folder.mkdir()
        terraform = Terraform(folder)
        given = {"ledger": str(self.file), "round": "1", "pause": self.pause}
        terraform.write({
            **self._code(turn), "terraform.tfvars.json": json.dumps(given), "terraform.tfstate": state.decode(),
        })  # fmt: skip
        return planned(terraform)

    def _stack_file(self, turn: str) -> str:
        del turn
        return super()._stack_file("1")


def made(state: bytes) -> set[str]:
    """The modules whose slow resource is in a state document, whole."""
    return {module for module, tainted in _slow(state) if not tainted}


def held(state: bytes) -> set[str]:
    """The modules whose slow resource is in a state document, whole or tainted: nobody has to look for it."""
    return {module for module, _ in _slow(state)}


def _slow(state: bytes) -> list[tuple[str, bool]]:
    return [
        (each["module"].removeprefix("module."), each["instances"][0].get("status") == "tainted")
        for each in json.loads(state)["resources"]
        if each["name"] == "slow" and each["instances"]
    ]

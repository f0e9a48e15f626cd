"""A slow stack whose resources write a ledger: which began and ended when, and whether any did twice."""

import asyncio
import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terraform_cli import Terraform

_RESOURCE = """
resource "terraform_data" "step_{number}" {{
  triggers_replace = var.round
  depends_on       = [{before}]
  provisioner "local-exec" {{
    environment = {{ ADDRESS = "terraform_data.step_{number}", LEDGER = var.ledger, PAUSE = var.pause }}
    command     = <<-EOT
      note() {{ printf '%s %s %s\\n' "$ADDRESS" "$1" "$(date +%s.%N)" >> "$LEDGER"; }}
      note begin
      if [ -e "$LEDGER.fail.$ADDRESS" ]; then exit 7; fi
      while [ -e "$LEDGER.hold.$ADDRESS" ]; do sleep 0.05; done
      sleep "$PAUSE"
      note end
    EOT
  }}
}}
"""
_HEAD = """
variable "ledger" { type = string }
variable "round" { type = string }
variable "pause" { type = number }

output "round" { value = var.round }
"""


WHOLE = 'engine = "whole"'
"""For tests that look at the one Terraform of a batch."""


@dataclass(frozen=True)
class Ledger:
    """`steps` resources in `lanes` chains, `pause` seconds each. A test may hold or fail single ones by marker files."""

    stack: str
    file: Path
    steps: int = 6
    lanes: int = 2
    pause: float = 0.3
    more: str = ""  # of the stack block

    @property
    def addresses(self) -> set[str]:
        return {f"terraform_data.step_{number}" for number in range(self.steps)}

    def tree(self, turn: str = "1") -> dict[str, str]:
        """The files of the stack in folder `code`; another `turn` replaces all resources."""
        return {"code/stackly.hcl": self._stack_file(turn), "code/main.tf": self._root()}

    def hold(self, number: int) -> Path:
        """The resource waits in the middle until the file is unlinked."""
        path = Path(f"{self.file}.hold.terraform_data.step_{number}")
        path.touch()
        return path

    def fail(self, number: int) -> Path:
        """The resource fails as long as the file is there."""
        path = Path(f"{self.file}.fail.terraform_data.step_{number}")
        path.touch()
        return path

    def lines(self) -> list[tuple[str, str, float]]:
        """(address, begin or end, when); whole lines only."""
        text = self.file.read_text() if self.file.exists() else ""
        words = [line.split(" ") for line in text.split("\n")[:-1]]
        return [(address, word, float(when)) for address, word, when in words]

    def begun(self) -> list[str]:
        return [address for address, word, _ in self.lines() if word == "begin"]

    def ended(self) -> list[str]:
        return [address for address, word, _ in self.lines() if word == "end"]

    def under_way_at(self, moment: float) -> list[str]:
        """Resources whose creation had begun and not ended at a moment."""
        begun = {address for address, word, when in self.lines() if word == "begin" and when < moment}
        return sorted(begun - {address for address, word, when in self.lines() if word == "end" and when < moment})

    def each_once(self) -> None:
        """AssertionError unless every resource was made exactly once."""
        assert Counter(self.begun()) == Counter(self.addresses)
        assert Counter(self.ended()) == Counter(self.addresses)

    async def plain_plan(self, state: bytes, folder: Path, turn: str = "1") -> str:
        """What plain Terraform says about an exported state."""
        return await asyncio.to_thread(self._plain_plan, state, folder, turn)

    def _plain_plan(self, state: bytes, folder: Path, turn: str) -> str:
        folder.mkdir()
        given = {"ledger": str(self.file), "round": turn, "pause": self.pause}
        terraform = Terraform(folder)
        terraform.write({
            "main.tf": self._root(),
            "terraform.tfvars.json": json.dumps(given),
            "terraform.tfstate": state.decode(),
        })  # fmt: skip
        return planned(terraform)

    def _stack_file(self, turn: str) -> str:
        return (
            f'stack "{self.stack}" {{\n  variables {{\n    ledger = {json.dumps(str(self.file))}\n'
            f'    round = "{turn}"\n    pause = {self.pause}\n  }}\n{self.more}\n}}\n'
        )

    def _root(self) -> str:
        resources = [
            _RESOURCE.format(
                number=number,
                before=f"terraform_data.step_{number - self.lanes}" if number >= self.lanes else "",
            )
            for number in range(self.steps)
        ]
        return _HEAD + "".join(resources)


def planned(terraform: Terraform) -> str:
    """Init and plan; Terraform's words, also when it fails."""
    try:
        terraform.run("init")
        return terraform.run("plan")
    except subprocess.CalledProcessError as error:
        return f"{error.stdout}{error.stderr}"


def resources(state: bytes) -> set[str]:
    """The addresses in a state document."""
    return set(_instances(state))


def tainted(state: bytes) -> set[str]:
    """The addresses of what Terraform knows to be half made."""
    return {address for address, instance in _instances(state).items() if instance.get("status") == "tainted"}


def _instances(state: bytes) -> dict[str, dict[str, Any]]:
    found = json.loads(state)["resources"]
    return {f"{each['type']}.{each['name']}": each["instances"][0] for each in found if each["instances"]}

"""A stack cut into units whose code changes from push to push: what each push made and destroyed, what plain Terraform says."""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.job import Job
from flows.ledger import planned
from stackly_sdk import AsyncRun
from stackly_sdk._gen.stackly.v1 import Plan
from terraform_cli import Terraform

MODULE = """
variable "name" { type = string }
variable "ledger" { type = string }
variable "word" { default = "1" }
variable "needs" { default = "-" }
resource "terraform_data" "it" {
  input            = { name = var.name, ledger = var.ledger, needs = var.needs }
  triggers_replace = var.word
  provisioner "local-exec" {
    command = "echo +${self.input.name} >> ${self.input.ledger}; test ! -e ${self.input.ledger}.fail.${self.input.name}"
  }
  provisioner "local-exec" {
    when    = destroy
    command = "echo -${self.input.name} >> ${self.input.ledger}"
  }
}
output "name" { value = terraform_data.it.output.name }
"""
HEAD = 'variable "ledger" { type = string }\n'


def call(name: str, *more: str, makes: str = "") -> str:
    """A module block whose resource calls itself `makes`."""
    lines = ['source = "./m"', f"name = {makes or json.dumps(name)}", "ledger = var.ledger", *more]
    return f'module "{name}" {{\n' + "".join(f"  {line}\n" for line in lines) + "}\n"


@dataclass
class Changing:
    """`environment` is that of plain Terraform; `more` stands in the stack block."""

    job: Job
    stack: str
    ledger: Path
    more: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    _seen: int = 0

    @classmethod
    def of(cls, job: Job, word: str, more: str = "", **environment: str) -> "Changing":
        return cls(job, job.platform.name(word), job.folder / "ledger", more, environment)

    async def pushed(self, files: Mapping[str, str]) -> AsyncRun:
        variables = f"  variables {{\n    ledger = {json.dumps(str(self.ledger))}\n  }}\n"
        stack = f'stack "{self.stack}" {{\n  engine = "auto"\n{variables}{self.more}\n}}\n'
        commit = await self.job.push({f"code/{path}": text for path, text in {**files, "stackly.hcl": stack}.items()})
        return await self.job.run_of(self.stack, commit)

    async def applied(self, files: Mapping[str, str]) -> Plan:
        """The plan of what was applied; afterwards plain Terraform has nothing to do."""
        run = await self.job.applied(await self.job.confirmed(await self.pushed(files)))
        await self.settled(files)
        return await run.plan

    async def settled(self, files: Mapping[str, str]) -> None:
        """AssertionError unless plain Terraform has nothing to do, and nobody holds the lock."""
        said = await asyncio.to_thread(self._plain, files, await self.job.state(self.stack))
        assert "No changes." in said, said
        assert (await self.job.owner.stacks.get(self.stack)).raw.lock is None

    def since(self) -> list[str]:
        """What was made (`+name`) and destroyed (`-name`) since the last look, sorted."""
        lines = self.ledger.read_text().split() if self.ledger.exists() else []
        new, self._seen = lines[self._seen :], len(lines)
        return sorted(new)

    async def resources(self) -> dict[str, list[dict[str, Any]]]:
        """Address without keys → the instances in the state."""
        document = json.loads(await self.job.state(self.stack))
        return {
            ".".join(filter(None, (each.get("module", ""), each["type"], each["name"]))): each["instances"]
            for each in document["resources"]
        }

    def _plain(self, files: Mapping[str, str], state: bytes) -> str:
        folder = self.job.folder / f"plain-{self._seen}-{len(list(self.job.folder.iterdir()))}"
        folder.mkdir()
        terraform = Terraform(folder)
        given = {"ledger": str(self.ledger)}
        terraform.write({**files, "terraform.tfvars.json": json.dumps(given), "terraform.tfstate": state.decode()})
        if not self.environment:
            return planned(terraform)
        return _run(folder, self.environment, "init") + _run(folder, self.environment, "plan")


def _run(folder: Path, environment: Mapping[str, str], command: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1", **environment}
    done = subprocess.run(
        ["terraform", command, "-no-color", "-input=false"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def ran(plan: Plan) -> set[str]:
    """The units that were planned."""
    return {one.unit for one in plan.units if one.run}


def reasons(plan: Plan, unit: str) -> list[str]:
    (found,) = (list(one.reasons) for one in plan.units if one.unit == unit)
    return found

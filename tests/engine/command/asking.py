"""The command as a process on a root of its own, as its user sees it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terraform_cli import Terraform

MODULE = """
variable "in" {
  type    = any
  default = null
}
resource "terraform_data" "x" { input = var.in }
output "out" { value = terraform_data.x.output }
"""


def call(name: str, value: str = "1", source: str = "./m") -> str:
    return f'module "{name}" {{\n  source = "{source}"\n  in = {value}\n}}\n'


CHAIN = call("a") + call("b", "module.a.out") + call("c")


@dataclass(frozen=True)
class Asked:
    """A root and the command on it. Nobody ever sees a traceback, and nothing stays beside the root."""

    root: Terraform
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root.folder

    @property
    def store(self) -> Path:
        return self.folder / ".stackly" / "engine.db"

    @property
    def state(self) -> Path:
        return self.folder / "terraform.tfstate"

    def argv(self, command: str, *arguments: str, folder: Path | None = None) -> list[str]:
        return [sys.executable, "-m", "stackly_engine", command, *arguments, str(folder or self.folder)]

    def env(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder.parent), **self.environment, **more}

    def __call__(
        self,
        command: str,
        *arguments: str,
        code: int = 0,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.argv(command, *arguments, folder=folder), env=self.env(**(env or {})), capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        left = [entry.name for entry in self.folder.parent.iterdir() if entry.name.startswith(".stackly")]
        assert not left
        return done

    def runs(self, *arguments: str, env: Mapping[str, str] | None = None) -> set[str]:
        """The units that a plan says run."""
        units = json.loads(self("plan", "--json", *arguments, env=env).stdout)["units"].items()
        return {unit for unit, told in units if told["run"]}

    def in_sync(self) -> bool:
        return "No changes." in self.root.run("plan")

    def outputs(self) -> Any:
        return json.loads(self.root.run("output", "-json"))


def asked(folder: Path, files: Mapping[str, str], **environment: str) -> Asked:
    root = Terraform(folder)
    root.write(files)
    return Asked(root, environment)

"""The real Terraform, run by tests in an environment of its own."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Terraform:
    """Terraform in one folder; `run` raises CalledProcessError, with the output, when it fails."""

    folder: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def run(self, command: str, *arguments: str) -> str:
        no_color = [] if command == "state" else ["-no-color"]
        done = subprocess.run(
            ["terraform", command, *no_color, *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def plan_json(self, *arguments: str) -> bytes:
        """The document of `show -json` for a fresh plan."""
        self.run("plan", "-out=plan.bin", *arguments)
        return self.run("show", "-json", "plan.bin").encode()

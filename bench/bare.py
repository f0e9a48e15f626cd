"""Terraform alone, as a person would script it: the yardstick of each ratio."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 60.0


@dataclass(frozen=True)
class Bare:
    """A folder with the same code and a local state."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, code: str) -> "Bare":
        (folder / "home").mkdir(parents=True)
        (folder / "terraform.rc").write_text("disable_checkpoint = true\n")
        (folder / "main.tf").write_text(code)
        return cls(folder)

    def plan(self) -> float:
        """Seconds of `init`, `plan -out`, `show -json`."""
        began = time.monotonic()
        self._run("init", "-input=false")
        self._run("plan", "-input=false", "-out=plan.bin")
        self._run("show", "-json", "plan.bin")
        return time.monotonic() - began

    def apply(self) -> float:
        """Seconds of `apply` of that plan."""
        began = time.monotonic()
        self._run("apply", "-input=false", "plan.bin")
        return time.monotonic() - began

    def _run(self, *arguments: str) -> None:
        engine = shutil.which("terraform") or shutil.which("tofu")
        if engine is None:
            raise RuntimeError("neither terraform nor tofu is on PATH")
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(self.folder / "terraform.rc"), "TF_IN_AUTOMATION": "1",
        }  # fmt: skip
        subprocess.run(
            [engine, *arguments], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            check=True, timeout=_SECONDS,
        )  # fmt: skip

"""Terraform as the judge of syntax and of values."""

import json
import os
import shutil
import subprocess
from pathlib import Path


def _terraform() -> str:
    found = shutil.which("terraform") or shutil.which("tofu")
    if found is None:
        raise AssertionError("no terraform and no tofu on PATH: HCL cannot be compared with its own parser")
    return found


def _run(arguments: list[str], text: bytes, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    environment = {"PATH": os.defpath, "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        [_terraform(), *arguments],
        input=text,
        capture_output=True,
        cwd=folder,
        env=environment,
        timeout=60,
        check=False,
    )


def accepts(text: bytes, folder: Path) -> bool:
    """Whether Terraform's parser takes the text."""
    return _run(["fmt", "-"], text, folder).returncode == 0


def evaluated(expressions: list[str], folder: Path) -> list[object]:
    """The values of these expressions, by Terraform itself."""
    (folder / "main.tf").write_text("".join(f"locals {{\n v{n} = {text}\n}}\n" for n, text in enumerate(expressions)))
    asked = "jsonencode([" + ", ".join(f"local.v{n}" for n in range(len(expressions))) + "])\n"
    answer = _run(["console"], asked.encode(), folder)
    assert answer.returncode == 0, answer.stderr.decode()
    found = json.loads(json.loads(answer.stdout))
    assert isinstance(found, list)
    return found

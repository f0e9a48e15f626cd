"""A stack whose plan waits in the middle until a test lets it go on: Terraform reads a named pipe."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from waiting import eventually

_ENOUGH = 120
_ROOT = """
variable "gate" { type = string }
resource "terraform_data" "it" { input = file(var.gate) }
"""


@dataclass(frozen=True)
class GatedPlan:
    """`folder` is the test's own."""

    stack: str
    folder: Path

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def tree(self) -> dict[str, str]:
        """The files of the stack; makes the pipe."""
        os.mkfifo(self.gate)
        variables = f'variables {{\n gate = "{self.gate}"\n}}'
        return {"code/stackly.hcl": f'stack "{self.stack}" {{\n{variables}\n}}\n', "code/main.tf": _ROOT}

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Within it Terraform waits for the pipe's content; it goes on, with empty content, at the end."""

        async def opened() -> int | None:
            try:
                return os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                return None

        writer = await eventually(opened, _ENOUGH)
        try:
            yield
        finally:
            os.close(writer)

    def open_for_good(self) -> None:
        """Whoever reads it from now on gets an empty file."""
        self.gate.unlink()
        self.gate.touch()

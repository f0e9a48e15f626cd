"""Where Terraform runs: a versioned profile wraps its command line (reliability.md D12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Confinement:
    """What one Terraform command needs of the host: its phase, the folders it may write, those it may only read."""

    phase: str  # init, plan or apply
    writable: tuple[Path, ...]
    readable: tuple[Path, ...]


class Sandbox(Protocol):
    """A profile; its name and version are recorded with each run, since users' modules come to depend on them."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def notice(self) -> str | None:
        """A sentence for the run's log when the profile promises less than isolation."""

    def wrap(self, argv: Sequence[str], confinement: Confinement) -> list[str]:
        """The command line that runs `argv` confined; the wrapped command dies with the wrapper."""


@dataclass(frozen=True)
class Plain:
    """No isolation at all: Terraform, providers and provisioners act as the user of the runner."""

    name: str = "plain"
    version: int = 1

    @property
    def notice(self) -> str | None:
        return (
            "Sandbox: plain. Nothing isolates this run: code of the stack can do on this machine whatever "
            "the worker's user can. Use it for development only."
        )

    def wrap(self, argv: Sequence[str], confinement: Confinement) -> list[str]:
        del confinement
        return list(argv)

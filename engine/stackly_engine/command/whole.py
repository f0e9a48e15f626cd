"""A root that cannot be cut soundly runs whole, in its own folder, by plain Terraform; Terraform's own words are shown."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from stackly_engine.command.batch import CHANGES, Shell
from stackly_engine.command.project import OWN
from stackly_engine.command.store import Store
from stackly_engine.source import Kind, Whole


def explained(reasons: Iterable[Whole]) -> str:
    """Why, one line a reason."""
    return "".join(f"runs whole: {reason.code}: {_where(reason)}{reason.detail}\n" for reason in reasons)


class WholeRun:
    """One plan of a whole root, and its apply. The plan file lies in our folder and goes with `close`."""

    def __init__(self, shell: Shell, store: Store, replace: tuple[str, ...] = ()) -> None:
        self.shell, self.store, self.replace = shell, store, replace
        self._folder = tempfile.TemporaryDirectory(prefix="whole-", dir=shell.project.root / OWN)

    @property
    def plan_file(self) -> Path:
        return Path(self._folder.name) / "plan"

    def plan(self) -> tuple[bool, bool, str]:
        """Whether it is good, whether it changes anything, what Terraform said."""
        declared = self._declared()
        done = self.shell.run(
            self.shell.project.root, "plan", "-input=false", "-no-color", "-detailed-exitcode", f"-out={self.plan_file}",
            *self.shell.given.arguments(self.shell.cwd, declared), *(f"-replace={address}" for address in self.replace),
        )  # fmt: skip
        return done.code in {0, CHANGES}, done.code == CHANGES, done.output

    def apply(self) -> tuple[bool, str]:
        """Nothing is recorded of a whole run: the next one that can be cut plans every unit once."""
        self.store.learn(records=dict.fromkeys(self.store.records()))
        done = self.shell.run(self.shell.project.root, "apply", "-input=false", "-no-color", str(self.plan_file))
        return done.code == 0, done.output

    def close(self) -> None:
        self._folder.cleanup()

    def _declared(self) -> frozenset[str]:
        """All that were given when the code cannot be read: Terraform tells which it does not know."""
        configuration = self.shell.project.configuration
        if any(reason.code == "syntax" for reason in configuration.whole):
            return self.shell.given.named
        nodes = configuration.root.nodes.values()
        return frozenset(node.block.labels[0] for node in nodes if node.kind is Kind.VARIABLE)


def _where(reason: Whole) -> str:
    return (
        f"{reason.file}:{reason.line}: " if reason.file and reason.line else f"{reason.file}: " if reason.file else ""
    )

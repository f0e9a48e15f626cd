"""The folders of batches on this machine: who runs there, how it ended; they outlive the agent.

`batches/<run>-<plan>-<plan|apply>-<batch>/e<epoch>/` holds runner.json {"pid", "start", "boot"} of the process that has
the batch, outcome.json once it ended, and the runner's own files (journals, log, runner.log, `alive`).
"""

import contextlib
import json
import os
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from stackly.worker.v1 import tasks_pb2
from stackly_worker.runner.batch_spec import PLAN, VARIABLES
from stackly_worker.runner.journal import boot_id, start_time
from stackly_worker.runner.main import ALIVE, OUTCOME
from stackly_worker.runner.place import write_atomically
from stackly_worker.runner.units_folder import UNITS

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_EPOCH = re.compile(r"e(\d+)")
_KEPT_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Ended:
    """The runner's last word. Not `acknowledged`: the control plane may not know it."""

    outcome: tasks_pb2.BatchOutcome
    acknowledged: bool


@dataclass(frozen=True)
class BatchFolder:
    """One attempt at a batch."""

    path: Path

    def note_runner(self, pid: int) -> None:
        """Who has the batch from now on; written before it gets its task, so that a crash in between is seen."""
        note = {"pid": pid, "start": start_time(pid), "boot": boot_id()}
        (self.path / OUTCOME).unlink(missing_ok=True)
        write_atomically(self.path / "runner.json", json.dumps(note).encode())

    def runner(self) -> int | None:
        """The process id of that very process while it lives."""
        try:
            note = json.loads((self.path / "runner.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        alive = note["boot"] == boot_id() and note["start"] is not None and start_time(note["pid"]) == note["start"]
        return int(note["pid"]) if alive else None

    def sign(self) -> int | None:
        """Differs after each sign of life of the runner; None while it has given none."""
        try:
            return (self.path / ALIVE).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def kill_runner(self) -> None:
        """End it at once, if it is still that very process. Its Terraform lives on: whoever salvages ends that."""
        if (pid := self.runner()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def ended(self) -> Ended | None:
        try:
            note = json.loads((self.path / OUTCOME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        outcome: tasks_pb2.BatchOutcome = getattr(tasks_pb2, note["outcome"])
        return Ended(outcome, bool(note["acknowledged"]))

    def strip(self) -> None:
        """Remove what holds secrets once nobody can need it any more: what Terraform printed, the plan, the variables."""
        for journal in self.path.glob("*/argv.json"):
            shutil.rmtree(journal.parent, ignore_errors=True)
        shutil.rmtree(self.path / UNITS, ignore_errors=True)
        for secret in (PLAN, VARIABLES):
            (self.path / secret).unlink(missing_ok=True)


@dataclass(frozen=True)
class Folders:
    """All batches below one folder."""

    root: Path

    def new(self, batch: tasks_pb2.BatchRef, epoch: int) -> BatchFolder:
        path = self._of(batch) / f"e{epoch}"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return BatchFolder(path)

    def latest(self, batch: tasks_pb2.BatchRef) -> BatchFolder | None:
        """The attempt of the highest epoch."""
        found = self._of(batch)
        epochs = [int(match[1]) for path in found.glob("e*") if (match := _EPOCH.fullmatch(path.name))]
        return BatchFolder(found / f"e{max(epochs)}") if epochs else None

    def prune(self) -> None:
        """Remove batches that ended, and were acknowledged, a week ago. What was not acknowledged stays for people."""
        for path in self.root.glob("*/e*"):
            ended = BatchFolder(path).ended()
            if ended and ended.acknowledged and time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(path)
        for path in self.root.glob("*"):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()

    def _of(self, batch: tasks_pb2.BatchRef) -> Path:
        phase = "apply" if batch.phase == tasks_pb2.BATCH_PHASE_APPLY else "plan"
        for word in (batch.run_id, batch.batch):
            if not _WORD.fullmatch(word):
                raise ValueError(f"{word!r} cannot name a batch")
        return self.root / f"{batch.run_id}-{batch.plan_number}-{phase}-{batch.batch}"

"""Where the time of a run goes, by what the platform itself notes of it and by when Terraform ran."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from bench.engine_sides import Started, covered
from stackly.v1 import runs_pb2

_SHOWN = {
    "queued": "queued", "awaiting_approval": "submitted", "apply_queued": "approved", "applying": "begun",
    "planned_and_finished": "finished", "applied": "applied",
}  # fmt: skip


@dataclass(frozen=True)
class Phases:
    """Moments with their names, seconds since the call or the push; seconds and number of Terraform's commands."""

    moments: tuple[tuple[str, float], ...]
    terraform: float
    commands: int

    def __str__(self) -> str:
        parts, last = [], 0.0
        for name, moment in self.moments:
            parts.append(f"{name} +{(moment - last) * 1000:.0f}")
            last = moment
        return (
            f"ms: {', '.join(parts)} = {last * 1000:.0f}   Terraform {self.terraform:.2f} s of {self.commands} commands"
        )

    @classmethod
    def of(
        cls, began: float, run: runs_pb2.Run, steps: Sequence[runs_pb2.RunStep], commands: Sequence[Started]
    ) -> "Phases":  # fmt: skip
        """`began` and Terraform's moments are seconds of the epoch, as the platform's own times on the same machine."""
        named = {name: _seconds(at) - began for name, at in run.status_times.items()}
        found = {_SHOWN[name]: at for name, at in named.items() if name in _SHOWN}
        for step in (one for one in steps if not one.unit):  # those of units lie within the task's
            word = "plan" if step.kind == runs_pb2.RUN_STEP_KIND_PLAN else "apply"
            found[f"{word} claimed"] = _seconds(step.started_at) - began
            found |= _of_terraform(word, _during(commands, step), began)
        return cls(tuple(sorted(found.items(), key=lambda one: one[1])), covered(list(commands)), len(commands))


def _of_terraform(word: str, commands: Sequence[Started], began: float) -> dict[str, float]:
    """When the first Terraform of a step starts all was read; when the last ends it is planned, or applied."""
    if not commands:
        return {}
    first, last = min(one.began for one in commands), max(one.ended for one in commands)
    return {f"{word}: Terraform starts": first - began, f"{word}: Terraform ended": last - began}


def _during(commands: Iterable[Started], step: runs_pb2.RunStep) -> list[Started]:
    start, end = _seconds(step.started_at), _seconds(step.finished_at)
    return [one for one in commands if start <= one.began <= end]


def _seconds(at: Timestamp) -> float:
    return at.seconds + at.nanos / 1e9

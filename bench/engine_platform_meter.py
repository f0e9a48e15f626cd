"""Processor time and largest memory of each part of a platform while something is measured; runners come and go meanwhile."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.parts import PARTS, part_pid
from bench.processes import family

_TICK = os.sysconf("SC_CLK_TCK")
_EVERY = 0.03  # seconds; what a runner does in its last ones is not seen
RUNNER, ENGINE = "runner", "terraform"
SHOWN = (*PARTS, RUNNER, ENGINE)


@dataclass
class Cost:
    """Processor seconds by part; the peak memory (MiB, resident) of the largest runner and of the API."""

    cpu: dict[str, float] = field(default_factory=dict)
    runner_peak: float = 0.0
    api_peak: float = 0.0

    @property
    def all(self) -> float:
        return sum(self.cpu.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {self.cpu.get(name, 0.0):.2f}" for name in SHOWN)
        return f"processor {self.all:.2f} s: {parts}"


class Meter:
    """Looks at the platform that lives at `home`, where runners are what the worker's nursery has born."""

    def __init__(self, home: Path) -> None:
        self._roots = {part: part_pid(home, part) for part in PARTS}
        self._parents: dict[int, int] = {}
        self._runners: dict[int, tuple[float, float]] = {}  # own seconds, seconds of what they waited for; by pid
        self._peak = 0.0

    @contextmanager
    def measuring(self) -> Iterator[Cost]:
        """What is spent inside; the cost is whole once this is left."""
        cost, ended = Cost(), threading.Event()
        self._look()
        before, runners, self._peak = self._parts(), dict(self._runners), 0.0
        looking = threading.Thread(target=self._look_until, args=(ended,), daemon=True)
        looking.start()
        try:
            yield cost
        finally:
            ended.set()
            looking.join()
        self._look()
        cost.cpu = {part: seconds - before[part] for part, seconds in self._parts().items()}
        for which, name in enumerate((RUNNER, ENGINE)):
            cost.cpu[name] = _total(self._runners, which) - _total(runners, which)
        cost.runner_peak, cost.api_peak = self._peak, _peak(self._roots["serve"])

    def _look_until(self, ended: threading.Event) -> None:
        while not ended.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        """Runners are two steps below the worker: its nursery is one."""
        living = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        for pid in living - self._parents.keys():
            if (found := _stat(pid)) is not None:
                self._parents[pid] = int(found[1])
        for pid in self._parents.keys() - living:
            del self._parents[pid]
        worker = self._roots["worker"]
        for pid, parent in self._parents.items():
            if self._parents.get(parent) == worker and (found := _stat(pid)) is not None:
                self._runners[pid] = (_seconds(found, 11, 12), _seconds(found, 13, 14))
                self._peak = max(self._peak, _peak(pid))

    def _parts(self) -> Mapping[str, float]:
        """With what each process of a part waited for; the worker's without its runners, which nobody waits for."""
        return {part: sum(self._whole(pid) for pid in family(root)) for part, root in self._roots.items()}

    def _whole(self, pid: int) -> float:
        """Nothing for runners and what they started: those are counted apart."""
        above = pid
        while above:
            if above in self._runners:
                return 0.0
            above = self._parents.get(above, 0)
        found = _stat(pid)
        return 0.0 if found is None else _seconds(found, 11, 12, 13, 14)


def _total(runners: Mapping[int, tuple[float, float]], which: int) -> float:
    return sum(one[which] for one in runners.values())


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _seconds(stat: list[str], *fields: int) -> float:
    return sum(int(stat[one]) for one in fields) / _TICK


def _peak(pid: int) -> float:
    """The largest resident memory of a process so far, MiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)

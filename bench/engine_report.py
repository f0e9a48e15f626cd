"""What was measured, as rows: each with its goal and whether it was met, summed up at the end, and as JSON for programs."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.figures import say


@dataclass(frozen=True)
class Row:
    """One figure: `value` in `unit` ("x" for a ratio to Terraform), `goal` in words, `met` None where nothing is asked.

    The rest, where both sides were measured: medians in seconds, and the ratio of processor time.
    """

    part: str
    title: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None
    terraform_seconds: float | None = None
    engine_seconds: float | None = None
    processor_ratio: float | None = None


@dataclass
class Report:
    """The rows of one run; `part` is what is being measured."""

    machine: str = ""
    part: str = ""
    rows: list[Row] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)

    def add(self, title: str, value: float, unit: str, *, goal: str = "", met: bool | None = None) -> str:
        """Keep a figure that is no ratio to Terraform; the words of its goal."""
        self.rows.append(Row(self.part, title, value, unit, goal, met))
        return told(goal, met=met)

    def skip(self, why: str) -> None:
        """Something was not measured, and that is said."""
        self.not_run.append(f"{self.part}: {why}")
        say(f"NOT RUN: {why}")

    def close(self, path: Path | None) -> None:
        """The summary; everything into `path` as JSON where one is given."""
        asked = [row for row in self.rows if row.met is not None]
        missed = [row for row in asked if not row.met]
        say(f"\ngoals: {len(asked) - len(missed)} of {len(asked)} met")
        for row in missed:
            say(f"  MISSED {row.part}: {row.title}: {row.value:.3g} {row.unit}, asked for {row.goal}")
        for why in self.not_run:
            say(f"  NOT RUN {why}")
        if path is not None:
            document = {"machine": self.machine, "rows": _rows(self.rows), "not_run": self.not_run}
            path.write_text(json.dumps(document, indent=2) + "\n")


def told(goal: str, *, met: bool | None) -> str:
    return "" if met is None else f"   goal {goal}: {'met' if met else 'MISSED'}"


def _rows(rows: Iterable[Row]) -> list[dict[str, object]]:
    return [{name: value for name, value in asdict(row).items() if value is not None} for row in rows]


REPORT = Report()
"""That of this process."""

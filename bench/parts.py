"""The parts of a development platform and their processes."""

import json
from pathlib import Path

PARTS = ("postgres", "temporal", "openbao", "envoy", "serve", "orchestrate", "worker")


def part_pid(home: Path, part: str) -> int:
    """The process id of a part, as the supervisor noted it."""
    text = (home / "pids" / f"{part}.pid").read_text(encoding="ascii").split()[0]
    return int(json.loads(text)) if text.isdigit() else int(json.loads(text)["pid"])

"""What an agent tells a runner on its standard input: one line of JSON, the only way the run token travels."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stackly_worker.runner.terraform import Engine, Mirrors


class TaskFormatError(ValueError):
    """The line is no task; the message never holds its content."""


@dataclass(frozen=True)
class Task:
    """One batch for one runner. `recover`: only hand in what a dead runner left in `folder`.

    `ca` is PEM. `folder` is the batch's own, `work` the folder of all work places (the stack's is `work/<work_key>`).
    `environment` is laid over Terraform's; `secrets` are values of it that must never show in a log.
    `ahead` names the streams of RunnerService that the batch will need, to be asked for at once.
    """

    public_url: str
    ca: str
    run_token: str
    epoch: int
    folder: Path
    work: Path
    engines: tuple[Engine, ...]
    sandbox: str = "plain"
    mirrors: Mirrors = field(default_factory=Mirrors)
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    recover: bool = False
    ahead: tuple[str, ...] = ()

    def to_line(self) -> bytes:
        document = {
            "public_url": self.public_url,
            "ca": self.ca,
            "run_token": self.run_token,
            "epoch": self.epoch,
            "folder": str(self.folder),
            "work": str(self.work),
            "engines": [asdict(engine) for engine in self.engines],
            "sandbox": self.sandbox,
            "mirrors": {"folders": [str(path) for path in self.mirrors.folders], "direct": self.mirrors.direct},
            "environment": dict(self.environment),
            "secrets": self.secrets,
            "recover": self.recover,
            "ahead": self.ahead,
        }
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Task":
        try:
            return _task(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise TaskFormatError("standard input holds no task of this version") from None


def _task(document: Mapping[str, Any]) -> Task:
    mirrors = document["mirrors"]
    return Task(
        public_url=document["public_url"],
        ca=document["ca"],
        run_token=document["run_token"],
        epoch=int(document["epoch"]),
        folder=Path(document["folder"]),
        work=Path(document["work"]),
        engines=tuple(Engine(**{**each, "command": tuple(each["command"])}) for each in document["engines"]),
        sandbox=document["sandbox"],
        mirrors=Mirrors(tuple(Path(path) for path in mirrors["folders"]), bool(mirrors["direct"])),
        environment=dict(document["environment"]),
        secrets=tuple(document["secrets"]),
        recover=bool(document["recover"]),
        ahead=tuple(document["ahead"]),
    )

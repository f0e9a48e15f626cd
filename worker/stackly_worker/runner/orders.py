"""What travels between the runner of a run and one that helps it: an order with all that it needs, a result with all that came."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from stackly_engine import exact
from stackly_engine.cutting import Cut
from stackly_engine.driving.ports import Job, Planned, Share
from stackly_worker.runner.events import TerraformError
from stackly_worker.runner.ports import BundleError

MAGIC = b"stackly order 1\n"


@dataclass(frozen=True)
class Order:
    """One planned batch to be applied by another runner; a secret as a whole.

    `share` is what `units_share.pack` gives. `serial` is that of the control plane's state, which has the batch's slices
    as `planned.job.state` has them. `parallelism` is the batch's part of the run's budget.
    """

    planned: Planned
    share: bytes
    serial: int
    parallelism: int
    lock: bytes
    secrets: tuple[str, ...]
    title: str

    def pack(self) -> bytes:
        job, cut = self.planned.job, self.planned.cut
        return MAGIC + exact.dumps({
            "units": job.units, "state": _text(job.state), "plan": _text(self.planned.data),
            "tops": sorted(job.share.tops), "prefix": job.share.prefix, "copied": sorted(job.share.copied),
            "files": {name: _text(data) for name, data in cut.files.items()}, "generated": _text(cut.generated),
            "generated_name": cut.generated_name, "variables": _text(cut.variables), "modules": _text(cut.modules),
            "share": _text(self.share), "serial": self.serial, "parallelism": self.parallelism,
            "lock": _text(self.lock), "secrets": self.secrets, "title": self.title,
        })  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> "Order":
        try:
            return _order(exact.loads(data.removeprefix(MAGIC)))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BundleError("this is no order") from None


@dataclass(frozen=True)
class Result:
    """How it came out. `state` is the document that Terraform left of the batch, `serial` that of the last slices accepted.

    `log` is redacted; `errors`, `suspects` and `failed` are as of the runner's outcome.
    """

    good: bool
    code: int
    state: bytes | None
    serial: int
    log: bytes = b""
    errors: tuple[TerraformError, ...] = ()
    suspects: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def pack(self) -> bytes:
        return exact.dumps({
            "good": self.good, "code": self.code, "state": None if self.state is None else _text(self.state),
            "serial": self.serial, "log": _text(self.log), "errors": [asdict(one) for one in self.errors],
            "suspects": dict(self.suspects), "failed": dict(self.failed),
        })  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> "Result":
        try:
            found = exact.loads(data)
            return cls(
                good=bool(found["good"]), code=int(found["code"]),
                state=None if found["state"] is None else _bytes(found["state"]), serial=int(found["serial"]),
                log=_bytes(found["log"]), errors=tuple(TerraformError(**one) for one in found["errors"]),
                suspects=dict(found["suspects"]), failed=dict(found["failed"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            raise BundleError("this is no result") from None


def _order(found: Mapping[str, Any]) -> Order:
    cut = Cut(
        files={name: _bytes(text) for name, text in found["files"].items()}, generated=_bytes(found["generated"]),
        variables=_bytes(found["variables"]), modules=_bytes(found["modules"]), external=frozenset(),
        generated_name=found["generated_name"], prefix=found["prefix"], copied=frozenset(found["copied"]),
    )  # fmt: skip
    share = Share(frozenset(found["tops"]), outputs=False, prefix=found["prefix"], copied=frozenset(found["copied"]))
    job = Job(tuple(found["units"]), cut, _bytes(found["state"]), (), share)
    return Order(
        planned=Planned(job, {}, _bytes(found["plan"])), share=_bytes(found["share"]), serial=int(found["serial"]),
        parallelism=int(found["parallelism"]), lock=_bytes(found["lock"]), secrets=tuple(found["secrets"]),
        title=str(found["title"]),
    )  # fmt: skip


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)

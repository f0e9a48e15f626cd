"""What the runner asks of the outside: the control plane's calls, as ports; and what it hands over."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stackly_engine.auditing import AuditReport
from stackly_engine.deltas import Delta
from stackly_engine.outlines import Outline
from stackly_engine.records import Place
from stackly_worker.runner.events import TerraformError
from stackly_worker.runner.statewatch import StateVersion
from stackly_worker.runner.worktree import SourceFile


class PlaneUnavailableError(Exception):
    """The control plane did not answer; the call may be made again, it is idempotent."""


class LeaseLostError(Exception):
    """The batch belongs to somebody else now (its epoch moved on); nothing new may be started."""


class PlaneRefusedError(Exception):
    """The control plane will not do what was asked, or what it sent cannot be used; trying again does not help."""


class NotCoveredError(PlaneRefusedError):
    """A plan that was made again is not covered by what was approved: it must not be applied."""


class StateRefusedError(Exception):
    """The gateway did not take a state version as the stack's; it keeps the bytes in quarantine."""


class PlanStaleError(Exception):
    """What the plan was made on is not what is there: nothing of it is applied, the run is planned again."""


class BundleError(ValueError):
    """The bytes are no plan bundle, or were altered."""


@dataclass(frozen=True)
class Renewal:
    """The control plane's answer to a sign of life: go on, stop in order (`cancel`), or stop at once (`force`)."""

    cancel: bool = False
    force: bool = False


@dataclass(frozen=True)
class Grant:
    """What an apply that may start gets beside the declared environment; `secrets` never show in the log."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    helpers: int = 0  # other workers that could take batches of this apply


@dataclass(frozen=True)
class Offered:
    """How an offered batch stands: whether a worker has it, or had it; whether it has ended."""

    name: str
    claimed: bool
    done: bool


@dataclass(frozen=True)
class PlanBundle:
    """What an apply needs of its plan, on any worker; a secret as a whole."""

    plan: bytes
    lock: bytes | None = None
    secrets: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """A header line of JSON, then plan and lock file as they are."""
        lock = self.lock or b""
        head = {
            "plan": len(self.plan), "lock": None if self.lock is None else len(lock), "secrets": self.secrets,
            "sha256": hashlib.sha256(self.plan + lock).hexdigest(),
        }  # fmt: skip
        return json.dumps(head).encode() + b"\n" + self.plan + lock

    @classmethod
    def unpack(cls, data: bytes) -> "PlanBundle":
        head_line, _, body = data.partition(b"\n")
        try:
            head = json.loads(head_line)
            size, secrets = int(head["plan"]), tuple(str(item) for item in head["secrets"])
            has_lock, checksum = head["lock"] is not None, head["sha256"]
        except (ValueError, KeyError, TypeError):
            raise BundleError("this is no plan bundle") from None
        if hashlib.sha256(body).hexdigest() != checksum:
            raise BundleError("the plan bundle was altered")
        return cls(body[:size], body[size:] if has_lock else None, secrets)


@dataclass(frozen=True)
class PlanResult:
    """One plan as it leaves the worker. `projected` is masked (`stackly_engine.plans.ProjectedPlan.to_bytes`)."""

    projected: bytes
    bundle: bytes
    engine: str
    variables_hash: str
    state_serial: int | None
    state_lineage: str = ""  # of the state that it was made on; empty when there was none
    left_out: tuple[str, ...] = ()
    whole_reasons: tuple[str, ...] = ()  # why a root that was to be cut was planned whole
    audit: AuditReport | None = None  # of an audit alone
    record_generations: int = 0  # of a plan by units: the sum over all records that it was made from
    artifact: str = ""  # SHA-256 of what the code is beyond its commit


@dataclass(frozen=True)
class UnitRow:
    """What the control plane keeps of a unit's last apply; `record` is empty once an apply began that did not come out well.

    `record` and `exports` are the engine's documents (`records.Record`, `exports.to_document`) and may hold secrets.
    """

    unit: str
    generation: int
    record: bytes
    exports: bytes


@dataclass(frozen=True)
class UnitReport:
    """How a batch of units goes on; `number` counts those of this runner, from 1.

    `status`: RUNNING, SUCCEEDED, FAILED, CANCELED, SKIPPED or DEFERRED. `began` is on the clock; of `took`, in seconds,
    `replan` went into planning once more. `resources` are those of its plan.
    """

    number: int
    units: tuple[str, ...]
    status: str
    began: float
    took: float = 0.0
    resources: int = 0
    replan: float = 0.0


@dataclass(frozen=True)
class LeftUnit:
    """A unit that an apply left to be planned again. `cause`: DEFERRED, NOT_COVERED, INPUTS_CHANGED or NEEDS_OTHERS."""

    unit: str
    cause: str
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a batch ended; every text is redacted.

    `status`: planned, applied, partial (what is `left` has to be planned again), stale (not begun: all has to be), failed,
    cancelled, lost (the lease went).
    `cause` is a stable word for why it failed (an ErrorReason), empty when the step says enough. `suspects` are addresses
    that began and were not seen to end: address → action. `outputs` is exact JSON {name: {value, type, sensitive}} and may
    hold secrets.
    """

    status: str
    rc: int | None = None
    step: str = ""
    cause: str = ""
    reason: str = ""
    errors: tuple[TerraformError, ...] = ()
    errors_total: int = 0
    suspects: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    state_serial: int | None = None
    state_sha256: str = ""
    state_refused: bool = False
    outputs: bytes | None = None
    left: tuple[LeftUnit, ...] = ()
    unit_batches: tuple[UnitReport, ...] = ()  # that `report_units` was not told of

    @property
    def last_words(self) -> str:
        """The end of a log: why it ended so, and what nobody can be sure of."""
        words = [f"\n{self.reason}"] if self.reason else []
        if self.suspects:
            words.append("Not seen to end, or to reach the state; these may exist without being in the state:")
            words += [f"  {address} ({action})" for address, action in sorted(self.suspects.items())]
        return "\n".join(words)


class OthersPlane(Protocol):
    """The calls about other workers on the same apply; they fail as those of ControlPlane do."""

    async def offer_batch(self, name: str, slices: Sequence[str], order: bytes) -> bool:
        """Offer a batch that writes these slices; False when nobody is there to take it."""

    async def watch_batches(self, wait: float, known: Sequence[Offered]) -> Sequence[Offered]:
        """How all stand that were offered, once one stands otherwise than is known, or after some seconds."""

    async def withdraw_batch(self, name: str) -> bool:
        """Take one back that nobody has; False when somebody has it, or had it."""

    async def get_result(self, name: str) -> bytes | None:
        """What one came to; None when nothing was handed in."""

    async def submit_result(self, result: bytes) -> None:
        """Hand in what the caller's own batch came to."""


class ControlPlane(Protocol):
    """The calls of one batch. Each may raise PlaneUnavailableError (tried again), LeaseLostError and PlaneRefusedError (not)."""

    def get_source(self) -> AsyncIterator[SourceFile]:
        """The files of the source tree, each file's chunks read before the next file."""

    async def get_artifact(self) -> bytes:
        """What the code of the run is beyond its commit, as `keep_artifact` handed it in."""

    async def keep_artifact(self, data: bytes) -> None:
        """Keep it for the run: whatever is planned and applied by it later uses it. The same again is accepted again."""

    async def get_state(self, *, outline: bool = False) -> bytes | Outline | None:
        """The stack's state document, None when it has none yet. With `outline` it may come without contents."""

    async def get_slices(self, serial: int, units: Sequence[str]) -> Mapping[str, bytes]:
        """The slices of some parts of the state of that serial, by unit."""

    async def get_plan(self) -> bytes:
        """The bundle that `submit_plan` handed in, for the plan this batch applies."""

    async def append_log(self, offset: int, data: bytes) -> None:
        """Redacted log bytes; the same offset and bytes again are accepted again."""

    async def write_state(self, version: StateVersion, *, final: bool, kind: str = "state") -> None:
        """One whole state document (`kind` state), or what Terraform dumped to its output (`kind` dump: quarantine)."""

    async def write_slices(self, delta: Delta, *, final: bool) -> int:
        """What moved of the state, on top of a serial that the control plane has; the serial that it has then.

        The same delta again is the same write, and is answered again.
        """

    async def submit_plan(self, plan: PlanResult) -> None: ...

    async def get_records(self) -> tuple[UnitRow, ...]:
        """What is kept of each unit's last apply."""

    async def write_records(self, rows: Sequence[UnitRow]) -> None:
        """Keep records of units that were applied, once the state that they speak of was accepted; each is safe to repeat.

        A unit must have been named by `start_apply`, its generation be that of its row then and two.
        """

    async def report_units(self, reports: Sequence[UnitReport]) -> None:
        """Tell how batches of units go on; each report is safe to repeat."""

    async def start_apply(self, nonce: str, units: Sequence[str] = ()) -> Grant:
        """Commit that the apply starts, at most once ever; the credentials granted to it.

        The records of `units` are cleared in the same step; none: those of all units are.

        `nonce` is made once for this start: a call whose reply was lost is made again with the same one and accepted.
        LeaseLostError when it was started under another nonce or may not start: then Terraform is not run.
        """

    async def verify_plan(self, units: Sequence[str], projected: bytes, reads: Mapping[Place, str]) -> None:
        """Hold the plan of a batch that was made again to the approved one; NotCoveredError when it does more.

        `projected` is that of the batch alone (`stackly_engine.plans.ProjectedPlan.to_bytes`), `reads` are keyed hashes of what
        it reads of units outside of it.
        """

    async def renew(self) -> Renewal:
        """A sign of life. May wait at the server (long poll) and then returns as soon as there is news."""

    async def finish(self, outcome: Outcome) -> None: ...

    def waits(self) -> None:
        """Another batch of the stack is at work here: what was asked for ahead is old when it has ended."""

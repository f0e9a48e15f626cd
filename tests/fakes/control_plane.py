"""A control plane in memory: a fake of the runner's port, with the faults a test asks for."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stackly_engine import deltas, outlines, slices
from stackly_engine.consumed import unrefined_in_chain
from stackly_engine.deltas import Delta
from stackly_engine.outlines import Outline
from stackly_engine.plans import ProjectedPlan
from stackly_engine.projected_chain import ProjectedChain
from stackly_engine.projected_coverage import uncovered_in_chain
from stackly_engine.records import Place
from stackly_worker.runner.ports import (
    Grant,
    LeaseLostError,
    NotCoveredError,
    Outcome,
    PlaneRefusedError,
    PlaneUnavailableError,
    PlanResult,
    Renewal,
    StateRefusedError,
    UnitReport,
    UnitRow,
)
from stackly_worker.runner.statewatch import StateVersion, whole
from stackly_worker.runner.worktree import SourceFile


async def chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@dataclass
class MemoryPlane:
    """Holds what a batch handed over; `away` is how many calls in a row fail as unavailable."""

    files: Mapping[str, str]
    state: bytes | None = None
    plan: PlanResult | None = None
    grant: Grant = field(default_factory=Grant)
    log: bytearray = field(default_factory=bytearray)
    versions: list[StateVersion] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)
    outlines: bool = False  # the state is given as an outline where one will do
    read: list[str] = field(default_factory=list)  # slices that were asked for
    dumps: list[StateVersion] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    nonces: list[str] = field(default_factory=list)
    away: int = 0
    refuse_state: bool = False
    renewal: Renewal = field(default_factory=Renewal)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    grew: asyncio.Event = field(default_factory=asyncio.Event)
    sources: int = 0
    artifact: bytes = b""
    records: dict[str, UnitRow] = field(default_factory=dict)
    reports: list[UnitReport] = field(default_factory=list)
    verified: list[tuple[str, ...]] = field(
        default_factory=list
    )  # batches whose plan, made again, was held to the approved one
    refuse_plans: bool = False

    @property
    def text(self) -> str:
        return self.log.decode()

    async def get_source(self) -> AsyncIterator[SourceFile]:
        await self._answer()
        self.sources += 1
        for path, text in self.files.items():
            yield SourceFile(path, 0o100644, chunks(text.encode()))

    async def get_state(self, *, outline: bool = False) -> bytes | Outline | None:
        await self._answer()
        if not (outline and self.outlines and self.state):
            return self.state
        manifest, parts = slices.split(self.state)
        return outlines.read(outlines.put_together(manifest.head, map(outlines.of_slice, parts.values())))

    async def get_slices(self, serial: int, units: Sequence[str]) -> Mapping[str, bytes]:
        await self._answer()
        manifest, parts = slices.split(self.state or b"")
        assert manifest.serial == serial
        self.read += units
        return {unit: parts[unit] for unit in units}

    async def get_artifact(self) -> bytes:
        await self._answer()
        return self.artifact

    async def keep_artifact(self, data: bytes) -> None:
        await self._answer()
        if self.artifact not in {b"", data}:
            raise PlaneRefusedError("CONCURRENT_CHANGE")
        self.artifact = data

    async def get_plan(self) -> bytes:
        await self._answer()
        assert self.plan is not None
        return self.plan.bundle

    async def append_log(self, offset: int, data: bytes) -> None:
        await self._answer()
        self.log[offset : offset + len(data)] = data
        self.grew.set()

    async def write_state(self, version: StateVersion, *, final: bool, kind: str = "state") -> None:
        await self._answer()
        if kind == "dump":
            self.dumps.append(version)
            return
        self.versions.append(version)
        if self.refuse_state:
            raise StateRefusedError
        self.state = version.document

    async def write_slices(self, delta: Delta, *, final: bool) -> int:
        """As the server: on top of the manifest that it has."""
        await self._answer()
        now = slices.split(self.state) if self.state else None
        manifest = deltas.moved(now[0] if now else None, now[0] if now else None, delta)
        parts = {**(now[1] if now else {}), **delta.slices}
        assert manifest is not None
        document = slices.assemble(manifest, {unit: data for unit, data in parts.items() if data is not None})
        version = whole(document)
        assert version is not None
        self.deltas.append(delta)
        self.versions.append(version)
        if self.refuse_state:
            raise StateRefusedError
        self.state = document
        return version.serial

    async def submit_plan(self, plan: PlanResult) -> None:
        await self._answer()
        self.plan = plan

    async def get_records(self) -> tuple[UnitRow, ...]:
        await self._answer()
        return tuple(row for _, row in sorted(self.records.items()))

    async def write_records(self, rows: Sequence[UnitRow]) -> None:
        """As the server: only into rows that `start_apply` cleared, one generation on; the same again is no news.

        Before any apply began, as after a plan that has nothing to do: over any row, two generations on.
        """
        await self._answer()
        for row in rows:
            known = self.records.get(row.unit)
            if known == row:
                continue
            before = known.generation if known is not None else 0
            cleared = bool(self.nonces) and known is not None and not known.record and before + 1 == row.generation
            over = not self.nonces and before + 2 == row.generation
            if not row.record or not (cleared or over):
                raise PlaneRefusedError("CONCURRENT_CHANGE")
            self.records[row.unit] = row

    async def report_units(self, reports: Sequence[UnitReport]) -> None:
        await self._answer()
        self.reports.extend(reports)

    async def start_apply(self, nonce: str, units: Sequence[str] = ()) -> Grant:
        if self.nonces and self.nonces[-1] != nonce:
            raise LeaseLostError("started before")
        if not self.nonces:
            self._clear(units or tuple(self.records))
        self.nonces.append(nonce)
        await self._answer()
        return self.grant

    async def verify_plan(self, units: Sequence[str], projected: bytes, reads: Mapping[Place, str]) -> None:
        await self._answer()
        assert self.plan is not None
        approved = ProjectedChain.from_bytes(self.plan.projected)
        self.verified.append(tuple(units))
        findings = uncovered_in_chain(approved, units, ProjectedPlan.from_bytes(projected))
        findings += unrefined_in_chain(approved, units, reads)
        if findings or self.refuse_plans:
            raise NotCoveredError("; ".join(f"{one.address}: {one.reason}" for one in findings))

    async def renew(self) -> Renewal:
        await self.news.wait()
        return self.renewal

    async def finish(self, outcome: Outcome) -> None:
        await self._answer()
        self.outcomes.append(outcome)

    def waits(self) -> None:
        """Nothing is asked for ahead here."""

    def _clear(self, units: Sequence[str]) -> None:
        for unit in units:
            row = self.records.get(unit, UnitRow(unit, 0, b"", b""))
            self.records[unit] = replace(row, generation=row.generation + 1, record=b"")

    async def _answer(self) -> None:
        await asyncio.sleep(0)  # a real call always lets others run
        if self.away:
            self.away -= 1
            raise PlaneUnavailableError

"""RunnerService and WorkerTaskService on the wire."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from google.protobuf.json_format import MessageToDict

from stackly.v1 import runs_pb2
from stackly.worker.v1 import runner_service_pb2 as runner
from stackly.worker.v1 import tasks_pb2
from stackly.worker.v1 import worker_task_service_pb2 as tasks
from stackly_engine.records import Place
from stackly_server.access import Batch, Subject
from stackly_server.errors import Invalid, TooMuch
from stackly_server.limits import (
    ARTIFACT_BYTES,
    CHUNK_BYTES,
    PLAN_BYTES,
    READ_EXPORTS,
    STATE_BYTES,
    STOP_GRACE_SECONDS,
)
from stackly_server.runs import handed_in
from stackly_server.runs.artifacts import ArtifactService
from stackly_server.runs.audit_wire import report_from_proto
from stackly_server.runs.batches import BatchService
from stackly_server.runs.covering import CoverService, Replanned
from stackly_server.runs.fetching import FetchService
from stackly_server.runs.helping import HelpService, Offered
from stackly_server.runs.model import Left, Outcome
from stackly_server.runs.ports import Lease
from stackly_server.runs.submitted import SubmittedPlan
from stackly_server.runs.unit_progress import UnitProgressService
from stackly_server.runs.unit_records import UnitRecordService
from stackly_server.runs.units_wire import reports_from_proto
from stackly_server.runs.wire import timestamp
from stackly_server.sealing import DataKey
from stackly_server.states.model import UnitRecord

_OUTCOMES = {
    tasks_pb2.BATCH_OUTCOME_SUCCEEDED: Outcome.SUCCEEDED,
    tasks_pb2.BATCH_OUTCOME_FAILED: Outcome.FAILED,
    tasks_pb2.BATCH_OUTCOME_GONE: Outcome.GONE,
    tasks_pb2.BATCH_OUTCOME_LOST: Outcome.LOST,
    tasks_pb2.BATCH_OUTCOME_PARTIAL: Outcome.PARTIAL,
    tasks_pb2.BATCH_OUTCOME_STALE: Outcome.STALE,
}
_LINK, _PROGRAM = 0o120000, 0o100755  # modes of Git


class PayloadKeys(Protocol):
    """Keys of Temporal payloads."""

    async def payload_keys(self, subject: Subject) -> list[DataKey]:
        """Newest first."""
        ...


class WorkerTaskServicer:
    """WorkerTaskService: what agents ask about their tasks."""

    def __init__(self, batches: BatchService, keys: PayloadKeys) -> None:
        self._batches = batches
        self._keys = keys

    async def ClaimBatch(self, request: tasks.ClaimBatchRequest, call: Subject) -> tasks.ClaimBatchResponse:
        return tasks.ClaimBatchResponse(
            lease=_lease(await self._batches.claim(call, _ref(request.batch), request.nonce))
        )

    async def ReclaimBatch(self, request: tasks.ReclaimBatchRequest, call: Subject) -> tasks.ReclaimBatchResponse:
        return tasks.ReclaimBatchResponse(lease=_lease(await self._batches.reclaim(call, _ref(request.batch))))

    async def GetBatchStatus(self, request: tasks.GetBatchStatusRequest, call: Subject) -> tasks.GetBatchStatusResponse:
        batch = await self._batches.status(call, _ref(request.batch))
        outcome = f"BATCH_OUTCOME_{batch.outcome or 'UNSPECIFIED'}"
        return tasks.GetBatchStatusResponse(
            done=batch.finished_at is not None,
            outcome=outcome,
            apply_started=batch.apply_started_at is not None,
            lease_over=not batch.lease_live,
        )

    async def GetPayloadKeys(
        self, _request: tasks.GetPayloadKeysRequest, call: Subject
    ) -> tasks.GetPayloadKeysResponse:
        keys = await self._keys.payload_keys(call)
        return tasks.GetPayloadKeysResponse(keys=[tasks.PayloadKey(version=key.version, key=key.key) for key in keys])


class RunnerServicer:
    """RunnerService: what runners ask and hand in."""

    def __init__(
        self, batches: BatchService, fetching: FetchService, records: UnitRecordService, artifacts: ArtifactService,
        progress: UnitProgressService, covering: CoverService, help_: HelpService,
    ) -> None:  # fmt: skip
        self._batches = batches
        self._fetching = fetching
        self._records = records
        self._artifacts = artifacts
        self._progress = progress
        self._covering = covering
        self._help = help_

    async def GetBatchSpec(self, _request: runner.GetBatchSpecRequest, call: Subject) -> runner.GetBatchSpecResponse:
        spec = await self._fetching.spec(call)
        return runner.GetBatchSpecResponse(
            batch=_batch_ref(call), run=spec.run_name, run_type=f"RUN_TYPE_{spec.run_type}",
            commit=spec.commit, root_path=spec.root_path, engine=spec.engine, variables=spec.variables,
            sensitive_variables=spec.sensitive_variables, hash_key=spec.hash_key, timeout_seconds=spec.timeout_seconds,
            state_serial=spec.state_serial, state_lineage=spec.state_lineage, plan_sha256=spec.plan_sha256,
            stop_grace_seconds=STOP_GRACE_SECONDS, step=spec.step, log_offset=spec.log_offset, slices=spec.slices,
            work_key=spec.work_key, units=spec.units,
            unit_options=runner.UnitOptions(
                data_refresh_seconds=spec.options.data_refresh, max_age_seconds=spec.options.max_age,
                max_parallel=spec.options.max_parallel or 0,
            ), artifact_sha256=spec.artifact_sha256,
            costs=[runner.UnitBatchCost(resources=one.resources, seconds=one.seconds) for one in spec.costs],
        )  # fmt: skip

    async def FetchSource(
        self, _request: runner.FetchSourceRequest, call: Subject
    ) -> AsyncIterator[runner.FetchSourceResponse]:
        count, tree = 0, hashlib.sha256()
        async for entry, data in self._fetching.source(call):
            link = data.decode() if entry.mode == _LINK else ""
            head = runner.SourceEntry(
                path=entry.path, executable=entry.mode == _PROGRAM, link_target=link, size_bytes=len(data)
            )
            yield runner.FetchSourceResponse(entry=head)
            for start in range(0, 0 if link else len(data), CHUNK_BYTES):
                yield runner.FetchSourceResponse(chunk=data[start : start + CHUNK_BYTES])
            tree.update(f"{entry.path}\0{entry.mode:o}\0{hashlib.sha256(data).hexdigest()}\n".encode())
            count += 1
        yield runner.FetchSourceResponse(end=runner.SourceEnd(entries=count, tree_sha256=tree.hexdigest()))

    async def FetchState(
        self, request: runner.FetchStateRequest, call: Subject
    ) -> AsyncIterator[runner.FetchStateResponse]:
        data, outline = await self._fetching.state(
            call, outline=request.outline, units=request.units, serial=request.serial
        )
        for chunk, digest in _chunks(data):
            yield runner.FetchStateResponse(chunk=chunk, sha256=digest, outline=outline)

    async def FetchPlan(
        self, _request: runner.FetchPlanRequest, call: Subject
    ) -> AsyncIterator[runner.FetchPlanResponse]:
        data = await self._fetching.plan(call)
        for chunk, digest in _chunks(data):
            yield runner.FetchPlanResponse(chunk=chunk, sha256=digest)

    async def FetchArtifact(
        self, _request: runner.FetchArtifactRequest, call: Subject
    ) -> AsyncIterator[runner.FetchArtifactResponse]:
        for chunk, digest in _chunks(await self._artifacts.read(call)):
            yield runner.FetchArtifactResponse(chunk=chunk, sha256=digest)

    async def KeepArtifact(
        self, requests: AsyncIterator[runner.KeepArtifactRequest], call: Subject
    ) -> runner.KeepArtifactResponse:
        sha256, data = "", bytearray()
        async for part in requests:
            sha256 = part.sha256 or sha256
            data += part.chunk
            _bounded(len(data), ARTIFACT_BYTES, "ARTIFACT_BYTES")
        await self._artifacts.keep(call, sha256, bytes(data))
        return runner.KeepArtifactResponse()

    async def AppendRunLogs(self, request: runner.AppendRunLogsRequest, call: Subject) -> runner.AppendRunLogsResponse:
        end = await self._fetching.append_log(call, request.offset, request.data)
        return runner.AppendRunLogsResponse(next_offset=end)

    async def SubmitPlan(
        self, requests: AsyncIterator[runner.SubmitPlanRequest], call: Subject
    ) -> runner.SubmitPlanResponse:
        header, projected, bundle = runner.PlanHeader(), bytearray(), bytearray()
        async for part in requests:
            if part.HasField("header"):
                header = part.header
            projected += part.projected
            bundle += part.plan_file
            _bounded(len(projected) + len(bundle), PLAN_BYTES, "PLAN_BYTES")
        plan = SubmittedPlan(
            engine=header.engine, platform=header.platform, tree_sha256=header.tree_sha256,
            state_serial=header.state_serial, state_lineage=header.state_lineage,
            projected_sha256=header.projected_sha256, plan_sha256=header.plan_sha256, projected=bytes(projected),
            bundle=bytes(bundle), whole_reasons=tuple(header.whole_reasons),
            record_generations=header.record_generations, artifact_sha256=header.artifact_sha256,
            audit=report_from_proto(header),
        )  # fmt: skip
        return runner.SubmitPlanResponse(plan_digest=await self._batches.submit_plan(call, plan))

    async def StartApply(self, request: runner.StartApplyRequest, call: Subject) -> runner.StartApplyResponse:
        await self._batches.start_apply(call, UUID(request.start_token), request.units)
        return runner.StartApplyResponse(helpers=await self._help.helpers(call) if request.units else 0)

    async def OfferBatch(
        self, requests: AsyncIterator[runner.OfferBatchRequest], call: Subject
    ) -> runner.OfferBatchResponse:
        header, order = runner.OfferHeader(), bytearray()
        async for part in requests:
            if part.HasField("header"):
                header = part.header
            order += part.chunk
            _bounded(len(order), PLAN_BYTES, "PLAN_BYTES")
        accepted = await self._help.offer(call, header.batch, header.slices, header.sha256, bytes(order))
        return runner.OfferBatchResponse(accepted=accepted)

    async def WatchBatches(self, request: runner.WatchBatchesRequest, call: Subject) -> runner.WatchBatchesResponse:
        known = {
            one.batch: Offered(one.batch, one.claimed, _OUTCOMES.get(one.outcome) if one.done else None)
            for one in request.known
        }
        found = await self._help.watch(call, request.wait_seconds, known)
        return runner.WatchBatchesResponse(batches=[
            runner.OfferedBatch(
                batch=one.batch, claimed=one.claimed, done=one.outcome is not None,
                outcome=f"BATCH_OUTCOME_{one.outcome or 'UNSPECIFIED'}",
            )
            for one in found
        ])  # fmt: skip

    async def WithdrawBatch(self, request: runner.WithdrawBatchRequest, call: Subject) -> runner.WithdrawBatchResponse:
        return runner.WithdrawBatchResponse(withdrawn=await self._help.withdraw(call, request.batch))

    async def SubmitResult(
        self, requests: AsyncIterator[runner.SubmitResultRequest], call: Subject
    ) -> runner.SubmitResultResponse:
        header, result = runner.ResultHeader(), bytearray()
        async for part in requests:
            if part.HasField("header"):
                header = part.header
            result += part.chunk
            _bounded(len(result), STATE_BYTES, "STATE_BYTES")
        await self._help.submit(call, header.sha256, bytes(result))
        return runner.SubmitResultResponse()

    async def FetchResult(
        self, request: runner.FetchResultRequest, call: Subject
    ) -> AsyncIterator[runner.FetchResultResponse]:
        data = await self._help.result(call, request.batch)
        for chunk, digest in _chunks(data):
            yield runner.FetchResultResponse(chunk=chunk, sha256=digest)

    async def VerifyPlan(
        self, requests: AsyncIterator[runner.VerifyPlanRequest], call: Subject
    ) -> runner.VerifyPlanResponse:
        header, projected, reads = runner.VerifyPlanHeader(), bytearray(), dict[Place, str]()
        async for part in requests:
            if part.HasField("header"):
                header = part.header
            projected += part.projected
            reads |= {(one.address, one.attribute or None): one.hashed for one in part.reads.exports}
            _bounded(len(projected), PLAN_BYTES, "PLAN_BYTES")
            _bounded(len(reads), READ_EXPORTS, "READ_EXPORTS")
        again = Replanned(tuple(header.units), header.projected_sha256, bytes(projected), reads)
        await self._covering.verify(call, again)
        return runner.VerifyPlanResponse()

    async def FetchRecords(
        self, _request: runner.FetchRecordsRequest, call: Subject
    ) -> AsyncIterator[runner.FetchRecordsResponse]:
        for record in await self._records.read(call):
            yield runner.FetchRecordsResponse(record=runner.UnitRecord(**asdict(record)))

    async def WriteRecords(self, request: runner.WriteRecordsRequest, call: Subject) -> runner.WriteRecordsResponse:
        records = [UnitRecord(one.unit, one.generation, one.record, one.exports) for one in request.records]
        await self._records.write(call, records)
        return runner.WriteRecordsResponse()

    async def ReportUnits(self, request: runner.ReportUnitsRequest, call: Subject) -> runner.ReportUnitsResponse:
        await self._progress.report(call, reports_from_proto(request.batches))
        return runner.ReportUnitsResponse()

    async def WriteState(
        self, requests: AsyncIterator[runner.WriteStateRequest], call: Subject
    ) -> runner.WriteStateResponse:
        header, document = runner.StateHeader(), bytearray()
        async for part in requests:
            if part.HasField("header"):
                header = part.header
            document += part.chunk
            _bounded(len(document), STATE_BYTES, "STATE_BYTES")
        if header.HasField("slices"):
            delta = handed_in.delta(header, bytes(document))
            refusal, serial = await self._batches.write_slices(call, header.sha256, delta)
        else:
            refusal, serial = await self._batches.write_state(
                call, header.serial, header.lineage, header.sha256, bytes(document)
            ), header.serial  # fmt: skip
        return runner.WriteStateResponse(
            accepted=refusal is None, detail=refusal.value if refusal else "", serial=0 if refusal else serial
        )

    async def RenewLease(self, request: runner.RenewLeaseRequest, call: Subject) -> runner.RenewLeaseResponse:
        end, stop, force = await self._batches.renew(call, request.wait_seconds)
        return runner.RenewLeaseResponse(lease_expires_at=timestamp(end), stop=stop, force=force)

    async def FinishBatch(self, request: runner.FinishBatchRequest, call: Subject) -> runner.FinishBatchResponse:
        if request.outcome not in _OUTCOMES:
            raise Invalid("VALIDATION_FAILED", "outcome is one of succeeded, failed, gone, lost, partial, stale.")
        error = None
        if request.HasField("error"):
            error = MessageToDict(request.error, preserving_proto_field_name=True)
            error = {"reason": "FAILED", "message": "", **error, "log_offset": request.error.log_offset}
        left = [Left(one.unit, _cause(one.cause), one.detail) for one in request.left_units]
        outcome = _OUTCOMES[request.outcome]
        if request.unit_batches and not await self._batches.told(call, outcome):
            await self._progress.report(call, reports_from_proto(request.unit_batches))
        await self._batches.finish(call, outcome, error, list(request.suspects), request.exit_code, left)
        return runner.FinishBatchResponse()


def _cause(cause: "runs_pb2.LeftCause") -> str:
    if cause not in runs_pb2.LeftCause.values() or cause == runs_pb2.LEFT_CAUSE_UNSPECIFIED:
        raise Invalid("VALIDATION_FAILED", "left_units.cause is one of those that LeftCause names.")
    return runs_pb2.LeftCause.Name(cause).removeprefix("LEFT_CAUSE_")


def _ref(batch: tasks_pb2.BatchRef) -> Batch:
    phase = tasks_pb2.BatchPhase.Name(batch.phase).removeprefix("BATCH_PHASE_")
    if phase not in {"PLAN", "APPLY"}:
        raise Invalid("VALIDATION_FAILED", "batch.phase is plan or apply.")
    try:
        return Batch(UUID(batch.run_id), batch.plan_number, phase, batch.batch, 0)
    except ValueError:
        raise Invalid("VALIDATION_FAILED", "batch.run_id is a UUID.") from None


def _batch_ref(call: Subject) -> tasks_pb2.BatchRef | None:
    if call.batch is None:
        return None
    return tasks_pb2.BatchRef(
        run_id=str(call.batch.run_id),
        plan_number=call.batch.plan_number,
        batch=call.batch.batch,
        phase=f"BATCH_PHASE_{call.batch.phase}",
    )


def _lease(lease: Lease) -> tasks.BatchLease:
    message = tasks.BatchLease(run_token=lease.run_token, epoch=lease.epoch, work_key=lease.work_key)
    message.lease_expires_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=lease.seconds))
    return message


def _chunks(data: bytes) -> list[tuple[bytes, str]]:
    """Parts of at most 256 KiB; the last one carries the SHA-256 of all. Nothing for no data."""
    starts = range(0, len(data), CHUNK_BYTES)
    digest = hashlib.sha256(data).hexdigest()
    return [(data[start : start + CHUNK_BYTES], digest if start + CHUNK_BYTES >= len(data) else "") for start in starts]


def _bounded(size: int, limit: int, name: str) -> None:
    if size > limit:
        raise TooMuch("LIMIT_EXCEEDED", f"More than {limit} bytes.", limit=name)

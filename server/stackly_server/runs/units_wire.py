"""Reports of batches of units as messages."""

from collections.abc import Iterable

from stackly.worker.v1 import runner_service_pb2 as runner
from stackly_server.errors import Invalid
from stackly_server.runs.unit_batches import Report, UnitStatus


def reports_from_proto(batches: Iterable[runner.UnitBatch]) -> list[Report]:
    """Reports in the order in which they came."""
    return [
        Report(one.number, tuple(one.units), _status(one), one.began_ms_ago, one.took_ms, one.resources, one.replan_ms)
        for one in batches
    ]


def _status(one: runner.UnitBatch) -> UnitStatus:
    if one.status not in runner.UnitBatchStatus.values() or one.status == runner.UNIT_BATCH_STATUS_UNSPECIFIED:
        raise Invalid("VALIDATION_FAILED", "status says where a batch of units is.")
    return UnitStatus(runner.UnitBatchStatus.Name(one.status).removeprefix("UNIT_BATCH_STATUS_"))

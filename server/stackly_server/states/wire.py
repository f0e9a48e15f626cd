"""State versions, locks and outputs as messages."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from stackly.v1 import states_pb2
from stackly_server.states.asking import ShownVersion
from stackly_server.states.model import Output, StateHead


def lock_to_proto(head: StateHead) -> states_pb2.StateLock | None:
    """The lock, or None when nobody holds it."""
    if head.lock_id is None:
        return None
    return states_pb2.StateLock(
        lock_id=str(head.lock_id),
        holder=head.lock_holder or "",
        reason=head.lock_reason or "",
        locked_at=_time(head.locked_at),
        expires_at=_time(head.lock_expires_at),
    )


def version_to_proto(shown: ShownVersion) -> states_pb2.StateVersion:
    version = shown.version
    return states_pb2.StateVersion(
        name=f"{shown.stack_state}/stateVersions/{version.serial}",
        serial=version.serial,
        lineage=version.lineage,
        terraform_version=version.terraform_version,
        size_bytes=version.size_bytes,
        sha256=version.sha256,
        run=f"{shown.stack_state}/runs/run-{shown.run_number}" if shown.run_number else "",
        resource_count=version.resource_count,
        slices=version.slices,
        created_at=_time(version.created_at),
    )


def output_to_proto(output: Output) -> states_pb2.Output:
    return states_pb2.Output(name=output.name, json=output.json, sensitive=output.sensitive)


def _time(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made

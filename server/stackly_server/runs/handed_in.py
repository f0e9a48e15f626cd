"""Slices of a state as they come over the wire: pure."""

from stackly.worker.v1 import runner_service_pb2 as runner
from stackly_engine import deltas, slices
from stackly_engine.deltas import Delta
from stackly_engine.exact import FormatError
from stackly_server.errors import Invalid


def delta(header: runner.StateHeader, data: bytes) -> Delta:
    """The slices that follow a header. Invalid when the bytes are not those that it names."""
    told = header.slices
    sizes = [told.head_bytes, *(one.size_bytes for one in told.slices)]
    if sum(sizes) != len(data) or min(sizes) < 0 or len({one.unit for one in told.slices}) != len(told.slices):
        raise Invalid("VALIDATION_FAILED", "The bytes are not those of the slices that the header names.")
    at = told.head_bytes
    parts: dict[str, bytes | None] = {}
    for one in told.slices:
        part = data[at : at + one.size_bytes] if one.sha256 else None
        if (part is None and one.size_bytes) or (part is not None and slices.digest(part) != one.sha256):
            raise Invalid("VALIDATION_FAILED", f"The slice of {one.unit} does not have the SHA-256 of the header.")
        parts[one.unit] = part
        at += one.size_bytes
    try:
        head = deltas.read_head(data[: told.head_bytes]) if told.head_bytes else None
    except FormatError as error:
        raise Invalid("VALIDATION_FAILED", f"This is no head of a Terraform state: {error}") from None
    return Delta(header.serial, header.lineage, parts, head)

"""The streams of RunnerService as bytes and files: cut into messages, put together again, checked by digest."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from stackly.worker.v1 import runner_service_pb2 as messages
from stackly_engine import exact
from stackly_engine.deltas import Delta
from stackly_engine.records import Place
from stackly_worker.runner import limits
from stackly_worker.runner.ports import PlaneRefusedError, UnitRow
from stackly_worker.runner.worktree import SourceFile
from stackly_worker.wire import CHUNK

_FILE, _PROGRAM, _LINK = 0o100644, 0o100755, 0o120000


class _Part(Protocol):
    @property
    def chunk(self) -> bytes: ...
    @property
    def sha256(self) -> str: ...


def pieces(data: bytes) -> Iterator[bytes]:
    """The data in messages of at most 256 KiB."""
    for at in range(0, len(data), CHUNK):
        yield data[at : at + CHUNK]


async def document(parts: AsyncIterable[_Part], most: int) -> bytes | None:
    """The bytes of FetchState or FetchPlan; None for a stream without any part.

    PlaneRefusedError when there are more than `most` bytes or the digest in the last part is another.
    """
    data, wanted, empty = bytearray(), "", True
    async for part in parts:
        data += part.chunk
        wanted, empty = part.sha256 or wanted, False
        if len(data) > most:
            raise PlaneRefusedError(f"a document of more than {most} bytes came")
    if empty:
        return None
    if sha256(data).hexdigest() != wanted:
        raise PlaneRefusedError("a document arrived altered: its digest is another")
    return bytes(data)


@dataclass
class StateReader:
    """FetchState's stream; `outline` says what came, once it has ended."""

    parts: AsyncIterator[messages.FetchStateResponse]
    outline: bool = False

    async def __aiter__(self) -> AsyncIterator[messages.FetchStateResponse]:
        async for part in self.parts:
            self.outline = self.outline or part.outline
            yield part


def slices_of(data: bytes, units: Sequence[str]) -> dict[str, bytes]:
    """FetchState's slices by unit, in canonical bytes; PlaneRefusedError unless all came that were asked for."""
    found = exact.loads(data)
    if not isinstance(found, dict) or found.keys() != set(units):
        raise PlaneRefusedError("other slices came than were asked for")
    return {unit: exact.dumps(part) for unit, part in found.items()}


@dataclass
class SourceReader:
    """FetchSource as files. The digest is over `path NUL mode NUL sha256-of-content LF` of each entry, in their order.

    `mode` is git's in octal (100644, 100755, 120000); a link's content is its target.
    """

    records: AsyncIterator[messages.FetchSourceResponse]
    tree_sha256: str = ""
    _listing: bytearray = field(default_factory=bytearray)
    _entries: int = 0
    _next: messages.FetchSourceResponse | None = None

    async def files(self) -> AsyncIterator[SourceFile]:
        """Each file; what its taker leaves unread is read over. PlaneRefusedError unless the tree comes whole."""
        self._next = await anext(self.records, None)
        while self._next is not None and self._next.HasField("entry"):
            entry = self._next.entry
            mode = _LINK if entry.link_target else _PROGRAM if entry.executable else _FILE
            content = self._content(entry, mode)
            yield SourceFile(entry.path, mode, content)
            async for _ in content:
                pass
        self._finish()

    async def _content(self, entry: messages.SourceEntry, mode: int) -> AsyncIterator[bytes]:
        digest, size = sha256(), 0
        async for part in self._parts(entry):
            digest.update(part)
            size += len(part)
            yield part
        if size != (len(entry.link_target.encode()) if entry.link_target else entry.size_bytes):
            raise PlaneRefusedError(f"{entry.path!r} did not come whole")
        self._listing += f"{entry.path}\x00{mode:o}\x00{digest.hexdigest()}\n".encode()
        self._entries += 1

    async def _parts(self, entry: messages.SourceEntry) -> AsyncIterator[bytes]:
        if entry.link_target:
            yield entry.link_target.encode()
        self._next = await anext(self.records, None)
        while self._next is not None and self._next.WhichOneof("record") == "chunk":
            yield self._next.chunk
            self._next = await anext(self.records, None)

    def _finish(self) -> None:
        if self._next is None or not self._next.HasField("end"):
            raise PlaneRefusedError("the source tree ended before its end")
        end = self._next.end
        self.tree_sha256 = sha256(self._listing).hexdigest()
        if end.entries != self._entries or end.tree_sha256 != self.tree_sha256:
            raise PlaneRefusedError("the source tree arrived altered: its digest is another")


def plan_parts(header: messages.PlanHeader, projected: bytes, bundle: bytes) -> Iterator[messages.SubmitPlanRequest]:
    """SubmitPlan's stream: the header, the projected document, the plan bundle."""
    yield messages.SubmitPlanRequest(header=header)
    for piece in pieces(projected):
        yield messages.SubmitPlanRequest(projected=piece)
    for piece in pieces(bundle):
        yield messages.SubmitPlanRequest(plan_file=piece)


def verify_parts(
    units: Iterable[str], projected: bytes, reads: Mapping[Place, str]
) -> Iterator[messages.VerifyPlanRequest]:
    """VerifyPlan's stream: the header, what the batch reads, its projected document."""
    digest = sha256(projected).hexdigest()
    yield messages.VerifyPlanRequest(header=messages.VerifyPlanHeader(units=units, projected_sha256=digest))
    told = [
        messages.ReadExport(address=address, attribute=name or "", hashed=hashed)
        for (address, name), hashed in reads.items()
    ]
    for at in range(0, len(told), limits.READS):
        yield messages.VerifyPlanRequest(reads=messages.ReadExports(exports=told[at : at + limits.READS]))
    for piece in pieces(projected):
        yield messages.VerifyPlanRequest(projected=piece)


def state_parts(header: messages.StateHeader, data: bytes) -> Iterator[messages.WriteStateRequest]:
    """WriteState's stream: the header, the document."""
    yield messages.WriteStateRequest(header=header)
    for piece in pieces(data):
        yield messages.WriteStateRequest(chunk=piece)


def delta_parts(delta: Delta, *, final: bool) -> Iterator[messages.WriteStateRequest]:
    """WriteState's stream of slices: the header that names them, the head, the slices."""
    head, digests = delta.head_bytes, delta.digests
    told = messages.StateSlices(head_bytes=len(head))
    for unit, digest in digests.items():
        told.slices.add(unit=unit, sha256=digest or "", size_bytes=len(delta.slices[unit] or b""))
    header = messages.StateHeader(
        serial=delta.base, lineage=delta.lineage, sha256=delta.sha256, final=final, slices=told
    )  # fmt: skip
    yield messages.WriteStateRequest(header=header)
    for data in (head, *(delta.slices[unit] or b"" for unit in digests)):
        for piece in pieces(data):
            yield messages.WriteStateRequest(chunk=piece)


def order_parts(header: messages.OfferHeader, order: bytes) -> Iterator[messages.OfferBatchRequest]:
    """OfferBatch's stream: the header, the order."""
    yield messages.OfferBatchRequest(header=header)
    for piece in pieces(order):
        yield messages.OfferBatchRequest(chunk=piece)


def result_parts(header: messages.ResultHeader, result: bytes) -> Iterator[messages.SubmitResultRequest]:
    """SubmitResult's stream: the header, the result."""
    yield messages.SubmitResultRequest(header=header)
    for piece in pieces(result):
        yield messages.SubmitResultRequest(chunk=piece)


def record_parts(rows: Iterable[UnitRow]) -> Iterator[messages.WriteRecordsRequest]:
    """WriteRecords in calls within its bounds; each row must be within those of a record."""
    some, size = messages.WriteRecordsRequest(), 0
    for row in rows:
        more = len(row.record) + len(row.exports)
        if some.records and (len(some.records) == limits.RECORDS or size + more > limits.RECORDS_BYTES):
            yield some
            some, size = messages.WriteRecordsRequest(), 0
        some.records.add(unit=row.unit, generation=row.generation, record=row.record, exports=row.exports)
        size += more
    if some.records:
        yield some


def artifact_parts(data: bytes) -> Iterator[messages.KeepArtifactRequest]:
    """KeepArtifact's stream: the digest, the bytes."""
    yield messages.KeepArtifactRequest(sha256=sha256(data).hexdigest())
    for piece in pieces(data):
        yield messages.KeepArtifactRequest(chunk=piece)


STATE_MOST, PLAN_MOST = limits.STATE_BYTES, limits.PLAN_JSON_BYTES

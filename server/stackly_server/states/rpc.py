"""StateService on the wire."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from google.rpc.status_pb2 import Status

from stackly.v1 import states_service_pb2 as pb
from stackly_server.access import Subject
from stackly_server.limits import CHUNK_BYTES, LOCK_SECONDS_MAX
from stackly_server.pages import Pages
from stackly_server.states.asking import StateRequests
from stackly_server.states.wire import lock_to_proto, output_to_proto, version_to_proto


class StateServicer:
    """stackly.v1.StateService."""

    def __init__(self, states: StateRequests, pages: Pages) -> None:
        self._states = states
        self._pages = pages

    async def ListStateVersions(
        self, request: pb.ListStateVersionsRequest, call: Subject
    ) -> pb.ListStateVersionsResponse:
        size, scope = Pages.size(request.page_size), f"ListStateVersions|{request.parent}"
        cursor = await self._pages.open(request.page_token, scope, call)
        rows = await self._states.versions(call, request.parent, int(cursor[0]) if cursor else None, size + 1)
        token = await self._pages.next(rows, size, lambda row: (row.version.serial,), scope, call)
        versions = [version_to_proto(row) for row in rows[:size]]
        return pb.ListStateVersionsResponse(state_versions=versions, next_page_token=token)

    async def GetStateVersion(self, request: pb.GetStateVersionRequest, call: Subject) -> pb.GetStateVersionResponse:
        return pb.GetStateVersionResponse(
            state_version=version_to_proto(await self._states.version(call, request.name))
        )

    async def ExportStateVersion(
        self, request: pb.ExportStateVersionRequest, call: Subject
    ) -> AsyncIterator[pb.ExportStateVersionResponse]:
        """The document is whole and checked before the first record leaves, so that nothing can fail after it."""
        shown, document = await self._states.export(call, request.name)
        yield pb.ExportStateVersionResponse(state_version=version_to_proto(shown))
        for start in range(0, len(document), CHUNK_BYTES):
            yield pb.ExportStateVersionResponse(chunk=document[start : start + CHUNK_BYTES])
        yield pb.ExportStateVersionResponse(end=Status())

    async def LockState(self, request: pb.LockStateRequest, call: Subject) -> pb.LockStateResponse:
        ttl = timedelta(seconds=min(request.ttl.seconds, LOCK_SECONDS_MAX + 1), microseconds=request.ttl.nanos / 1000)
        wanted = ttl if request.HasField("ttl") else None
        return pb.LockStateResponse(
            lock=lock_to_proto(await self._states.lock(call, request.name, request.reason, wanted))
        )

    async def UnlockState(self, request: pb.UnlockStateRequest, call: Subject) -> pb.UnlockStateResponse:
        await self._states.unlock(call, request.name, _uuid(request.lock_id), force=request.force)
        return pb.UnlockStateResponse()

    async def ListOutputs(self, request: pb.ListOutputsRequest, call: Subject) -> pb.ListOutputsResponse:
        outputs, serial = await self._states.outputs(call, request.parent, include_sensitive=request.include_sensitive)
        return pb.ListOutputsResponse(outputs=[output_to_proto(each) for each in outputs], serial=serial)


def _uuid(text: str) -> UUID | None:
    """None, which is no lock's id, for what is no UUID."""
    try:
        return UUID(text)
    except ValueError:
        return None

"""StackService on the wire; what needs a repository is in `git/rpc`, what makes a run in `runs/rpc`."""

from stackly.v1 import stacks_service_pb2 as pb
from stackly_server.access import Subject
from stackly_server.pages import Pages
from stackly_server.stacks.registry import Registry
from stackly_server.stacks.service import StackService
from stackly_server.stacks.wire import (
    change_from_proto,
    code_to_proto,
    new_state_from_proto,
    state_to_proto,
    version_to_proto,
)


class StackServicer:
    """stackly.v1.StackService, but for RegisterStackCode, SyncStackCode and DestroyStackState."""

    def __init__(self, stacks: StackService, registry: Registry, pages: Pages) -> None:
        self._stacks = stacks
        self._registry = registry
        self._pages = pages

    async def ListStackCodes(self, request: pb.ListStackCodesRequest, call: Subject) -> pb.ListStackCodesResponse:
        size, scope = Pages.size(request.page_size), "ListStackCodes"
        cursor = await self._pages.open(request.page_token, scope, call)
        rows = await self._registry.page(call, request.parent, str(cursor[0]) if cursor else "", size + 1)
        token = await self._pages.next(rows, size, lambda row: (row.slug,), scope, call)
        codes = [code_to_proto(row, call.account) for row in rows[:size]]
        return pb.ListStackCodesResponse(stack_codes=codes, next_page_token=token)

    async def GetStackCode(self, request: pb.GetStackCodeRequest, call: Subject) -> pb.GetStackCodeResponse:
        code = await self._registry.get(call, request.name)
        return pb.GetStackCodeResponse(stack_code=code_to_proto(code, call.account))

    async def ListStackCodeVersions(
        self, request: pb.ListStackCodeVersionsRequest, call: Subject
    ) -> pb.ListStackCodeVersionsResponse:
        size, scope = Pages.size(request.page_size), f"ListStackCodeVersions|{request.parent}"
        cursor = await self._pages.open(request.page_token, scope, call)
        before = (str(cursor[0]), str(cursor[1])) if cursor else None
        rows = await self._registry.versions(call, request.parent, before, size + 1)
        token = await self._pages.next(rows, size, lambda row: (row.created_at, row.commit_hash), scope, call)
        versions = [version_to_proto(row, request.parent) for row in rows[:size]]
        return pb.ListStackCodeVersionsResponse(stack_code_versions=versions, next_page_token=token)

    async def GetStackCodeVersion(
        self, request: pb.GetStackCodeVersionRequest, call: Subject
    ) -> pb.GetStackCodeVersionResponse:
        version = await self._registry.version(call, request.name)
        parent = request.name.rpartition("/versions/")[0]
        return pb.GetStackCodeVersionResponse(stack_code_version=version_to_proto(version, parent))

    async def ListStackStates(self, request: pb.ListStackStatesRequest, call: Subject) -> pb.ListStackStatesResponse:
        size = Pages.size(request.page_size)
        scope = f"ListStackStates|{request.stack_code}|{request.show_deleted}"
        cursor = await self._pages.open(request.page_token, scope, call)
        after = str(cursor[0]) if cursor else ""
        rows = await self._stacks.page(
            call, request.parent, after, size + 1, request.stack_code, deleted=request.show_deleted
        )
        token = await self._pages.next(rows, size, lambda row: (row.state.name,), scope, call)
        states = [state_to_proto(row) for row in rows[:size]]
        return pb.ListStackStatesResponse(stack_states=states, next_page_token=token)

    async def GetStackState(self, request: pb.GetStackStateRequest, call: Subject) -> pb.GetStackStateResponse:
        return pb.GetStackStateResponse(stack_state=state_to_proto(await self._stacks.get(call, request.name)))

    async def CreateStackState(self, request: pb.CreateStackStateRequest, call: Subject) -> pb.CreateStackStateResponse:
        call.encode = lambda made: pb.CreateStackStateResponse(stack_state=state_to_proto(made)).SerializeToString()
        made = await self._stacks.create(call, request.parent, new_state_from_proto(request, call))
        return pb.CreateStackStateResponse(stack_state=state_to_proto(made))

    async def UpdateStackState(self, request: pb.UpdateStackStateRequest, call: Subject) -> pb.UpdateStackStateResponse:
        call.encode = lambda shown: pb.UpdateStackStateResponse(stack_state=state_to_proto(shown)).SerializeToString()
        shown = await self._stacks.update(call, request.stack_state.name, change_from_proto(request))
        return pb.UpdateStackStateResponse(stack_state=state_to_proto(shown))

    async def DeleteStackState(self, request: pb.DeleteStackStateRequest, call: Subject) -> pb.DeleteStackStateResponse:
        shown = await self._stacks.delete(call, request.name, request.etag, force=request.force)
        return pb.DeleteStackStateResponse(stack_state=state_to_proto(shown))

    async def UndeleteStackState(
        self, request: pb.UndeleteStackStateRequest, call: Subject
    ) -> pb.UndeleteStackStateResponse:
        shown = await self._stacks.undelete(call, request.name)
        return pb.UndeleteStackStateResponse(stack_state=state_to_proto(shown))

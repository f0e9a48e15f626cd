"""The two calls of StackService that read a repository."""

from stackly.v1 import stacks_service_pb2 as pb
from stackly_server.access import Subject
from stackly_server.git.asking import CodeRequests
from stackly_server.stacks.wire import code_to_proto


class StackSourceServicer:
    """RegisterStackCode and SyncStackCode."""

    def __init__(self, requests: CodeRequests) -> None:
        self._requests = requests

    async def RegisterStackCode(
        self, request: pb.RegisterStackCodeRequest, call: Subject
    ) -> pb.RegisterStackCodeResponse:
        code = await self._requests.register(call, request.parent, request.repository, request.repo_path, request.ref)
        return pb.RegisterStackCodeResponse(stack_code=code_to_proto(code, call.account))

    async def SyncStackCode(self, request: pb.SyncStackCodeRequest, call: Subject) -> pb.SyncStackCodeResponse:
        call.encode = lambda result: pb.SyncStackCodeResponse(
            stack_code=code_to_proto(result[0], call.account), changed=result[1]
        ).SerializeToString()
        code, changed = await self._requests.sync(call, request.name)
        return pb.SyncStackCodeResponse(stack_code=code_to_proto(code, call.account), changed=changed)

"""The main job by a gRPC client that knows nothing of us but the address: services and messages come by reflection."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from flows.platform import Platform
from flows.ways.rest import Rest
from flows.ways.way import ENOUGH, from_bytes
from waiting import eventually


class Reflection:
    """As `grpcurl` does it. Reflection answers only those who are signed in; the token comes by REST, as with curl."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __aenter__(self) -> Self:
        async with Rest(self._platform) as rest:
            token = await rest.token()
        trust = grpc.ssl_channel_credentials(self._platform.ca.read_bytes())
        self._plain = grpc.secure_channel(self._platform.target, trust)
        self._channel = grpc.intercept_channel(self._plain, *_signed_in(token))
        database = ProtoReflectionDescriptorDatabase(self._channel)
        self.services: tuple[str, ...] = await asyncio.to_thread(database.get_services)
        self._pool = DescriptorPool(database)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._plain.close)

    async def desired_commit(self, stack: str) -> str:
        try:
            answer = await self._call("StackService", "GetStackState", name=stack)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return ""
        return str(_shown(answer)["stackState"]["desiredCommit"])

    async def runs_of(self, stack: str, commit: str) -> list[str]:
        answer = await self._call("RunService", "ListRuns", parent=stack, toCommit=commit)
        return [run["name"] for run in _shown(answer)["runs"]]

    async def planned(self, run: str) -> str:
        return str((await self._waited(run, "WAIT_UNTIL_PLANNED"))["planDigest"])

    async def approve(self, run: str, digest: str) -> None:
        await self._call("RunService", "ApproveRun", name=run, planDigest=digest, comment="by reflection")

    async def log(self, run: str) -> str:
        records = [_shown(record) for record in await asyncio.to_thread(self._stream, "TailRunLogs", name=run)]
        assert "end" in records[-1]
        return "".join(record["chunk"]["text"] for record in records if "chunk" in record)

    async def applied(self, run: str) -> None:
        assert (await self._waited(run, "WAIT_UNTIL_DONE"))["status"] == "RUN_STATUS_APPLIED"

    async def outputs(self, stack: str) -> dict[str, Any]:
        answer = _shown(await self._call("StateService", "ListOutputs", parent=stack))
        return {output["name"]: json.loads(output["json"]) for output in answer["outputs"]}

    async def read(self, run: str) -> dict[str, Any]:
        answer = await self._call("RunService", "GetRun", name=run)
        return from_bytes(answer.run.SerializeToString())  # type: ignore[attr-defined]

    async def _waited(self, run: str, until: str) -> dict[str, Any]:
        async def ask() -> dict[str, Any] | None:
            answer = _shown(await self._call("RunService", "WaitRun", name=run, until=until, timeout="50s"))
            found: dict[str, Any] = answer["run"]
            return found if answer["reached"] else None

        return await eventually(ask, ENOUGH)

    async def _call(self, service: str, method: str, **fields: str) -> Message:
        def call() -> Message:
            path, request, answer = self._method(service, method, fields)
            unary = self._channel.unary_unary(path, type(request).SerializeToString, answer.FromString)
            found: Message = unary(request, timeout=ENOUGH)
            return found

        return await asyncio.to_thread(call)

    def _stream(self, method: str, **fields: str) -> list[Message]:
        path, request, answer = self._method("RunService", method, fields)
        return list(self._channel.unary_stream(path, type(request).SerializeToString, answer.FromString)(request))

    def _method(self, service: str, method: str, fields: dict[str, str]) -> tuple[str, Message, type[Message]]:
        found = self._pool.FindServiceByName(f"stackly.v1.{service}").FindMethodByName(method)
        assert found is not None
        request = ParseDict(fields, GetMessageClass(found.input_type)(), descriptor_pool=self._pool)
        return f"/stackly.v1.{service}/{method}", request, GetMessageClass(found.output_type)


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str]] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Puts the token on every call, that of reflection too."""

    def __init__(self, token: str) -> None:
        self._token = token

    def _with_token(self, given: Any) -> _Details:
        metadata = [*(given.metadata or ()), ("authorization", f"Bearer {self._token}")]
        return _Details(
            given.method, given.timeout, metadata, given.credentials, given.wait_for_ready, given.compression
        )

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_token(client_call_details), request)

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return continuation(self._with_token(client_call_details), request_iterator)


def _signed_in(token: str) -> Iterator[Any]:
    yield _Bearer(token)


def _shown(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(message, always_print_fields_with_no_presence=True)
    return found

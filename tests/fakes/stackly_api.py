"""An in-memory Stackly for tests of clients: real gRPC, Google's messages, one account, a few stacks with set fates."""

import datetime as dt
import re
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from stackly.v1 import (
    accounts_service_pb2,
    auth_service_pb2,
    events_service_pb2,
    policies_service_pb2,
    runs_service_pb2,
    stacks_service_pb2,
    states_service_pb2,
    worker_registry_pb2,
)

SERVICES = (
    accounts_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
    auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"],
    events_service_pb2.DESCRIPTOR.services_by_name["EventService"],
    policies_service_pb2.DESCRIPTOR.services_by_name["PolicyService"],
    runs_service_pb2.DESCRIPTOR.services_by_name["RunService"],
    stacks_service_pb2.DESCRIPTOR.services_by_name["StackService"],
    states_service_pb2.DESCRIPTOR.services_by_name["StateService"],
    worker_registry_pb2.DESCRIPTOR.services_by_name["WorkerRegistry"],
)
METHODS = {f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods}
ANONYMOUS = ("ExchangeToken", "RefreshToken", "GetTrustBundle")
API_KEY = "stk_a_good_key"
ACCOUNT = "accounts/dev"

Handler = Callable[[Any, grpc.ServicerContext], Any]


class Refused(Exception):
    """What a handler or a planted fault answers with, as the real server would."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str = "",
        message: str = "no",
        *,
        retry: float | None = None,
        fields: dict[str, str] | None = None,
        **facts: str,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.retry, self.fields, self.facts = retry, fields or {}, facts

    def status(self) -> status_pb2.Status:
        details: list[Any] = []
        if self.reason:
            details.append(
                error_details_pb2.ErrorInfo(reason=self.reason, domain="stackly.dev", metadata=dict(self.facts))
            )
        if self.retry is not None:
            info = error_details_pb2.RetryInfo()
            info.retry_delay.FromTimedelta(dt.timedelta(seconds=self.retry))
            details.append(info)
        if self.fields:
            problems = error_details_pb2.BadRequest()
            for field, problem in self.fields.items():
                problems.field_violations.add(field=field, description=problem)
            details.append(problems)
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        return status


class FakeApi(grpc.GenericRpcHandler):
    """Dispatches each method to `handlers`, which a test may replace; `faults[name]` answer first, in order."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.faults: dict[str, deque[Exception | None]] = defaultdict(deque)
        self.calls: list[tuple[str, Any, dict[str, str]]] = []
        self.good_tokens: set[str] = set()
        self.changed = threading.Condition()
        self._server: grpc.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, credentials: grpc.ServerCredentials | None = None) -> None:
        server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((self,))
        address = f"127.0.0.1:{self.port}"
        self.port = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
        server.start()
        self._server = server

    def stop(self) -> None:
        """Gone at once; `start` brings it back at the same port with all it knew."""
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def requests(self, name: str) -> list[Any]:
        return [request for called, request, _ in self.calls if called == name]

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        method = METHODS.get(details.method)
        if method is None:
            return None
        metadata = {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}
        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        answer = self._streaming if method.server_streaming else self._answer
        return make(
            lambda request, context: answer(method, request, context, metadata),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _answer(
        self, method: MethodDescriptor, request: Any, context: grpc.ServicerContext, metadata: dict[str, str]
    ) -> Any:
        try:
            self._admit(method, request, metadata)
            return self._handler(method)(request, context)
        except Refused as refused:
            abort(context, refused)

    def _streaming(
        self, method: MethodDescriptor, request: Any, context: grpc.ServicerContext, metadata: dict[str, str]
    ) -> Iterator[Any]:
        try:
            self._admit(method, request, metadata)
            yield from self._handler(method)(request, context)
        except Refused as refused:
            abort(context, refused)

    def _admit(self, method: MethodDescriptor, request: Any, metadata: dict[str, str]) -> None:
        self.calls.append((method.name, request, metadata))
        if self.faults[method.name] and (fault := self.faults[method.name].popleft()) is not None:
            raise fault
        if method.name in ANONYMOUS:
            return
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING", "No token came with the call.")
        if token not in self.good_tokens:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID", "The token is not good.")

    def _handler(self, method: MethodDescriptor) -> Handler:
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.name).lower()
        handler: Handler | None = self.handlers.get(method.name) or getattr(self, snake, None)
        if handler is None:
            raise Refused(grpc.StatusCode.UNIMPLEMENTED, "", f"{method.name} is not in this fake")
        return handler


def abort(context: grpc.ServicerContext, refused: Refused) -> None:
    """Ends the call as the real server does, with `grpc-status-details-bin`."""
    status = refused.status()
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(refused.code, refused.message)


class FakeTokens(FakeApi):
    """Signs in: one API key, access tokens that live `token_seconds`."""

    token_seconds = 900.0

    def __init__(self) -> None:
        super().__init__()
        self.refresh_tokens: set[str] = set()

    def exchange_token(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.api_key != API_KEY:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID", "The API key is unknown or revoked.")
        return auth_service_pb2.ExchangeTokenResponse(tokens=self._tokens())

    def refresh_token(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.refresh_token not in self.refresh_tokens:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_REUSED", "The refresh token was used before.")
        self.refresh_tokens.remove(request.refresh_token)
        return auth_service_pb2.RefreshTokenResponse(tokens=self._tokens())

    def who_am_i(self, request: Any, context: grpc.ServicerContext) -> Any:
        return auth_service_pb2.WhoAmIResponse(
            principal=f"{ACCOUNT}/members/dev", account=ACCOUNT, permissions=["runs.create", "stacks.read"]
        )

    def _tokens(self) -> Any:
        access, refresh = f"access-{uuid.uuid4()}", f"refresh-{uuid.uuid4()}"
        self.good_tokens.add(access)
        self.refresh_tokens.add(refresh)
        tokens = auth_service_pb2.Tokens(access_token=access, refresh_token=refresh)
        tokens.access_expires_at.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.token_seconds))
        return tokens

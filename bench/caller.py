"""The API as a program calls it: gRPC through Envoy with an access token, messages by Google's protobuf."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from bench.installed import Installed
from stackly.v1 import (
    accounts_pb2,
    accounts_service_pb2,
    accounts_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    runs_pb2,
    runs_service_pb2,
    runs_service_pb2_grpc,
    stacks_pb2,
    stacks_service_pb2,
    stacks_service_pb2_grpc,
)

ACCOUNT = "accounts/dev"
_SECONDS = 60.0


class RunEndedError(Exception):
    """A run did not end as the measurement needs it."""


@dataclass
class Caller:
    """A signed-in caller on one channel."""

    channel: grpc.Channel
    token: str
    runs: "runs_service_pb2_grpc.RunServiceStub" = field(init=False)
    stacks: "stacks_service_pb2_grpc.StackServiceStub" = field(init=False)
    accounts: "accounts_service_pb2_grpc.AccountServiceStub" = field(init=False)

    def __post_init__(self) -> None:
        self.runs = runs_service_pb2_grpc.RunServiceStub(self.channel)
        self.stacks = stacks_service_pb2_grpc.StackServiceStub(self.channel)
        self.accounts = accounts_service_pb2_grpc.AccountServiceStub(self.channel)

    @property
    def signed(self) -> tuple[tuple[str, str], ...]:
        """Metadata of each call."""
        return (("authorization", f"Bearer {self.token}"),)

    def connect(self, repository: accounts_pb2.Repository) -> accounts_service_pb2.ConnectRepositoryResponse:
        request = accounts_service_pb2.ConnectRepositoryRequest(
            parent=ACCOUNT, repository=repository, request_id=str(uuid.uuid4())
        )
        return self.accounts.ConnectRepository(request, metadata=self.signed, timeout=_SECONDS)

    def make_state(self, code: str, id_: str) -> str:
        """A new stack state of a code by its resource name; its resource name."""
        state = stacks_pb2.StackState(stack_code=code)
        request = stacks_service_pb2.CreateStackStateRequest(
            parent=ACCOUNT, stack_state_id=id_, stack_state=state, request_id=str(uuid.uuid4())
        )
        return self.stacks.CreateStackState(request, metadata=self.signed, timeout=_SECONDS).stack_state.name

    def create(self, stack_state: str, *, auto_apply: bool = False) -> runs_pb2.Run:
        run = runs_pb2.Run(type=runs_pb2.RUN_TYPE_APPLY, auto_apply=auto_apply)
        request = runs_service_pb2.CreateRunRequest(parent=stack_state, run=run, request_id=str(uuid.uuid4()))
        return self.runs.CreateRun(request, metadata=self.signed, timeout=_SECONDS).run

    def wait(self, name: str, until: "runs_service_pb2.WaitUntil", status: "runs_pb2.RunStatus") -> runs_pb2.Run:
        """The run once it is there; RunEndedError when it has another status then."""
        run = self.wait_any(name, until)
        if run.status != status:
            raise RunEndedError(f"{name} is {runs_pb2.RunStatus.Name(run.status)}: {run.error}")
        return run

    def wait_any(self, name: str, until: "runs_service_pb2.WaitUntil") -> runs_pb2.Run:
        """The run once it is there, whatever became of it; TimeoutError after a minute."""
        request = runs_service_pb2.WaitRunRequest(name=name, until=until)
        end = time.monotonic() + _SECONDS
        while True:
            answer = self.runs.WaitRun(request, metadata=self.signed, timeout=_SECONDS)
            if answer.reached:
                return answer.run
            if time.monotonic() > end:
                status = runs_pb2.RunStatus.Name(answer.run.status)
                raise TimeoutError(f"{name} is {status} after {_SECONDS:.0f} seconds")

    def approve(self, run: runs_pb2.Run) -> None:
        request = runs_service_pb2.ApproveRunRequest(name=run.name, plan_digest=run.plan_digest)
        self.runs.ApproveRun(request, metadata=self.signed, timeout=_SECONDS)


@contextmanager
def signed_in(installed: Installed) -> Iterator[Caller]:
    """A caller with the development platform's API key."""
    credentials = grpc.ssl_channel_credentials(installed.ca_file.read_bytes())
    with grpc.secure_channel(installed.address, credentials) as channel:
        auth = auth_service_pb2_grpc.AuthServiceStub(channel)
        request = auth_service_pb2.ExchangeTokenRequest(api_key=installed.api_key)
        yield Caller(channel, auth.ExchangeToken(request, timeout=_SECONDS).tokens.access_token)

"""The API as a program calls it: gRPC through Envoy with an access token, messages by Google's protobuf."""

import time
import uuid
from collections.abc import Iterator, Mapping
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
    states_service_pb2,
    states_service_pb2_grpc,
)

ACCOUNT = "accounts/dev"
_SECONDS = 60.0
_TOKEN_SECONDS = 600.0


class RunEndedError(Exception):
    """A run did not end as the measurement needs it."""


@dataclass
class Caller:
    """A signed-in caller on one channel."""

    channel: grpc.Channel
    api_key: str
    _token: str = ""
    _fresh_until: float = 0.0  # on the monotonic clock
    runs: "runs_service_pb2_grpc.RunServiceStub" = field(init=False)
    stacks: "stacks_service_pb2_grpc.StackServiceStub" = field(init=False)
    accounts: "accounts_service_pb2_grpc.AccountServiceStub" = field(init=False)
    states: "states_service_pb2_grpc.StateServiceStub" = field(init=False)

    def __post_init__(self) -> None:
        self.runs = runs_service_pb2_grpc.RunServiceStub(self.channel)
        self.stacks = stacks_service_pb2_grpc.StackServiceStub(self.channel)
        self.accounts = accounts_service_pb2_grpc.AccountServiceStub(self.channel)
        self.states = states_service_pb2_grpc.StateServiceStub(self.channel)

    @property
    def signed(self) -> tuple[tuple[str, str], ...]:
        """Metadata of each call."""
        return (("authorization", f"Bearer {self.token}"),)

    @property
    def token(self) -> str:
        """It lasts a quarter of an hour: a long measurement needs several."""
        if time.monotonic() > self._fresh_until:
            auth = auth_service_pb2_grpc.AuthServiceStub(self.channel)
            request = auth_service_pb2.ExchangeTokenRequest(api_key=self.api_key)
            self._token = auth.ExchangeToken(request, timeout=_SECONDS).tokens.access_token
            self._fresh_until = time.monotonic() + _TOKEN_SECONDS
        return self._token

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

    def create(
        self, stack_state: str, *, auto_apply: bool = False, variables: Mapping[str, str] | None = None
    ) -> runs_pb2.Run:
        """A run of the desired commit; `variables` of this run as JSON text."""
        given = {name: runs_pb2.RunVariable(json=text) for name, text in (variables or {}).items()}
        run = runs_pb2.Run(type=runs_pb2.RUN_TYPE_APPLY, auto_apply=auto_apply, variables=given)
        request = runs_service_pb2.CreateRunRequest(parent=stack_state, run=run, request_id=str(uuid.uuid4()))
        return self.runs.CreateRun(request, metadata=self.signed, timeout=_SECONDS).run

    def wait(
        self, name: str, until: "runs_service_pb2.WaitUntil", status: "runs_pb2.RunStatus", seconds: float = _SECONDS
    ) -> runs_pb2.Run:
        """The run once it is there; RunEndedError when it has another status then."""
        run = self.wait_any(name, until, seconds)
        if run.status != status:
            raise RunEndedError(f"{name} is {runs_pb2.RunStatus.Name(run.status)}: {run.error}")
        return run

    def wait_any(self, name: str, until: "runs_service_pb2.WaitUntil", seconds: float = _SECONDS) -> runs_pb2.Run:
        """The run once it is there, whatever became of it; TimeoutError after so many seconds."""
        request = runs_service_pb2.WaitRunRequest(name=name, until=until)
        end = time.monotonic() + seconds
        while True:
            answer = self.runs.WaitRun(request, metadata=self.signed, timeout=_SECONDS)
            if answer.reached:
                return answer.run
            if time.monotonic() > end:
                status = runs_pb2.RunStatus.Name(answer.run.status)
                raise TimeoutError(f"{name} is {status} after {seconds:.0f} seconds")

    def steps(self, run: str) -> list[runs_pb2.RunStep]:
        """All steps: tasks of workers, and what was planned and applied in them."""
        found: list[runs_pb2.RunStep] = []
        request = runs_service_pb2.ListRunStepsRequest(parent=run, page_size=200)
        while True:
            answer = self.runs.ListRunSteps(request, metadata=self.signed, timeout=_SECONDS)
            found += answer.run_steps
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    def state(self, stack_state: str) -> bytes:
        """The newest Terraform state document."""
        request = states_service_pb2.ExportStateVersionRequest(name=f"{stack_state}/stateVersions/-")
        stream = self.states.ExportStateVersion(request, metadata=self.signed, timeout=_SECONDS)
        return b"".join(part.chunk for part in stream)

    def approve(self, run: runs_pb2.Run) -> None:
        request = runs_service_pb2.ApproveRunRequest(name=run.name, plan_digest=run.plan_digest)
        self.runs.ApproveRun(request, metadata=self.signed, timeout=_SECONDS)


@contextmanager
def signed_in(installed: Installed) -> Iterator[Caller]:
    """A caller with the development platform's API key."""
    credentials = grpc.ssl_channel_credentials(installed.ca_file.read_bytes())
    with grpc.secure_channel(installed.address, credentials) as channel:
        yield Caller(channel, installed.api_key)

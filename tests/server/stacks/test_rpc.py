"""StackService through the door."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

from api import details, reason
from pushing import MODULE, World
from stackly.v1 import stacks_pb2, stacks_service_pb2_grpc
from stackly.v1 import stacks_service_pb2 as pb

if TYPE_CHECKING:
    from api import Api, Metadata, Tenant

FILE = b"""stack "net" {
  version     = "1.2"
  labels      = { team = "net" }
  policies    = ["two_people"]
  auto_deploy = true
  terraform { version = "~> 1.11" }
  state "eu" {
    variables { region = "eu-west-1" }
  }
  state "us" {
  }
}
"""


class Client:
    """A signed-in caller of StackService."""

    def __init__(self, api: "Api", metadata: "Metadata") -> None:
        self.stub = stacks_service_pb2_grpc.StackServiceStub(api.channel)
        self.metadata = metadata

    async def __call__(self, method: str, request: Any) -> Any:
        return await getattr(self.stub, method)(request, metadata=self.metadata)

    async def refused(self, method: str, request: Any) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self(method, request)
        return caught.value


@pytest.fixture
async def client(api: "Api", world: World) -> Client:
    return Client(api, await api.sign_in(world.dev.api_key))


@pytest.fixture
async def code(client: Client, world: World) -> stacks_pb2.StackCode:
    world.commit({"net/stackly.hcl": FILE, "net/main.tf": MODULE})
    request = pb.RegisterStackCodeRequest(parent="accounts/dev", repository=world.repository_name, repo_path="net")
    made: stacks_pb2.StackCode = (await client("RegisterStackCode", request)).stack_code
    return made


async def test_a_registered_code_says_all_that_its_file_says(
    client: Client, world: World, code: stacks_pb2.StackCode
) -> None:
    assert code.name.startswith("accounts/dev/stackCodes/acme-infra-")
    assert (code.repository, code.repo_path, code.ref) == (world.repository_name, "net", "main")
    assert (code.status, code.stack_state_count) == (stacks_pb2.STACK_CODE_STATUS_ACTIVE, 2)
    said = code.config
    assert (said.stack, said.version, said.engine, said.auto_deploy) == ("net", "1.2", "terraform ~> 1.11", True)
    assert (list(said.states), list(said.policies), dict(said.labels)) == (
        ["eu", "us"],
        ["two_people"],
        {"team": "net"},
    )
    assert (said.plan_timeout_seconds, said.apply_timeout_seconds) == (1800, 7200)
    assert (await client("GetStackCode", pb.GetStackCodeRequest(name=code.name))).stack_code == code
    listed = await client("ListStackCodes", pb.ListStackCodesRequest(parent="accounts/dev"))
    assert list(listed.stack_codes) == [code]


async def test_versions_are_listed_newest_first_in_pages(
    client: Client, world: World, code: stacks_pb2.StackCode
) -> None:
    parent = code.current_commit
    for number in range(3):
        parent = world.commit({"net/stackly.hcl": FILE, "net/main.tf": MODULE + b"#" * (number + 1)}, parent)
        answer = await client("SyncStackCode", pb.SyncStackCodeRequest(name=code.name, request_id=str(uuid4())))
        assert (answer.changed, answer.stack_code.current_commit) == (True, parent)
    seen, token = [], ""
    while True:
        request = pb.ListStackCodeVersionsRequest(parent=code.name, page_size=3, page_token=token)
        page = await client("ListStackCodeVersions", request)
        seen += list(page.stack_code_versions)
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == 4
    assert seen[0].commit == parent
    assert seen[-1].author == "Ann Author <ann@example.com>"
    assert (
        await client("GetStackCodeVersion", pb.GetStackCodeVersionRequest(name=seen[2].name))
    ).stack_code_version == seen[2]
    error = await client.refused(
        "GetStackCodeVersion", pb.GetStackCodeVersionRequest(name=f"{code.name}/versions/{'0' * 40}")
    )
    assert reason(error) == "NOT_FOUND"


async def test_a_repeated_sync_answers_the_same(client: Client, world: World, code: stacks_pb2.StackCode) -> None:
    world.commit({"net/stackly.hcl": FILE, "net/main.tf": b""}, code.current_commit)
    request = pb.SyncStackCodeRequest(name=code.name, request_id=str(uuid4()))
    first = await client("SyncStackCode", request)
    assert first.changed
    assert await client("SyncStackCode", request) == first


async def test_a_broken_file_is_refused_with_its_places(client: Client, world: World) -> None:
    world.commit({"x/stackly.hcl": b'stack "x" {\n  labels = 3\n  colour = 1\n}\n'})
    request = pb.RegisterStackCodeRequest(parent="accounts/dev", repository=world.repository_name, repo_path="x")
    error = await client.refused("RegisterStackCode", request)
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "CONFIG_INVALID")
    info = details(error, error_details_pb2.ErrorInfo)
    assert (info.metadata["path"], info.metadata["line"], info.metadata["column"]) == ("x/stackly.hcl", "2", "12")
    assert info.metadata["line_text"] == "  labels = 3"


async def test_stack_states_are_shown_made_changed_deleted_and_brought_back(
    client: Client, world: World, code: stacks_pb2.StackCode
) -> None:
    listed = await client("ListStackStates", pb.ListStackStatesRequest(parent="accounts/dev", stack_code=code.name))
    assert [state.name for state in listed.stack_states] == [
        "accounts/dev/stackStates/net-eu",
        "accounts/dev/stackStates/net-us",
    ]
    eu = listed.stack_states[0]
    assert (eu.state_block, eu.stack_code, eu.namespace) == ("eu", code.name, "accounts/dev/namespaces/default")
    assert (eu.status, list(eu.conditions)) == (
        stacks_pb2.STACK_STATE_STATUS_PENDING, [stacks_pb2.STACK_STATE_CONDITION_UPDATE_AVAILABLE],
    )  # fmt: skip
    variables = {"region": stacks_pb2.Variable(json='"x"'), "token": stacks_pb2.Variable(json='"hush"', sensitive=True)}
    wanted = stacks_pb2.StackState(stack_code=code.name, variables=variables, labels={"a": "b"}, auto_deploy=False)
    create = pb.CreateStackStateRequest(
        parent="accounts/dev", stack_state_id="mine", stack_state=wanted, request_id=str(uuid4())
    )
    made = (await client("CreateStackState", create)).stack_state
    assert (await client("CreateStackState", create)).stack_state == made
    assert (made.state_block, dict(made.labels), made.auto_deploy) == ("", {"team": "net", "a": "b"}, False)
    assert made.variables["token"] == stacks_pb2.Variable(sensitive=True)
    assert made.variables["region"].json == '"x"'
    gone = stacks_pb2.StackState(name=made.name, variables={"region": stacks_pb2.Variable()}, etag=made.etag)
    changed = (await client("UpdateStackState", pb.UpdateStackStateRequest(stack_state=gone))).stack_state
    assert sorted(changed.variables) == ["token"]
    stale = await client.refused("UpdateStackState", pb.UpdateStackStateRequest(stack_state=gone))
    assert (stale.code(), reason(stale)) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    bare = stacks_pb2.StackState(name=made.name)
    reset = pb.UpdateStackStateRequest(stack_state=bare, update_mask=FieldMask(paths=["auto_deploy", "labels"]))
    plain = (await client("UpdateStackState", reset)).stack_state
    assert (plain.HasField("auto_deploy"), dict(plain.labels)) == (False, {"team": "net"})
    deleted = (await client("DeleteStackState", pb.DeleteStackStateRequest(name=made.name))).stack_state
    assert deleted.status == stacks_pb2.STACK_STATE_STATUS_DELETED
    assert (await client("GetStackState", pb.GetStackStateRequest(name=made.name))).stack_state == deleted
    back = (await client("UndeleteStackState", pb.UndeleteStackStateRequest(name=made.name))).stack_state
    assert (back.status, back.HasField("deleted_at")) == (stacks_pb2.STACK_STATE_STATUS_PENDING, False)


async def test_an_empty_update_and_strange_masks_are_refused(client: Client, code: stacks_pb2.StackCode) -> None:
    name = "accounts/dev/stackStates/net-eu"
    empty = await client.refused(
        "UpdateStackState", pb.UpdateStackStateRequest(stack_state=stacks_pb2.StackState(name=name))
    )
    assert reason(empty) == "UPDATE_EMPTY"
    mask = FieldMask(paths=["commit"])
    strange = pb.UpdateStackStateRequest(stack_state=stacks_pb2.StackState(name=name), update_mask=mask)
    assert reason(await client.refused("UpdateStackState", strange)) == "VALIDATION_FAILED"


@pytest.mark.parametrize("field", ["stack_code", "namespace"])
async def test_what_cannot_change_is_refused_and_not_passed_over(
    client: Client, code: stacks_pb2.StackCode, field: str
) -> None:
    name = "accounts/dev/stackStates/net-eu"
    now = (await client("GetStackState", pb.GetStackStateRequest(name=name))).stack_state
    moved = stacks_pb2.StackState(name=name, labels={"a": "b"})
    setattr(moved, field, f"{getattr(now, field)}-2")
    error = await client.refused("UpdateStackState", pb.UpdateStackStateRequest(stack_state=moved))
    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED")
    (violation,) = details(error, error_details_pb2.BadRequest).field_violations
    assert violation.field == f"stack_state.{field}"
    assert (await client("GetStackState", pb.GetStackStateRequest(name=name))).stack_state == now
    setattr(moved, field, getattr(now, field))
    same = await client("UpdateStackState", pb.UpdateStackStateRequest(stack_state=moved))
    assert same.stack_state.labels["a"] == "b"


async def test_another_account_sees_nothing(
    api: "Api", world: World, code: stacks_pb2.StackCode, rival: "Tenant"
) -> None:
    stranger = Client(api, await api.sign_in(rival.api_key))
    asked: dict[str, Any] = {
        "GetStackCode": pb.GetStackCodeRequest(name=code.name),
        "GetStackState": pb.GetStackStateRequest(name="accounts/dev/stackStates/net-eu"),
        "SyncStackCode": pb.SyncStackCodeRequest(name=code.name),
        "DeleteStackState": pb.DeleteStackStateRequest(name="accounts/dev/stackStates/net-eu"),
    }
    for method, request in asked.items():
        assert reason(await stranger.refused(method, request)) in {"NOT_FOUND", "PERMISSION_DENIED"}
        own = type(request)(name=request.name.replace("accounts/dev", "accounts/rival"))
        assert reason(await stranger.refused(method, own)) == "NOT_FOUND"
    assert (await world.stack_states())["net-eu"].state.status == "PENDING"

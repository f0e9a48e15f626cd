"""StateService through the door: versions, the exact document, locks, outputs."""

import hashlib
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from api import details, reason
from pushing import MODULE, STACK, World
from stackly.v1 import states_service_pb2 as pb
from stackly.v1 import states_service_pb2_grpc
from stackly_server.states.model import NewState

if TYPE_CHECKING:
    from api import Api, Metadata, Tenant

PARENT = "accounts/dev/stackStates/hello"
LINEAGE = "11111111-2222-3333-4444-555555555555"


def document(serial: int, *, padding: int = 0) -> bytes:
    resource = {
        "mode": "managed", "type": "terraform_data", "name": "it", "provider": 'provider["x"]',
        "instances": [{"attributes": {"id": "1", "text": "x" * padding}}],
    }  # fmt: skip
    outputs = {
        "address": {"value": "10.0.0.1", "type": "string"},
        "exact": {"value": 12345678901234567890, "type": "number"},
        "password": {"value": "hush", "type": "string", "sensitive": True},
    }
    state = {
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": LINEAGE, "outputs": outputs,
        "resources": [resource], "check_results": None,
    }  # fmt: skip
    return json.dumps(state, indent=2).encode() + b"\n"


class Client:
    """A signed-in caller of StateService."""

    def __init__(self, api: "Api", metadata: "Metadata") -> None:
        self.stub = states_service_pb2_grpc.StateServiceStub(api.channel)
        self.metadata = metadata

    async def __call__(self, method: str, request: Any) -> Any:
        return await getattr(self.stub, method)(request, metadata=self.metadata)

    async def refused(self, method: str, request: Any) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self(method, request)
        return caught.value

    async def export(self, name: str) -> list[pb.ExportStateVersionResponse]:
        request = pb.ExportStateVersionRequest(name=name)
        return [record async for record in self.stub.ExportStateVersion(request, metadata=self.metadata)]


@pytest.fixture
async def client(api: "Api", world: World) -> Client:
    world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    await world.requests.register(world.subject, "accounts/dev", world.repository_name, "", "")
    return Client(api, await api.sign_in(world.dev.api_key))


async def write(world: World, *documents: bytes) -> None:
    """As a run under the lock does. The blobs are those of the server."""
    from stackly_server.outside.blobs import DirectoryBlobs
    from stackly_server.states.service import StateService

    states = StateService(world.ground.database, world.ground.keys, DirectoryBlobs(world.ground.settings.blobs_dir))
    state = (await world.stack_states())["hello"].state
    run_id = uuid4()
    async with world.ground.database.transaction(world.subject) as tx:
        assert await states.acquire(tx, state.id, run_id, "a run")
        epoch = await states.fence(tx, state.id, run_id)
    for data in documents:
        serial = json.loads(data)["serial"]
        new = NewState(state.id, run_id, epoch, serial, LINEAGE, hashlib.sha256(data).hexdigest())
        assert await states.write(world.subject, new, data) is None
    async with world.ground.database.transaction(world.subject) as tx:
        await states.release(tx, state.id, run_id)


async def test_versions_are_listed_newest_first_and_the_newest_is_named_by_a_dash(client: Client, world: World) -> None:
    assert (
        reason(await client.refused("GetStateVersion", pb.GetStateVersionRequest(name=f"{PARENT}/stateVersions/-")))
        == "NOT_FOUND"
    )
    await write(world, document(1), document(2), document(5))
    first = await client("ListStateVersions", pb.ListStateVersionsRequest(parent=PARENT, page_size=2))
    assert [version.serial for version in first.state_versions] == [5, 2]
    rest = pb.ListStateVersionsRequest(parent=PARENT, page_size=2, page_token=first.next_page_token)
    assert [version.serial for version in (await client("ListStateVersions", rest)).state_versions] == [1]
    newest = (
        await client("GetStateVersion", pb.GetStateVersionRequest(name=f"{PARENT}/stateVersions/-"))
    ).state_version
    assert newest == first.state_versions[0]
    assert (newest.name, newest.lineage, newest.resource_count) == (f"{PARENT}/stateVersions/5", LINEAGE, 1)
    exported = b"".join(record.chunk for record in await client.export(f"{PARENT}/stateVersions/5"))
    assert (newest.sha256, newest.size_bytes) == (hashlib.sha256(exported).hexdigest(), len(exported))
    for last in ("3", "05x", "9" * 30):
        error = await client.refused(
            "GetStateVersion", pb.GetStateVersionRequest(name=f"{PARENT}/stateVersions/{last}")
        )
        assert reason(error) == "NOT_FOUND"


async def test_the_whole_document_comes_back_in_chunks_and_is_told(client: Client, world: World) -> None:
    large = document(2, padding=600 * 1024)
    await write(world, document(1), large)
    records = await client.export(f"{PARENT}/stateVersions/-")
    assert [record.WhichOneof("record") for record in records] == ["state_version", "chunk", "chunk", "chunk", "end"]
    assert max(len(record.chunk) for record in records) == 256 * 1024
    exported = b"".join(record.chunk for record in records)
    assert json.loads(exported, parse_int=str, parse_float=str) == json.loads(large, parse_int=str, parse_float=str)
    assert records[-1].end.code == 0
    assert ("state.exported", f"{PARENT}/stateVersions/2") in await world.events()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.export(f"{PARENT}/stateVersions/7")
    assert reason(caught.value) == "NOT_FOUND"


async def test_outputs_hide_what_is_sensitive_unless_asked(client: Client, world: World) -> None:
    empty = await client("ListOutputs", pb.ListOutputsRequest(parent=PARENT))
    assert (list(empty.outputs), empty.serial) == ([], 0)
    await write(world, document(1))
    plain = await client("ListOutputs", pb.ListOutputsRequest(parent=PARENT))
    assert [(each.name, each.json, each.sensitive) for each in plain.outputs] == [
        ("address", '"10.0.0.1"', False),
        ("exact", "12345678901234567890", False),
        ("password", "", True),
    ]
    whole = await client("ListOutputs", pb.ListOutputsRequest(parent=PARENT, include_sensitive=True))
    assert (whole.outputs[2].json, whole.serial) == ('"hush"', 1)
    assert ("state.outputs_read", PARENT) in await world.events()
    error = await client.refused("ListOutputs", pb.ListOutputsRequest(parent="accounts/dev/stackStates/none"))
    assert reason(error) == "NOT_FOUND"


async def test_locks_are_taken_given_again_and_given_back(client: Client, world: World) -> None:
    ask = pb.LockStateRequest(name=PARENT, reason="surgery", ttl=Duration(seconds=3600))
    lock = (await client("LockState", ask)).lock
    assert (lock.holder, lock.reason) == ("accounts/dev/members/ann", "surgery")
    assert lock.expires_at.seconds - lock.locked_at.seconds == 3600
    assert (await client("LockState", ask)).lock == lock
    from stackly.v1 import stacks_pb2
    from stackly_server.stacks.wire import state_to_proto

    shown = state_to_proto((await world.stack_states())["hello"])
    assert shown.lock == lock
    assert stacks_pb2.STACK_STATE_CONDITION_LOCKED in shown.conditions
    for wrong in ("", "no uuid", str(uuid4())):
        error = await client.refused("UnlockState", pb.UnlockStateRequest(name=PARENT, lock_id=wrong))
        assert reason(error) == "LOCK_ID_MISMATCH"
    await client("UnlockState", pb.UnlockStateRequest(name=PARENT, lock_id=lock.lock_id))
    await client("UnlockState", pb.UnlockStateRequest(name=PARENT, lock_id=lock.lock_id))
    assert not state_to_proto((await world.stack_states())["hello"]).HasField("lock")


async def test_anothers_lock_is_named_and_broken_only_by_force(client: Client, world: World) -> None:
    other = world.dev.subject(member="bob")
    state = (await world.stack_states())["hello"].state
    await world.states.lock(other, state.id, PARENT, "mine", None)
    error = await client.refused("LockState", pb.LockStateRequest(name=PARENT, reason="surgery"))
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "STACK_LOCKED")
    assert details(error, error_details_pb2.ErrorInfo).metadata["holder"] == "accounts/dev/members/bob"
    await client("UnlockState", pb.UnlockStateRequest(name=PARENT, force=True))
    assert (await client("LockState", pb.LockStateRequest(name=PARENT))).lock.holder == "accounts/dev/members/ann"


@pytest.mark.parametrize("seconds", [0, -5, 8 * 24 * 3600, 2**62])
async def test_a_lock_ends_within_seven_days(client: Client, seconds: int) -> None:
    ask = pb.LockStateRequest(name=PARENT, ttl=Duration(seconds=seconds))
    assert reason(await client.refused("LockState", ask)) == "VALIDATION_FAILED"


async def test_another_account_sees_nothing(client: Client, api: "Api", world: World, rival: "Tenant") -> None:
    await write(world, document(1))
    stranger = Client(api, await api.sign_in(rival.api_key))
    for name in (PARENT, PARENT.replace("accounts/dev", "accounts/rival")):
        for method, request in {
            "ListStateVersions": pb.ListStateVersionsRequest(parent=name),
            "GetStateVersion": pb.GetStateVersionRequest(name=f"{name}/stateVersions/1"),
            "ListOutputs": pb.ListOutputsRequest(parent=name),
            "LockState": pb.LockStateRequest(name=name),
        }.items():
            assert reason(await stranger.refused(method, request)) == "NOT_FOUND"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stranger.export(f"{name}/stateVersions/1")
        assert reason(caught.value) == "NOT_FOUND"

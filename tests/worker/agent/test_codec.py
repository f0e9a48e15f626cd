"""The worker's codec: opens what the control plane's seals and the other way round, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.converter import ActivitySerializationContext, WorkflowSerializationContext

from stackly.worker.v1 import tasks_pb2
from stackly_server.outside import codec as theirs
from stackly_server.sealing import DataKey
from stackly_worker.agent.codec import Context, Key, KeyRing, SealError, SealingCodec, converter

ACCOUNT = "0199e0a0-0000-7000-8000-000000000001"
NAMESPACE = "s-1"
KEYS = [Key(2, b"b" * 32), Key(1, b"a" * 32)]
AT = ActivitySerializationContext(
    namespace=NAMESPACE, activity_id="1", activity_type="t", activity_task_queue="q", workflow_id="run/1/plan/1",
    workflow_type="w", is_local=False,
)  # fmt: skip


async def keys() -> Sequence[Key]:
    return KEYS


def ours(account: str = ACCOUNT, ring: KeyRing | None = None) -> SealingCodec:
    return SealingCodec(ring or KeyRing(keys), Context(account, NAMESPACE))


@dataclass(frozen=True)
class ServerKeys:
    async def all(self, account_id: UUID, purpose: str) -> list[DataKey]:
        return [DataKey(account_id, purpose, key.version, key.key) for key in KEYS]


def server_codec() -> theirs.SealingCodec:
    return theirs.SealingCodec(ServerKeys(), UUID(ACCOUNT), theirs.Context(ACCOUNT, NAMESPACE))


@given(
    data=st.binary(max_size=2000), metadata=st.dictionaries(st.text(max_size=20), st.binary(max_size=20), max_size=3)
)
async def test_twins_open_each_other(data: bytes, metadata: dict[str, bytes]) -> None:
    payload = Payload(metadata=metadata, data=data)
    for sealing, opening in ((ours(), server_codec()), (server_codec(), ours())):
        sealed = await sealing.with_context(AT).encode([payload])
        assert sealed[0].metadata["stackly-key"] == b"2"
        assert await opening.with_context(AT).decode(sealed) == [payload]


async def test_messages_travel_sealed() -> None:
    data = converter(KeyRing(keys), ACCOUNT, NAMESPACE).with_context(AT)
    message = tasks_pb2.PlanBatchRequest(nonce="not to be seen", run="accounts/a/runs/run-1")
    payloads = await data.encode([message])
    assert b"not to be seen" not in payloads[0].SerializeToString()
    assert await data.decode(payloads, [tasks_pb2.PlanBatchRequest]) == [message]


async def test_nothing_of_another_place_opens() -> None:
    (sealed,) = await ours().with_context(AT).encode([Payload(data=b"x")])
    elsewhere = WorkflowSerializationContext(namespace=NAMESPACE, workflow_id="run/2/plan/1")
    assert await ours().with_context(AT).decode([sealed]), "it opens where it belongs"
    for codec in (ours().with_context(elsewhere), ours("another").with_context(AT)):
        with pytest.raises(SealError, match="belongs to another"):
            await codec.decode([sealed])


@pytest.mark.parametrize("part", ["data", "context", "key"])
async def test_nothing_altered_opens(part: str) -> None:
    (sealed,) = await ours().encode([Payload(data=b"x" * 40)])
    assert await ours().decode([sealed]), "it opens as it came"
    if part == "data":
        sealed.data = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    elif part == "context":
        sealed.metadata["stackly-context"] += b" "
    else:
        sealed.metadata["stackly-key"] = b"1"
    with pytest.raises(SealError, match="altered"):
        await ours().decode([sealed])


async def test_plain_payloads_are_refused() -> None:
    with pytest.raises(SealError, match="not sealed"):
        await ours().decode([Payload(metadata={"encoding": b"json/plain"}, data=b"1")])


async def test_new_key_is_fetched_when_a_payload_names_it() -> None:
    known = [KEYS[1]]

    async def fetch() -> Sequence[Key]:
        return tuple(known)

    ring = KeyRing(fetch)
    await ring.refresh()
    (sealed,) = await ours().encode([Payload(data=b"x")])
    with pytest.raises(SealError, match="is gone"):
        await ours(ring=ring).decode([sealed])
    known.insert(0, KEYS[0])
    assert await ours(ring=ring).decode([sealed]) == [Payload(data=b"x")]

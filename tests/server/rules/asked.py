"""For each RPC a small valid request, about things that an account really has."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from api import Metadata
from machines import Machine
from server.rules.account import Account
from server.rules.calls import RPCS, Outcome, Rpc, call
from server.rules.materials import CLAIM, artifact, offer, plan, planned_again, policy, record, result, state, webhook
from server.rules.place import Caller

Fields = Mapping[str, Any]
Special = Callable[[Account, Caller], Fields | list[Message]]

_APPLYING = {"RunnerService/FetchPlan", "RunnerService/StartApply", "RunnerService/WriteState"}
_BEGUN = {
    "RunnerService/FetchRecords", "RunnerService/FetchResult", "RunnerService/OfferBatch", "RunnerService/SubmitResult",
    "RunnerService/VerifyPlan", "RunnerService/WatchBatches", "RunnerService/WithdrawBatch", "RunnerService/WriteRecords",
}  # fmt: skip
_RUNS = {"RunService/ListRunSteps", "RunService/TailRunLogs", "RunService/ReadRunLogs"}  # of the one that is applied


def name_for(a: Account, rpc: Rpc, pattern: str) -> str:
    """A thing of the account that the RPC can do its work on."""
    states = {"UndeleteStackState": "gone", "UnlockState": "locked", "ListRuns": "done", "WatchRuns": "done"}
    kind = rpc.method.containing_service.name
    purpose = "done" if kind == "StateService" and rpc.reads else states.get(rpc.method.name, "calm")
    worker = {"DeleteWorker": "offline", "EvictWorker": "sibling", "BanWorker": "sibling"}.get(
        rpc.method.name, "holder"
    )
    run = a.run("done", 1 if rpc.name in _RUNS else 2)
    repository = "spare repository" if rpc.method.name == "DisconnectRepository" else "repository"
    below = pattern.removeprefix("accounts/*").lstrip("/")
    return {
        "": a.name,
        "apiKeys/*": a.names["key"],
        "members/*": a.names["member"],
        "namespaces/*": a.namespace,
        "namespaces/*/joinTokens/*": a.names["token"],
        "namespaces/*/workers/*": a.names[worker],
        "policies/*": a.names["policy"],
        "repositories/*": a.names[repository],
        "stackCodes/*": a.names["code"],
        "stackCodes/*/versions/*": f"{a.names['code']}/versions/{a.facts['commits'][0]}",
        "stackStates/*": a.state(purpose),
        "stackStates/*/runs/*": run,
        "stackStates/*/runs/*/plan": f"{run}/plan",
        "stackStates/*/runs/*/graph": f"{run}/graph",
        "stackStates/*/stateVersions/*": f"{a.state('done')}/stateVersions/1",
    }[below]


def requests(
    rpc: Rpc, a: Account, caller: Caller | None = None, *, full: bool = False, special: Special | None = None
) -> list[Message]:
    """What to send. With `full`, fields that name resources are set even where they are optional."""
    special = special or _SPECIAL.get(rpc.name)
    fields = special(a, caller or a.callers["owner"]) if special else {}
    if isinstance(fields, list):
        return fields
    request: Message = rpc.request(**fields)
    for naming in rpc.naming:
        if (full or naming.required) and not naming.read(request):
            naming.write(request, name_for(a, rpc, naming.pattern))
    return [request]


def headers(rpc: Rpc, a: Account) -> tuple[list[Message], Metadata] | None:
    """The request of an RPC that is known by a signature over it."""
    if rpc.name != "WebhookService/ReceiveGitHubWebhook":
        return None
    body, metadata = webhook(a.facts["repository id"], a.facts["repository secret"], a.facts["commits"][-1])
    return [rpc.request(payload={"data": body})], metadata


def as_itself(rpc: Rpc, a: Account, kind: str) -> Caller:
    """A caller of a kind; a worker or runner is the one whom the RPC fits."""
    if kind == "run" and rpc.name in _APPLYING:
        return Caller.run(a.tokens["apply"])
    if kind == "run" and rpc.name in _BEGUN:
        return Caller.run(a.tokens["begun"])
    if kind == "worker" and rpc.method.name == "VerifyCapabilities":
        return a.callers["pending"]
    return a.callers[kind]


async def send(rpc: Rpc, a: Account, caller: Caller, sent: list[Message] | None = None) -> Outcome:
    """Calls, about things of account `a` unless something else is to be sent."""
    channel: grpc.aio.Channel = caller.channel or a.place.channel
    signed = headers(rpc, a)
    if signed is not None and sent is None:
        return await call(channel, rpc, signed[0], caller.metadata + signed[1])
    return await call(channel, rpc, requests(rpc, a, caller) if sent is None else sent, caller.metadata)


def rightful(rpc: Rpc) -> str:
    """The kind of caller for whom an RPC is, with all that one may have."""
    return {4: "worker", 5: "run"}.get(rpc.rule.audience, "owner")


def _lines(a: Account, _c: Caller) -> Fields:
    return {"namespace": a.facts["temporal"], "payload": {"data": a.facts["payloads"]}}


def _batch(purpose: str) -> Callable[[Account, Caller], Fields]:
    return lambda a, _c: {"batch": a.batch(purpose, "PLAN")[0]}


def _claim(a: Account, _c: Caller) -> Fields:
    batch, nonce = a.batch("queued", "PLAN")
    return {"batch": batch, "nonce": nonce}


def _repository(a: Account, _c: Caller) -> Fields:
    external = f"{a.number}99"
    return {
        "repository": {"clone_url": a.facts["more"].url, "full_name": f"{a.tenant.name}/more", "external_id": external}
    }


def _written(a: Account, _c: Caller) -> list[Message]:
    return state(1, str(uuid4()))


def _fixed(**fields: Any) -> Callable[[Account, Caller], Fields]:
    return lambda _a, _c: fields


_SPECIAL: Mapping[str, Special] = {
    "AccountService/ConnectRepository": _repository,
    "AccountService/CreateApiKey": _fixed(api_key={"permissions": ["stacks.read"]}),
    "AccountService/UpdateMember": _fixed(member={"roles": ["viewer", "approver"]}),
    "AuthService/ExchangeToken": lambda a, _c: {"api_key": a.tenant.api_key},
    "AuthService/RefreshToken": lambda a, _c: {"refresh_token": a.callers["owner"].refresh},
    "AuthService/RevokeToken": lambda _a, c: {"refresh_token": c.refresh},
    "CodecService/DecodePayloads": _lines,
    "CodecService/EncodePayloads": lambda a, c: {**_lines(a, c), "payload": {"data": b'{"payloads":[]}'}},
    "EventService/WatchEvents": _fixed(resume_token="1"),
    "PolicyService/CreatePolicy": _fixed(policy={"hcl": policy("another")}),
    "PolicyService/UpdatePolicy": lambda a, _c: {"policy": {"hcl": policy(f"spare-{a.tenant.name}", 3)}},
    "PolicyService/ValidatePolicy": _fixed(hcl=policy("another")),
    "RunService/ApproveRun": lambda a, _c: {"plan_digest": a.facts["done 2 digest"]},
    "RunService/CreateRun": _fixed(run={"type": "RUN_TYPE_APPLY"}),
    "RunService/TailRunLogs": _fixed(no_follow=True),
    "RunService/WaitRun": _fixed(timeout={"seconds": 0}),
    "RunService/WatchRuns": _fixed(resume_token="2026-01-01T00:00:00+00:00"),
    "RunnerService/AppendRunLogs": _fixed(data=b"a line\n"),
    "RunnerService/FetchResult": _fixed(batch="h1"),
    "RunnerService/FinishBatch": _fixed(outcome="BATCH_OUTCOME_FAILED"),
    "RunnerService/KeepArtifact": lambda a, _c: artifact(a.tenant.name),
    "RunnerService/OfferBatch": lambda a, _c: offer(a.tenant.name),
    "RunnerService/ReportUnits": _fixed(
        batches=[{"number": 1, "units": ["module.app"], "status": "UNIT_BATCH_STATUS_RUNNING"}]
    ),
    "RunnerService/StartApply": lambda _a, _c: {"start_token": str(uuid4())},
    "RunnerService/SubmitPlan": lambda a, _c: plan({"artifact_sha256": a.facts["artifact"]}),
    "RunnerService/SubmitResult": lambda a, _c: result(a.tenant.name),
    "RunnerService/VerifyPlan": lambda _a, _c: planned_again(),
    "RunnerService/WithdrawBatch": _fixed(batch="h1"),
    "RunnerService/WriteRecords": lambda a, _c: {"records": [record("module.app", a.tenant.name)]},
    "RunnerService/WriteState": _written,
    "StackService/CreateStackState": _fixed(stack_state_id="another", stack_state={}),
    "StackService/RegisterStackCode": _fixed(repo_path="new"),
    "StackService/UpdateStackState": _fixed(stack_state={"labels": {"tier": "2"}}),
    "StateService/ListOutputs": _fixed(include_sensitive=True),
    "StateService/UnlockState": lambda a, _c: {"lock_id": a.facts["lock"]},
    "WorkerRegistry/CreateJoinToken": _fixed(join_token={}),
    "WorkerRegistry/RegisterWorker": lambda a, _c: {
        "join_token": a.facts["join token"], "csr": Machine().csr, "capabilities": CLAIM,
    },
    "WorkerRegistry/RotateCertificate": lambda _a, _c: {"csr": Machine().csr},
    "WorkerRegistry/UpdateWorker": _fixed(worker={"schedulable": False}),
    "WorkerRegistry/VerifyCapabilities": lambda a, _c: {**a.facts["pending challenge"], "capabilities": CLAIM},
    "WorkerTaskService/ClaimBatch": _claim,
    "WorkerTaskService/GetBatchStatus": _batch("busy"),
    "WorkerTaskService/ReclaimBatch": _batch("busy"),
}  # fmt: skip
assert _SPECIAL.keys() <= RPCS.keys()

# Requests that need more than the permission of their method: label → method and fields.
VARIANTS: Mapping[str, tuple[str, Special]] = {
    "CreateRun, type DESTROY": ("RunService/CreateRun", _fixed(run={"type": "RUN_TYPE_DESTROY"})),
    "CreateApiKey, of another member": (
        "AccountService/CreateApiKey", lambda a, _c: {"api_key": {"member": a.names["member"]}},
    ),
    "CreateApiKey, beyond the member's roles": (
        "AccountService/CreateApiKey",
        lambda a, _c: {"api_key": {"member": a.names["member"], "permissions": ["state.secret"]}},
    ),
}  # fmt: skip

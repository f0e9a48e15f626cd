"""What names things without being a resource name: tokens, ids, raw bodies. Each is good for its own account first."""

import re
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message

from server.rules.account import Account, Street
from server.rules.asked import as_itself, requests, rightful, send
from server.rules.calls import RPCS, Outcome, Rpc, call
from server.rules.materials import webhook
from server.rules.place import Caller
from stackly.options.v1 import options_pb2

LISTS = [rpc for rpc in RPCS.values() if rpc.has("page_token") and rpc.naming]
WATCHES = [rpc for rpc in RPCS.values() if rpc.has("resume_token")]
KEYED = [rpc for rpc in RPCS.values() if rpc.rule.idempotency == options_pb2.IDEMPOTENCY_KEYED]

# RPCs whose request names nothing of an account: the caller's own credential says all.
OWN_THINGS = {
    "AccountService/ListAccounts", "AuthService/ExchangeToken", "AuthService/RefreshToken", "AuthService/WhoAmI",
    "DiscoveryService/GetJwks", "DiscoveryService/GetOpenApi", "WorkerRegistry/DeregisterWorker",
    "WorkerRegistry/GetTrustBundle", "WorkerRegistry/Heartbeat", "WorkerRegistry/RegisterWorker",
    "WorkerRegistry/RotateCertificate", "WorkerTaskService/GetPayloadKeys",
    *(name for name in RPCS if name.startswith("RunnerService/")),
}  # fmt: skip


async def owner(street: Street, rpc: Rpc, whose: Account, request: Message) -> Outcome:
    return await send(rpc, whose, whose.callers["owner"], [request])


def unmarked(street: Street, outcome: Outcome, request: Message | str = "") -> None:
    """Nothing of account `a` came back but what was sent."""
    seen = outcome.message + b"".join(outcome.answers).decode("utf-8", "replace")
    assert not [mark for mark in street.marks if mark in seen and mark not in str(request)]


@pytest.mark.parametrize("rpc", LISTS, ids=[rpc.name for rpc in LISTS])
async def test_page_tokens(street: Street, rpc: Rpc) -> None:
    a, b = street.a, street.b
    first, theirs = _page(rpc, a), _page(rpc, b)
    token = rpc.answer.FromString((await owner(street, rpc, a, first)).answers[0]).next_page_token
    assert token, f"{rpc.name}: not enough things for a second page"
    first.page_token = theirs.page_token = token
    assert (await owner(street, rpc, a, first)).ok
    refused = await owner(street, rpc, b, theirs)
    assert str(refused) == "INVALID_ARGUMENT/PAGE_TOKEN_INVALID"
    unmarked(street, refused)


def _page(rpc: Rpc, account: Account) -> Any:
    (request,) = requests(rpc, account)
    request.page_size = 1  # type: ignore[attr-defined]
    return request


@pytest.mark.parametrize("rpc", WATCHES, ids=[rpc.name for rpc in WATCHES])
async def test_resume_tokens(street: Street, rpc: Rpc) -> None:
    mine = await owner(street, rpc, street.a, requests(rpc, street.a)[0])
    token = rpc.answer.FromString(mine.answers[0]).resume_token
    assert street.a.name.encode() in mine.answers[0]
    (request,) = requests(rpc, street.b)
    request.resume_token = token  # type: ignore[attr-defined]
    seen = await owner(street, rpc, street.b, request)
    unmarked(street, seen)
    assert seen.ok
    assert street.b.name.encode() in seen.answers[0]


@pytest.mark.parametrize("rpc", KEYED, ids=[rpc.name for rpc in KEYED])
async def test_request_ids(street: Street, rpc: Rpc) -> None:
    """The same request_id is another one in another account, and with another member."""
    a, b, id_ = street.a, street.b, str(uuid4())
    asked, theirs, wrong = requests(rpc, a)[0], requests(rpc, b)[0], requests(rpc, a)[0]
    for request in (asked, theirs, wrong):
        request.request_id = id_  # type: ignore[attr-defined]
    answer = await owner(street, rpc, a, asked)
    assert answer.ok
    assert await owner(street, rpc, a, asked) == answer, "the same answer again"
    before = street.place.tables.fingerprint(a.tenant.account_id)
    other = await owner(street, rpc, b, theirs)
    assert other.ok
    unmarked(street, other)
    assert await send(rpc, b, b.callers["owner"], [asked]) != answer
    assert street.place.tables.fingerprint(a.tenant.account_id) == before
    assert (
        await send(rpc, a, a.callers["admin"], [asked])
    ).answers != answer.answers or rpc.method.name == "SyncStackCode"


async def b_as(street: Street, name: str, kind: str, **fields: Any) -> Outcome:
    """A caller of account `b`, with these fields in an otherwise valid request of its own."""
    rpc, b = RPCS[name], street.b
    (request,) = requests(rpc, b)
    request.MergeFrom(rpc.request(**fields))
    outcome = await send(rpc, b, as_itself(rpc, b, kind), [request])
    assert street.place.tables.fingerprint(street.a.tenant.account_id) == street.print
    unmarked(street, outcome, request)
    return outcome


async def a_does(street: Street, name: str) -> None:
    """The same call is good for account `a` itself."""
    rpc, a = RPCS[name], street.a
    outcome = await send(rpc, a, as_itself(rpc, a, rightful(rpc)))
    assert outcome.ok, outcome
    street.put_back()


TASKS = ("WorkerTaskService/ClaimBatch", "WorkerTaskService/GetBatchStatus", "WorkerTaskService/ReclaimBatch")


@pytest.mark.parametrize("name", TASKS)
async def test_batches(street: Street, name: str) -> None:
    await a_does(street, name)
    (request,) = requests(RPCS[name], street.a)
    batch = request.batch  # type: ignore[attr-defined]
    fields = {"nonce": request.nonce} if name.endswith("ClaimBatch") and "Re" not in name else {}  # type: ignore[attr-defined]
    theirs = await b_as(street, name, "worker", batch={"run_id": batch.run_id}, **fields)
    nobody = str(uuid4())
    none = await b_as(street, name, "worker", batch={"run_id": nobody}, **fields)
    assert str(theirs) == str(none) == "NOT_FOUND/NOT_FOUND"
    assert theirs.message.replace(batch.run_id, "") == none.message.replace(nobody, "")


@pytest.mark.parametrize("name", TASKS)
async def test_batches_of_a_sibling(street: Street, name: str) -> None:
    """A worker of the same pool gets nothing of a batch that it was not handed, or no longer holds."""
    await a_does(street, name)
    (request,) = requests(RPCS[name], street.a)
    if hasattr(request, "nonce"):
        request.nonce = "n" * 32
    refused = await send(RPCS[name], street.a, Caller(channel=street.a.machines["sibling"]), [request])
    assert str(refused) == ("NOT_FOUND/NOT_FOUND" if RPCS[name].reads else "ABORTED/LEASE_LOST")
    assert street.put_back() == []


async def test_the_challenge_of_another_worker(street: Street) -> None:
    name = "WorkerRegistry/VerifyCapabilities"
    await a_does(street, name)
    theirs = await b_as(street, name, "worker", challenge_id=street.a.facts["pending challenge"]["challenge_id"])
    assert theirs == await b_as(street, name, "worker", challenge_id=str(uuid4()))
    assert str(theirs) == "FAILED_PRECONDITION/CAPABILITY_MISMATCH"


@pytest.mark.parametrize("name", ["CodecService/DecodePayloads", "CodecService/EncodePayloads"])
async def test_temporal_namespaces(street: Street, name: str) -> None:
    await a_does(street, name)
    theirs = await b_as(street, name, "owner", namespace=street.a.facts["temporal"])
    none = await b_as(street, name, "owner", namespace="s-nowhere")
    assert (theirs.code, theirs.message.replace(street.a.facts["temporal"], "")) == (
        "NOT_FOUND", none.message.replace("s-nowhere", ""),
    )  # fmt: skip


async def test_sealed_payloads(street: Street) -> None:
    name = "CodecService/DecodePayloads"
    await a_does(street, name)
    opened = await b_as(street, name, "owner", payload={"data": street.a.facts["payloads"]})
    assert str(opened) == "PERMISSION_DENIED/PERMISSION_DENIED"


async def test_deliveries_signed_by_another_account(street: Street) -> None:
    name = "WebhookService/ReceiveGitHubWebhook"
    await a_does(street, name)
    body, headers = webhook(street.a.facts["repository id"], street.b.facts["repository secret"], "0" * 40)
    sent = [RPCS[name].request(payload={"data": body})]
    refused = await call(street.place.channel, RPCS[name], sent, headers)
    body, headers = webhook("31337", street.b.facts["repository secret"], "0" * 40)
    unknown = await call(street.place.channel, RPCS[name], [RPCS[name].request(payload={"data": body})], headers)
    assert refused == unknown
    assert refused.code == "UNAUTHENTICATED"
    assert street.put_back() == []


async def test_refresh_tokens(street: Street) -> None:
    name = "AuthService/RevokeToken"
    await a_does(street, name)
    refused = await b_as(street, name, "owner", refresh_token=street.a.callers["owner"].refresh)
    assert str(refused) == "UNAUTHENTICATED/TOKEN_INVALID"


async def test_locks(street: Street) -> None:
    name = "StateService/UnlockState"
    await a_does(street, name)
    theirs = await b_as(street, name, "owner", lock_id=street.a.facts["lock"])
    assert str(theirs) == "ABORTED/LOCK_ID_MISMATCH"
    assert theirs == await b_as(street, name, "owner", lock_id=str(uuid4()))


@pytest.mark.parametrize("name", ["RunnerService/FetchPlan", "RunnerService/StartApply", "RunnerService/WriteState"])
async def test_a_token_of_a_plan_applies_nothing(street: Street, name: str) -> None:
    """A run token is good for its batch: what belongs to an apply is not for the runner of a plan."""
    await a_does(street, name)
    refused = await send(RPCS[name], street.a, Caller.run(street.a.tokens["plan"]))
    assert refused.code in {"NOT_FOUND", "ABORTED", "PERMISSION_DENIED"}
    assert street.put_back() == []


CARRIERS = {
    *TASKS, "WorkerRegistry/VerifyCapabilities", "CodecService/DecodePayloads", "CodecService/EncodePayloads",
    "WebhookService/ReceiveGitHubWebhook", "AuthService/RevokeToken",
}  # fmt: skip


def test_no_rpc_is_left_out() -> None:
    named = {rpc.name for rpc in RPCS.values() if rpc.naming}
    assert not named & (CARRIERS | OWN_THINGS)
    assert not CARRIERS & OWN_THINGS
    assert named | CARRIERS | OWN_THINGS == RPCS.keys()


WILD = [
    rpc
    for rpc in RPCS.values()
    if rpc.reads and rpc.naming and "/*" in rpc.naming[0].pattern.removeprefix("accounts/*")
]


@pytest.mark.parametrize("rpc", WILD, ids=[rpc.name for rpc in WILD])
async def test_wildcards(street: Street, rpc: Rpc) -> None:
    """All of something are all of one's own."""
    (request,) = requests(rpc, street.b)
    name = rpc.naming[0].read(request)
    rpc.naming[0].write(request, f"{name.rpartition('/')[0]}/-")
    seen = await owner(street, rpc, street.b, request)
    unmarked(street, seen)
    assert seen.code in {"OK", "NOT_FOUND", "INVALID_ARGUMENT"}


async def test_wildcards_that_find_something(street: Street) -> None:
    for name in ("RunService/ListRuns", "RunService/WatchRuns", "StateService/GetStateVersion"):
        fields = {"parent": f"{street.b.name}/stackStates/-", "name": f"{street.b.state('done')}/stateVersions/-"}
        known = {key: value for key, value in fields.items() if RPCS[name].has(key)}
        request = RPCS[name].request(**known)
        if RPCS[name].endless:
            request.resume_token = "2026-01-01T00:00:00+00:00"
        seen = await owner(street, RPCS[name], street.b, request)
        assert seen.ok
        assert street.b.name.encode() in seen.answers[0]
        unmarked(street, seen)


@pytest.mark.parametrize(
    ("name", "field"), [("EventService/ListEvents", "subject"), ("RunService/ListRuns", "delivery_id")]
)
async def test_filters(street: Street, name: str, field: str) -> None:
    """A filter by something of `a` finds it there, and nothing in `b`."""
    rpc, a, b = RPCS[name], street.a, street.b
    value = a.run("done") if field == "subject" else "delivery-of-a"
    a.place.tables.rows("UPDATE runs SET delivery_id = %s WHERE account_id = %s", "delivery-of-a", a.tenant.account_id)
    for whose, found in ((a, True), (b, False)):
        (request,) = requests(rpc, whose)
        setattr(request, field, value)
        seen = await owner(street, rpc, whose, request)
        assert bool(seen.answers[0]) is found
    street.put_back()


# Text fields that could name something, and what they are instead of a resource name.
NO_NAMES = {
    "a secret that is the credential itself": {"api_key", "refresh_token", "join_token"},
    "sealed or own, tried above": {"page_token", "resume_token", "request_id", "lock_id", "challenge_id", "batch.run_id", "namespace"},
    "a filter, tried above": {"subject", "delivery_id"},
    "of the code host, or of the caller's choosing": {
        "repository.external_id", "repository.full_name", "stack_state_id", "stack_state.variables.key", "run.variables.key",
        "join_token.display_name", "api_key.display_name", "host",
    },
    "not read: the name is made of parent and stack_state_id": {"stack_state.name"},
    "made by the runner, kept with its own batch": {"start_token"},
    "echoed in the run's own error": {"error.terraform_errors.address", "error.terraform_errors.path"},
    "addresses in the code, kept or compared with the own plan": {"header.audit.addresses.address", "reads.exports.address"},
    "names of runs that only the worker itself is shown with": {"running_runs"},
}  # fmt: skip
_LIKE_A_NAME = re.compile(
    r"(.*_)?(id|token|key|name|namespace|subject|parent|repository|member|run|runs|worker|address|host)"
)


def test_no_field_is_left_out() -> None:
    known = set().union(*NO_NAMES.values())
    left = {
        (rpc.name, path)
        for rpc in RPCS.values()
        for path in rpc.texts
        if _LIKE_A_NAME.fullmatch(path.rpartition(".")[2])
        and path not in known | {naming.path for naming in rpc.naming}
    }
    assert left == set()

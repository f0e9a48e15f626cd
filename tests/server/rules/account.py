"""An account that is lived in: everything that a tenant can have, made by the calls that users, workers and runners make."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc

from api import Metadata, Tenant
from git_repos import Repo
from machines import Machine
from server.rules.calls import ask
from server.rules.materials import CLAIM, answered, artifact, audit, chained, plan, policy, record, state, webhook
from server.rules.place import Caller, Place
from server.rules.tables import Rows
from stackly_server.access import ROLES

_APPLY = {"type": "RUN_TYPE_APPLY"}
SUBSET = ("stacks.read", "runs.create")
_STATES = ("calm", "done", "busy", "ready", "queued", "gone", "locked", "begun")


@dataclass(repr=False)
class Account:
    """An account with its callers by kind, and the resource names of its things by what they are good for."""

    place: Place
    tenant: Tenant
    number: int
    callers: dict[str, Caller] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    machines: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"accounts/{self.tenant.name}"

    @property
    def namespace(self) -> str:
        return f"{self.name}/namespaces/default"

    @property
    def owner(self) -> Metadata:
        return self.callers["owner"].metadata

    async def ask(self, method: str, /, **fields: Any) -> Any:
        """As the owner."""
        return await ask(self.place.channel, method, self.owner, **fields)

    def state(self, purpose: str) -> str:
        return f"{self.name}/stackStates/{purpose}-{self.tenant.name}"

    def run(self, purpose: str, number: int = 1) -> str:
        return f"{self.state(purpose)}/runs/run-{number}"

    def batch(self, purpose: str, phase: str, number: int = 1) -> tuple[dict[str, Any], str]:
        """A batch as a task names it, and its nonce, as the task that Temporal hands out would tell it."""
        run_id, nonce = self.place.tables.row(
            """
            SELECT run_id::text, nonce FROM run_batches
            JOIN runs ON runs.id = run_id JOIN stack_states ON stack_states.id = stack_state_id
            WHERE run_batches.account_id = %s AND name = %s AND phase = %s AND runs.number = %s
            """,
            self.tenant.account_id, f"{purpose}-{self.tenant.name}", phase, number,
        )  # fmt: skip
        return {"run_id": run_id, "plan_number": 1, "batch": "b1", "phase": f"BATCH_PHASE_{phase}"}, nonce

    def marks(self) -> frozenset[str]:
        """Texts that nobody outside of the account may see: its name, and every id in its rows."""
        rows = self.place.tables.rows
        mine = self.tenant.account_id
        ids = {str(mine), self.name, self.tenant.owner}
        for table in ("stack_codes", "stack_states", "runs", "workers", "repositories", "join_tokens", "members"):
            ids |= {row[0] for row in rows(f"SELECT id::text FROM {table} WHERE account_id = %s", mine)}  # noqa: S608
        return frozenset(ids)


async def lived_in(place: Place, name: str, owner: str, number: int) -> Account:
    """Makes one. `number` (one digit) tells its ids at code hosts from those of other accounts."""
    account = Account(place, await place.found(name, owner), number)
    account.callers["owner"] = await place.sign_in(account.tenant.api_key)
    await _members(account)
    await _workers(account)
    await _repositories(account)
    await _policies(account)
    await _stacks(account)
    await _runs(account)
    await _push(account)
    await _rest(account)
    return account


async def _members(a: Account) -> None:
    for role in (*sorted(set(ROLES) - {"owner"}), f"leaver-{a.tenant.name}"):
        member = {"name": f"{a.name}/members/{role}", "roles": [role if role in ROLES else "viewer"], "groups": ["net"]}
        await a.ask("AccountService/UpdateMember", member=member, allow_missing=True)
        key = await a.ask("AccountService/CreateApiKey", parent=a.name, api_key={"member": member["name"]})
        a.callers[role] = await a.place.sign_in(key.secret)
        a.facts[f"{role} key"] = key.secret
        a.names["key"] = key.api_key.name
    some = await a.ask("AccountService/CreateApiKey", parent=a.name, api_key={"permissions": SUBSET})
    a.callers["key"] = await a.place.sign_in(some.secret)
    a.callers["expired"] = await a.place.expired(a.callers["owner"], a.tenant.account_id)
    a.callers["none"] = Caller()
    a.names["member"] = f"{a.name}/members/leaver-{a.tenant.name}"
    a.place.tables.rows(
        "INSERT INTO namespaces (account_id, id, name, temporal_namespace, status) VALUES (%s, %s, %s, %s, 'ACTIVE')",
        a.tenant.account_id, uuid4(), f"spare-{a.tenant.name}", f"s-spare{a.number}",
    )  # fmt: skip
    a.names["namespace"] = f"{a.name}/namespaces/spare-{a.tenant.name}"
    a.facts["temporal"] = a.place.tables.row(
        "SELECT temporal_namespace FROM namespaces WHERE id = %s", a.tenant.namespace_id
    )[0]


async def _workers(a: Account) -> None:
    for slug in ("holder", "sibling", "offline", "pending", "unspent"):
        made = await a.ask("WorkerRegistry/CreateJoinToken", parent=a.namespace, join_token={"display_name": slug})
        token = json.loads(made.join_file)["token"]
        a.names["token"], a.facts["join token"] = made.join_token.name, token
        if slug == "unspent":
            continue
        machine = Machine()
        joined = await ask(
            a.place.channel, "WorkerRegistry/RegisterWorker", join_token=token, csr=machine.csr, capabilities=CLAIM
        )
        a.names[slug] = joined.worker.name
        a.machines[slug] = await a.place.machine(machine, joined.certificate_chain)
        a.facts[f"{slug} challenge"] = answered(joined.challenge)
        if slug != "pending":
            sent = {**a.facts[f"{slug} challenge"], "capabilities": CLAIM}
            await ask(a.machines[slug], "WorkerRegistry/VerifyCapabilities", **sent)
            rotated = await ask(a.machines[slug], "WorkerRegistry/RotateCertificate", csr=machine.csr)
            a.machines[slug] = await a.place.machine(machine, rotated.certificate_chain)
    a.callers["worker"], a.callers["pending"] = (Caller(channel=a.machines[slug]) for slug in ("holder", "pending"))


async def _repositories(a: Account) -> None:
    a.place.folder.mkdir(exist_ok=True)
    a.facts["repo"], a.facts["spare"], a.facts["more"] = (
        Repo(a.place.folder / f"{a.tenant.name}-{which}.git") for which in ("infra", "spare", "more")
    )
    for which, repo in (("repository", a.facts["repo"]), ("spare repository", a.facts["spare"])):
        external = f"{a.number}{len(which)}"
        wanted = {"clone_url": repo.url, "full_name": f"{a.tenant.name}/infra", "external_id": external}
        made = await a.ask("AccountService/ConnectRepository", parent=a.name, repository=wanted)
        a.names[which], a.facts[f"{which} secret"], a.facts[f"{which} id"] = (
            made.repository.name,
            made.webhook_secret,
            external,
        )


def commit(a: Account, text: str) -> str:
    """All stacks of the repository, with a text in their code."""
    repo: Repo = a.facts["repo"]
    files: dict[str, bytes | tuple[str, bytes]] = {}
    for path in ("app", "net", "new"):
        files[f"{path}/stackly.hcl"] = f'stack "{path}-{a.tenant.name}" {{\n  version = "1.0.0"\n}}\n'.encode()
        files[f"{path}/main.tf"] = f"# {text} of {a.tenant.name}\n".encode()
    return repo.commit(repo.files(files), *a.facts.get("commits", [])[-1:])


async def _policies(a: Account) -> None:
    for which in ("prod", "spare"):
        made = await a.ask(
            "PolicyService/CreatePolicy", parent=a.name, policy={"hcl": policy(f"{which}-{a.tenant.name}")}
        )
        a.names["policy"] = made.policy.name


async def _stacks(a: Account) -> None:
    a.facts["commits"] = []
    a.facts["commits"].append(commit(a, "first"))
    for path in ("app", "net"):
        made = await a.ask(
            "StackService/RegisterStackCode", parent=a.name, repository=a.names["repository"], repo_path=path
        )
        a.names.setdefault("code", made.stack_code.name)
    a.facts["commits"].append(commit(a, "second"))
    synced = await a.ask("StackService/SyncStackCode", name=a.names["code"], request_id=str(uuid4()))
    assert synced.changed
    for purpose in _STATES:
        state = {"stack_code": a.names["code"], "variables": {"hush": {"json": '"hush"', "sensitive": True}}}
        asked = {"parent": a.name, "stack_state_id": a.state(purpose).rpartition("/")[2], "stack_state": state}
        await a.ask("StackService/CreateStackState", **asked)
    await a.ask("StackService/DeleteStackState", name=a.state("gone"))
    locked = await a.ask("StateService/LockState", name=a.state("locked"), reason="by hand")
    a.facts["lock"] = locked.lock.lock_id


async def _runs(a: Account) -> None:
    await planned(a, "done")
    await applied(a, "done")
    await planned(a, "done", 2)
    await planned(a, "done", 3, audit(a.facts["state"]), kind="RUN_TYPE_AUDIT")
    await planned(a, "ready")
    a.tokens["apply"] = await _claim(a, "ready", "APPLY", approve=True)
    await begun(a, "begun")
    await a.ask("RunService/CreateRun", parent=a.state("queued"), run=_APPLY)
    await a.ask("RunService/CreateRun", parent=a.state("busy"), run=_APPLY)
    a.tokens["plan"] = await _claim(a, "busy", "PLAN")
    resolved = artifact(a.tenant.name)
    await ask(a.place.channel, "RunnerService/KeepArtifact", Caller.run(a.tokens["plan"]).metadata, resolved)
    a.facts["artifact"] = resolved[0].sha256


async def planned(
    a: Account, purpose: str, number: int = 1, parts: Sequence[Any] = (), kind: str = "RUN_TYPE_APPLY"
) -> None:
    """A run with a log and a plan, which waits for approval; that of an audit does not."""
    variables = {"quiet": {"json": '"quiet"', "sensitive": True}}
    run = {"type": kind, "variables": variables, "message": "please"}
    await a.ask("RunService/CreateRun", parent=a.state(purpose), run=run, request_id=str(uuid4()))
    caller = Caller.run(await _claim(a, purpose, "PLAN", number))
    channel = a.place.channel
    await ask(channel, "RunnerService/FetchSource", caller.metadata)
    await ask(channel, "RunnerService/AppendRunLogs", caller.metadata, offset=0, data=b"planning\n" * 20)
    state = a.facts.get("state", {}) if number > 1 else {}
    await ask(channel, "RunnerService/SubmitPlan", caller.metadata, list(parts) or plan(state))
    await ask(channel, "RunnerService/FinishBatch", caller.metadata, outcome="BATCH_OUTCOME_SUCCEEDED")
    shown = (await a.ask("RunService/GetRun", name=a.run(purpose, number))).run
    a.facts[f"{purpose} {number} digest"] = shown.plan_digest


async def applied(a: Account, purpose: str) -> None:
    """Approves and applies a planned run; its state has two serials, and a third that was refused."""
    metadata = Caller.run(await _claim(a, purpose, "APPLY", approve=True)).metadata
    channel = a.place.channel
    await ask(channel, "RunnerService/StartApply", metadata, start_token=str(uuid4()))
    lineage = str(uuid4())
    for serial in (1, 2):
        await ask(channel, "RunnerService/WriteState", metadata, state(serial, lineage))
    refused = await ask(channel, "RunnerService/WriteState", metadata, state(9, str(uuid4())))
    assert not refused.accepted
    a.facts["state"] = {"state_serial": 2, "state_lineage": lineage}
    await ask(channel, "RunnerService/AppendRunLogs", metadata, offset=180, data=b"applying\n")
    await ask(channel, "RunnerService/FinishBatch", metadata, outcome="BATCH_OUTCOME_SUCCEEDED")


async def begun(a: Account, purpose: str) -> None:
    """A run whose apply has begun: one of its two units is recorded already."""
    await planned(a, purpose, parts=chained())
    a.tokens["begun"] = await _claim(a, purpose, "APPLY", approve=True)
    metadata = Caller.run(a.tokens["begun"]).metadata
    started = {"start_token": str(uuid4()), "units": ["module.app", "module.net"]}
    await ask(a.place.channel, "RunnerService/StartApply", metadata, **started)
    await ask(a.place.channel, "RunnerService/WriteRecords", metadata, records=[record("module.net", a.tenant.name)])
    under_way = {"number": 1, "units": ["module.net"], "status": "UNIT_BATCH_STATUS_RUNNING"}
    await ask(a.place.channel, "RunnerService/ReportUnits", metadata, batches=[under_way])


async def _claim(a: Account, purpose: str, phase: str, number: int = 1, *, approve: bool = False) -> str:
    if approve:
        digest = a.facts[f"{purpose} {number} digest"]
        await a.ask("RunService/ApproveRun", name=a.run(purpose, number), plan_digest=digest)
    batch, nonce = a.batch(purpose, phase, number)
    claimed = await ask(a.machines["holder"], "WorkerTaskService/ClaimBatch", batch=batch, nonce=nonce)
    return str(claimed.lease.run_token)


async def _push(a: Account) -> None:
    commits = a.facts["commits"]
    commits.append(commit(a, "third"))
    body, headers = webhook(a.facts["repository id"], a.facts["repository secret"], commits[-1])
    method = "WebhookService/ReceiveGitHubWebhook"
    received = await ask(a.place.channel, method, headers, payload={"data": body})
    assert json.loads(received.data)["accepted"]


async def _rest(a: Account) -> None:
    await ask(a.machines["offline"], "WorkerRegistry/DeregisterWorker", reason="done")
    encoded = await a.ask(
        "CodecService/EncodePayloads",
        namespace=a.facts["temporal"],
        payload={"data": b'{"payloads":[{"data":"aGk="}]}'},
    )
    a.facts["payloads"] = encoded.data
    a.callers["run"] = Caller.run(a.tokens["plan"])


@dataclass(repr=False)
class Street:
    """Account `a`, whose things others want, and account `b`, whose owner is one of those others."""

    place: Place
    a: Account
    b: Account
    before: Rows = field(default_factory=dict)
    print: Mapping[str, str] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()
    _seen: int = 0

    def __post_init__(self) -> None:
        self.before = self.place.tables.take()
        self.print = self.place.tables.fingerprint(self.a.tenant.account_id)
        self.marks = self.a.marks()

    def put_back(self) -> list[str]:
        """Everything in the database is again as it was when the accounts were made; gives the tables that were not."""
        if self.place.tables.written() == self._seen:
            return []
        changed = self.place.tables.put_back(self.before)
        self._seen = self.place.tables.written()
        return changed

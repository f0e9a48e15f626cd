"""What calls leave in the audit log, and that nobody can change it unseen."""

import hashlib
from dataclasses import replace
from uuid import uuid4

import pytest

from server.rules.account import Street
from server.rules.asked import as_itself, rightful, send
from server.rules.calls import RPCS, Rpc
from server.rules.place import Caller
from server.rules.tables import Entry, audit, broken_at, head
from stackly.options.v1 import options_pb2

# One call, one entry; but for these, of which one thing follows from another.
MORE = {
    "RunService/ApproveRun": ["run.approved", "run.apply_queued"],
    "StackService/DestroyStackState": ["run.created", "stack_state.destroying"],
    "StackService/RegisterStackCode": ["stack_code.registered", "stack_state.created"],
    "WorkerRegistry/RegisterWorker": ["worker.joined", "worker.certified"],
    "WorkerTaskService/ClaimBatch": ["run.claimed", "run.planning"],
}
# Runners' reports need none (AUDIT_NONE), but the steps of a run that follow from them are told.
STEPS = {
    "RunnerService/FinishBatch": ["run.failed", "stack_state.run_failed"],
    "RunnerService/ReportUnits": ["run.activity_started"],
    "RunnerService/OfferBatch": ["run.batch_offered"],
    "RunnerService/StartApply": ["run.applying"],
}


@pytest.mark.parametrize("rpc", RPCS.values(), ids=list(RPCS))
async def test_what_a_call_leaves(street: Street, rpc: Rpc) -> None:
    tables, account_id, call_id = street.place.tables, street.a.tenant.account_id, str(uuid4())
    caller = as_itself(rpc, street.a, rightful(rpc))
    before = head(tables, account_id)[0]
    outcome = await send(rpc, street.a, replace(caller, metadata=(*caller.metadata, ("x-request-id", call_id))))
    assert outcome.ok
    told = [entry.told for entry in audit(tables, account_id, before)]
    events = [each["event"] for each in told]
    if rpc.rule.audit == options_pb2.AUDIT_NONE:
        assert events == STEPS.get(rpc.name, [])
    else:
        assert events == MORE.get(rpc.name, events[:1])
        assert events, f"{rpc.name} is to leave an entry"
    assert {(each["method"], each["call"]) for each in told} <= {(rpc.path, call_id)}
    assert all(each["resource"] and each["actor"] not in {"", "anonymous"} for each in told)
    assert broken_at(audit(tables, account_id), head(tables, account_id)) is None


async def test_a_refused_call_leaves_nothing(street: Street) -> None:
    before = head(street.place.tables, street.a.tenant.account_id)
    for rpc in RPCS.values():
        if rpc.naming:
            assert not (await send(rpc, street.a, street.b.callers["owner"])).ok
            assert not (await send(rpc, street.a, Caller())).ok
    assert head(street.place.tables, street.a.tenant.account_id) == before


def test_every_change_of_the_log_is_found(street: Street) -> None:
    """Each entry edited, taken out, doubled, or swapped with its neighbour: all found, at that very entry."""
    tables, account_id = street.place.tables, street.a.tenant.account_id
    entries, end = audit(tables, account_id), head(tables, account_id)
    assert broken_at(entries, end) is None
    assert len(entries) > 50
    for at, entry in enumerate(entries):
        before, after, number = entries[:at], entries[at + 1 :], at + 1
        edited = replace(entry, body=entry.body.replace(b'"actor":"', b'"actor":"x', 1))
        assert edited != entry
        changes = {
            "edited": [*before, edited, *after],
            "edited, its hash made anew": [*before, _linked(before, edited), *after],
            "taken out": [*before, *after],
            "taken out, the rest numbered anew": [
                *before,
                *(replace(each, sequence=each.sequence - 1) for each in after),
            ],
            "doubled": [*before, entry, entry, *after],
            "the log cut off": before,
        }
        if after:
            one, two = replace(after[0], sequence=entry.sequence), replace(entry, sequence=after[0].sequence)
            changes["swapped"] = [*before, one, two, *after[1:]]
            changes["swapped, all made anew"] = _chained([*before, one, two, *after[1:]])
        for how, changed in changes.items():
            found = broken_at(changed, end)
            assert found is not None, f"entry {number} {how}"
            assert found >= number, f"entry {number} {how}"


def test_changes_in_the_database_are_found(street: Street) -> None:
    """The same with SQL by somebody who may do all there."""
    tables, account_id = street.place.tables, street.a.tenant.account_id
    for statement in (
        "UPDATE audit_entries SET body = replace(convert_from(body, 'UTF8'), 'ann', 'bob')::bytea WHERE sequence = 7",
        "UPDATE audit_entries SET hash = sha256(body) WHERE sequence = 7",
        "DELETE FROM audit_entries WHERE sequence = 7",
        "DELETE FROM audit_entries WHERE sequence = (SELECT audit_sequence FROM account_heads h WHERE h.account_id = audit_entries.account_id)",
        (
            "UPDATE audit_entries SET body = other.body FROM audit_entries other"
            " WHERE other.account_id = audit_entries.account_id AND audit_entries.sequence + other.sequence = 15"
            " AND audit_entries.sequence IN (7, 8)"
        ),
        "INSERT INTO audit_entries SELECT account_id, audit_sequence + 1, audit_hash, '{}' FROM account_heads",
        "UPDATE account_heads SET audit_sequence = audit_sequence - 1",
    ):
        tables.rows(statement)
        assert broken_at(audit(tables, account_id), head(tables, account_id)) is not None, statement
        assert street.put_back() != []
        assert broken_at(audit(tables, account_id), head(tables, account_id)) is None


def _linked(before: list[Entry], entry: Entry) -> Entry:
    link = before[-1].hash if before else b"\x00"
    return replace(entry, hash=hashlib.sha256(link + entry.sequence.to_bytes(8, "big") + entry.body).digest())


def _chained(entries: list[Entry]) -> list[Entry]:
    """The chain made anew from its beginning, which only its end in `account_heads` gives away."""
    made: list[Entry] = []
    for entry in entries:
        made.append(_linked(made, entry))
    return made

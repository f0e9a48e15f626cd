"""What is looked at again and again, by one statement in one trip. Of other rooms it reads names alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from stackly_server.access import Batch
from stackly_server.database import Database
from stackly_server.runs.model import Approval, Plan, Run, RunType, Status, Trigger

_UNSEEN_RUN: dict[str, Any] = {"variables": {}, "secret_variables": None}
_UNSEEN_PLAN: dict[str, Any] = {"output_changes": []}
_RUN = tuple(name for name in Run.__dataclass_fields__ if name not in _UNSEEN_RUN)
_PLAN = tuple(name for name in Plan.__dataclass_fields__ if name not in _UNSEEN_PLAN)


@dataclass(frozen=True, slots=True)
class Glance:
    """A run, its newest plan, the words given on it, the names of its namespace and worker.

    What may be large and is not shown is left out, as if there were none: the run's variables, the plan's outputs.
    """

    run: Run
    plan: Plan | None
    approvals: tuple[Approval, ...]
    namespace: str
    worker: str


async def glance(db: Database, account_id: UUID, stack_state: str, number: int) -> Glance | None:
    """A run by the name of its stack state and its number."""
    rows = await db.glance(account_id, _STATEMENT, {"account": account_id, "state": stack_state, "number": number})
    return _glance(rows[0]) if rows else None


async def wishes_of(db: Database, account_id: UUID, batch: Batch) -> tuple[Status, bool] | None:
    """The status of a batch's run, and whether it is to be killed; None when the batch is not held as given any more."""
    rows = await db.glance(
        account_id, _WISHES,
        {"account": account_id, "run": batch.run_id, "number": batch.plan_number, "phase": batch.phase,
         "batch": batch.batch, "epoch": batch.epoch},
    )  # fmt: skip
    return (Status(rows[0][0]), rows[0][1]) if rows else None


_WISHES = """
    SELECT runs.status, runs.cancel_force FROM runs
    JOIN run_batches AS held ON held.account_id = runs.account_id AND held.run_id = runs.id
    WHERE runs.account_id = %(account)s AND runs.id = %(run)s AND held.plan_number = %(number)s
        AND held.phase = %(phase)s AND held.batch = %(batch)s AND held.epoch = %(epoch)s AND held.finished_at IS NULL
    """
_STATEMENT = f"""
    SELECT namespaces.name, coalesce(workers.slug, ''),
        (SELECT jsonb_agg(to_jsonb(words) ORDER BY words.given_at, words.id) FROM approvals AS words
            WHERE words.account_id = runs.account_id AND words.run_id = runs.id),
        {", ".join(f"runs.{name}" for name in _RUN)}, {", ".join(f"plan.{name}" for name in _PLAN)}
    FROM stack_states
    JOIN runs ON runs.account_id = stack_states.account_id AND runs.stack_state_id = stack_states.id
        AND runs.number = %(number)s
    JOIN namespaces ON namespaces.account_id = stack_states.account_id AND namespaces.id = stack_states.namespace_id
    LEFT JOIN workers ON workers.account_id = runs.account_id AND workers.id = runs.worker_id
    LEFT JOIN LATERAL (
        SELECT * FROM plans WHERE plans.account_id = runs.account_id AND plans.run_id = runs.id
        ORDER BY plans.number DESC LIMIT 1
    ) AS plan ON true
    WHERE stack_states.account_id = %(account)s AND stack_states.name = %(state)s
    """  # noqa: S608


def _glance(row: tuple[Any, ...]) -> Glance:
    namespace, worker, words = row[:3]
    run, plan = row[3 : 3 + len(_RUN)], row[3 + len(_RUN) :]
    return Glance(
        run=_run(dict(zip(_RUN, run, strict=True))),
        plan=Plan(**dict(zip(_PLAN, plan, strict=True)), **_UNSEEN_PLAN) if plan[0] is not None else None,
        approvals=tuple(_approval(word) for word in words or ()),
        namespace=namespace,
        worker=worker,
    )


def _run(row: dict[str, Any]) -> Run:
    row["type"], row["trigger"], row["status"] = RunType(row["type"]), Trigger(row["trigger"]), Status(row["status"])
    row["suspects"] = tuple(row["suspects"])
    return Run(**row, **_UNSEEN_RUN)


def _approval(word: dict[str, Any]) -> Approval:
    fields = {name: word[name] for name in Approval.__dataclass_fields__}
    lists = {"groups": tuple(fields["groups"]), "policies": tuple(fields["policies"])}
    return Approval(**{**fields, **lists, "given_at": datetime.fromisoformat(fields["given_at"])})

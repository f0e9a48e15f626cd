"""SQL on audits of the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from stackly_engine.auditing import AuditReport
from stackly_server.runs.audit_model import Audit, Finding, Known, Result, Verdict, report_from_json, report_to_json
from stackly_server.stacks.engine_build import BUILD

Connection = AsyncConnection[TupleRow]


async def insert(
    conn: Connection, account_id: UUID, stack_state_id: UUID, plan: tuple[UUID, int], report: AuditReport
) -> None:
    """What a runner handed in with a plan of a run; the same again changes nothing."""
    await conn.execute(
        """
        INSERT INTO engine_audits (account_id, run_id, plan_number, stack_state_id, build, report)
        VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
        """,
        (account_id, *plan, stack_state_id, BUILD, Jsonb(report_to_json(report))),
    )


async def get(conn: Connection, account_id: UUID, run_id: UUID, number: int) -> Audit | None:
    """The audit of a plan of a run."""
    cursor = await conn.execute(
        """
        SELECT report, result, reason, findings FROM engine_audits
        WHERE account_id = %s AND run_id = %s AND plan_number = %s
        """,
        (account_id, run_id, number),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    report, result, reason, found = row
    findings = tuple(Finding(**{**one, "verdict": Verdict(one["verdict"])}) for one in found)
    return Audit(report_from_json(report), Result(result) if result else None, reason, findings)


async def settle(
    conn: Connection, account_id: UUID, plan: tuple[UUID, int], result: Result, reason: str, findings: Sequence[Finding]
) -> None:
    """Writes what became of it."""
    await conn.execute(
        """
        UPDATE engine_audits SET result = %s, reason = %s, findings = %s
        WHERE account_id = %s AND run_id = %s AND plan_number = %s AND result = ''
        """,
        (result.value, reason, Jsonb([asdict(one) for one in findings]), account_id, *plan),
    )


async def change(
    conn: Connection, account_id: UUID, run_id: UUID, number: int, address: str
) -> Mapping[str, Any] | None:
    """How a plan changes an address, as it is shown."""
    cursor = await conn.execute(
        """
        SELECT change FROM resource_changes
        WHERE account_id = %s AND run_id = %s AND plan_number = %s AND address = %s AND change ->> 'deposed' = ''
        """,
        (account_id, run_id, number, address),
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def last_apply(conn: Connection, account_id: UUID, stack_state_id: UUID, unit: str) -> tuple[UUID, int] | None:
    """The plan by which a unit was applied last: run and number. A whole plan is one of every unit."""
    cursor = await conn.execute(
        """
        SELECT plans.run_id, plans.number FROM plans JOIN runs ON runs.account_id = plans.account_id AND runs.id = plans.run_id
        WHERE plans.account_id = %(account)s AND runs.stack_state_id = %(state)s
            AND runs.type = 'APPLY' AND runs.status = 'APPLIED'
            AND (plans.units = '[]' OR plans.units @> jsonb_build_array(jsonb_build_object('unit', %(unit)s::text, 'run', true)))
        ORDER BY runs.number DESC, plans.number DESC LIMIT 1
        """,
        {"account": account_id, "state": stack_state_id, "unit": unit},
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else None


async def known(conn: Connection, account_id: UUID) -> dict[UUID, Known]:
    """What is known of the audits of each stack state that has records of units, and is neither deleted nor suspended."""
    cursor = await conn.execute(
        """
        SELECT state.id, coalesce(tried.created_at, state.created_at), coalesce(last.build, ''), coalesce(last.engine, ''),
            coalesce(applied.engine, ''), tried.created_at, tried.created_at IS NOT NULL AND tried.done_at IS NULL
        FROM stack_states AS state
        LEFT JOIN LATERAL (
            SELECT created_at, done_at FROM runs
            WHERE account_id = state.account_id AND stack_state_id = state.id AND type = 'AUDIT' ORDER BY number DESC LIMIT 1
        ) AS tried ON tried.created_at IS NOT NULL
        LEFT JOIN LATERAL (
            SELECT audit.build, plans.engine FROM engine_audits AS audit JOIN plans ON plans.account_id = audit.account_id
                AND plans.run_id = audit.run_id AND plans.number = audit.plan_number
            WHERE audit.account_id = state.account_id AND audit.stack_state_id = state.id AND audit.result <> ''
            ORDER BY audit.created_at DESC LIMIT 1
        ) AS last ON last.build IS NOT NULL
        LEFT JOIN LATERAL (
            SELECT plans.engine FROM runs JOIN plans ON plans.account_id = runs.account_id AND plans.run_id = runs.id
                AND plans.number = runs.plan_number
            WHERE runs.account_id = state.account_id AND runs.stack_state_id = state.id AND runs.status = 'APPLIED'
            ORDER BY runs.number DESC LIMIT 1
        ) AS applied ON applied.engine IS NOT NULL
        WHERE state.account_id = %(account)s AND state.deleted_at IS NULL AND state.status = 'ACTIVE'
            AND state.suspended_build NOT IN (%(build)s, '*') AND EXISTS (
                SELECT 1 FROM unit_records WHERE account_id = state.account_id AND stack_state_id = state.id
                    AND record IS NOT NULL)
        ORDER BY state.id
        """,
        {"account": account_id, "build": BUILD},
    )
    return {row[0]: Known(*row[1:]) for row in await cursor.fetchall()}

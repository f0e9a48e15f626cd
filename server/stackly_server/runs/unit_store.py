"""SQL on batches of units: on their way, and what they took."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from stackly_server.database import Connection
from stackly_server.runs.model import BatchRow, Phase
from stackly_server.runs.unit_batches import Cost, Report, UnitBatch, UnitStatus

_LATELY = 2000  # batches that are looked at for what a unit's last plan took
COSTS = 50


async def put(
    conn: Connection, account_id: UUID, stack_state_id: UUID, batch: BatchRow, reports: Sequence[Report]
) -> dict[int, bool]:
    """Notes reports under the task's epoch; what has ended stays as it is. The numbers that changed → whether they are new."""
    cursor = await conn.execute(
        """
        INSERT INTO unit_batches AS known (account_id, run_id, plan_number, phase, epoch, number, stack_state_id, worker_id,
            units, status, resources, seconds, replan_seconds, started_at, finished_at)
        SELECT %(account)s, %(run)s, %(plan)s, %(phase)s, %(epoch)s, one.number, %(state)s, %(worker)s, one.units,
            one.status, one.resources, one.took / 1000.0, one.replan / 1000.0, began.moment,
            CASE WHEN one.status <> 'RUNNING' THEN began.moment + make_interval(secs => one.took / 1000.0) END
        FROM jsonb_to_recordset(%(reports)s::jsonb)
            AS one (number int, units text[], status text, ago bigint, took bigint, replan bigint, resources int)
        CROSS JOIN LATERAL (SELECT clock_timestamp() - make_interval(secs => one.ago / 1000.0) AS moment) AS began
        ON CONFLICT (account_id, run_id, plan_number, phase, epoch, number) DO UPDATE
            SET status = excluded.status, resources = excluded.resources, seconds = excluded.seconds,
                replan_seconds = excluded.replan_seconds,
                finished_at = known.started_at + make_interval(secs => excluded.seconds)
            WHERE known.status = 'RUNNING' AND excluded.status <> 'RUNNING'
        RETURNING number, xmax = 0
        """,
        {
            "account": account_id, "run": batch.run_id, "plan": batch.plan_number, "phase": batch.phase.value,
            "epoch": batch.epoch, "state": stack_state_id, "worker": batch.worker_id,
            "reports": json.dumps([_row(one) for one in reports]),
        },
    )  # fmt: skip
    return {row[0]: row[1] for row in await cursor.fetchall()}


def _row(one: Report) -> dict[str, object]:
    return {
        "number": one.number, "units": list(one.units), "status": one.status.value, "ago": one.began_ms_ago,
        "took": one.took_ms, "replan": one.replan_ms, "resources": one.resources,
    }  # fmt: skip


async def of_run(conn: Connection, account_id: UUID, run_id: UUID) -> list[UnitBatch]:
    """All batches of units of a run, in the order in which they began."""
    cursor = await conn.execute(
        """
        SELECT plan_number, phase, epoch, number, units, status, worker_id, resources, seconds, started_at, finished_at
        FROM unit_batches WHERE account_id = %s AND run_id = %s ORDER BY plan_number, phase DESC, epoch, number
        """,
        (account_id, run_id),
    )
    return [
        UnitBatch(row[0], Phase(row[1]), row[2], row[3], tuple(row[4]), UnitStatus(row[5]), *row[6:])
        for row in await cursor.fetchall()
    ]


async def costs(conn: Connection, account_id: UUID, stack_state_id: UUID) -> list[Cost]:
    """What batches took that were planned and applied lately, newest first; at most 50."""
    cursor = await conn.execute(
        """
        SELECT plan.resources, plan.seconds + apply.seconds - apply.replan_seconds
        FROM unit_batches AS apply
        JOIN LATERAL (
            SELECT resources, seconds FROM unit_batches AS of_plan
            WHERE of_plan.account_id = apply.account_id AND of_plan.run_id = apply.run_id
                AND of_plan.plan_number = apply.plan_number AND of_plan.phase = 'PLAN'
                AND of_plan.status = 'SUCCEEDED' AND of_plan.units = apply.units
            ORDER BY of_plan.epoch DESC, of_plan.number DESC LIMIT 1
        ) AS plan ON true
        WHERE apply.account_id = %s AND apply.stack_state_id = %s AND apply.phase = 'APPLY'
            AND apply.status = 'SUCCEEDED' AND apply.resources > 0
        ORDER BY apply.started_at DESC LIMIT %s
        """,
        (account_id, stack_state_id, COSTS),
    )
    return [Cost(row[0], row[1]) for row in await cursor.fetchall()]


async def plan_seconds(
    conn: Connection, account_id: UUID, stack_state_id: UUID, units: Sequence[str], before: datetime
) -> dict[str, float]:
    """What the last plan of each of these units took, as its share of its batch; of those that were measured before then."""
    cursor = await conn.execute(
        """
        SELECT DISTINCT ON (unit) unit, lately.seconds / cardinality(lately.units)
        FROM (
            SELECT units, seconds, started_at FROM unit_batches
            WHERE account_id = %(account)s AND stack_state_id = %(state)s AND phase = 'PLAN' AND status = 'SUCCEEDED'
                AND started_at < %(before)s
            ORDER BY started_at DESC LIMIT %(most)s
        ) AS lately, unnest(lately.units) AS unit
        WHERE unit = ANY(%(units)s) ORDER BY unit, lately.started_at DESC
        """,
        {
            "account": account_id, "state": stack_state_id, "units": list(units), "before": before, "most": _LATELY,
        },
    )  # fmt: skip
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def changes(
    conn: Connection, account_id: UUID, run_id: UUID, number: int
) -> list[tuple[str, tuple[str, ...], bool, int]]:
    """Unit, actions, whether it is an import, and how many resources of the plan have these."""
    cursor = await conn.execute(
        """
        SELECT coalesce(change ->> 'unit', ''), actions, coalesce(change ->> 'import_id', '') <> '', count(*)
        FROM resource_changes WHERE account_id = %s AND run_id = %s AND plan_number = %s GROUP BY 1, 2, 3
        """,
        (account_id, run_id, number),
    )
    return [(row[0], tuple(row[1]), row[2], row[3]) for row in await cursor.fetchall()]


async def newest_planned(conn: Connection, account_id: UUID, stack_state_id: UUID, commit: str) -> int | None:
    """The number of the newest run of a stack state whose current plan is there; of a commit that begins so."""
    cursor = await conn.execute(
        """
        SELECT runs.number FROM runs JOIN plans ON plans.account_id = runs.account_id AND plans.run_id = runs.id
            AND plans.number = runs.plan_number
        WHERE runs.account_id = %s AND runs.stack_state_id = %s AND starts_with(runs.to_commit, %s)
        ORDER BY runs.number DESC LIMIT 1
        """,
        (account_id, stack_state_id, commit),
    )
    row = await cursor.fetchone()
    return row[0] if row else None

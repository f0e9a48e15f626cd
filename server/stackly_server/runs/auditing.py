"""Audits of the engine: what follows from what one found."""

import logging
from collections.abc import Sequence

from stackly_engine.auditing import Audited, AuditReport, Difference
from stackly_server.database import Transaction
from stackly_server.runs import audit_store
from stackly_server.runs.audit_model import Finding, Result, Verdict, finding_of, repeats, result_of
from stackly_server.runs.model import Plan, Run
from stackly_server.stacks.engine_build import BUILD
from stackly_server.stacks.service import StackService, StackState
from stackly_server.states.records import RecordService
from stackly_server.states.service import StateService, visible

MOVED = "the state, its lock or what is kept of the units moved while it was audited"
_TOLD = 20  # units and addresses in an event

_log = logging.getLogger("stackly.engine")


class AuditService:
    """Settles audits in the transaction that ends their run. It holds no lock, and changes no state."""

    def __init__(self, stacks: StackService, states: StateService, records: RecordService) -> None:
        self._stacks = stacks
        self._states = states
        self._records = records

    async def settle(self, tx: Transaction, run: Run, state: StackState, plan: Plan) -> None:
        """Decides what was found, tells it, and has what cannot be trusted planned again.

        Drift clears the records of its units. Unsound clears those of all, and the stack state runs whole until the engine
        is another or a person says otherwise.
        """
        audit = await audit_store.get(tx.conn, tx.account_id, run.id, plan.number)
        if audit is None or audit.result is not None:
            return
        report = audit.report
        if not report.nothing and not await self._as_audited(tx, state, plan):
            report = AuditReport(MOVED)
        findings = [await self._finding(tx, run, state, plan, one) for one in report.addresses]
        result = result_of(report, findings)
        await audit_store.settle(tx.conn, tx.account_id, (run.id, plan.number), result, report.nothing, findings)
        if result is Result.UNSOUND:
            await self._records.clear(tx, state.id, ())
            await self._stacks.suspend_engine(tx, state.id, BUILD)
        elif result is Result.DRIFT:
            await self._records.clear(tx, state.id, {one.unit for one in findings if one.verdict is Verdict.DRIFT})
        self._tell(tx, run, state, result, findings)

    async def _as_audited(self, tx: Transaction, state: StackState, plan: Plan) -> bool:
        """Whether state and records are those that were audited, and nobody is at work."""
        head = await self._states.head(tx.conn, tx.account_id, state.id, lock=True)
        if visible(head).lock_id is not None or (head.serial, head.lineage) != (plan.state_serial, plan.state_lineage):
            return False
        return await self._records.generations(tx, state.id) == plan.record_generations

    async def _finding(self, tx: Transaction, run: Run, state: StackState, plan: Plan, one: Audited) -> Finding:
        applied = one.difference is Difference.SAME and await self._was_applied(tx, run, state, plan, one)
        return finding_of(one, was_applied=applied)

    async def _was_applied(self, tx: Transaction, run: Run, state: StackState, plan: Plan, one: Audited) -> bool:
        """Whether the last apply of the unit asked for the same already: then it is the provider that does not keep it."""
        last = await audit_store.last_apply(tx.conn, tx.account_id, state.id, one.unit)
        if last is None:
            return False
        wanted = await audit_store.change(tx.conn, tx.account_id, run.id, plan.number, one.address)
        return repeats(wanted, await audit_store.change(tx.conn, tx.account_id, *last, one.address))

    def _tell(self, tx: Transaction, run: Run, state: StackState, result: Result, findings: Sequence[Finding]) -> None:
        """An event with its audit entry, and a line in the log that counts as a metric."""
        name = self._stacks.resource_name(tx.subject.account, state.name)
        bad = [one for one in findings if one.verdict is not Verdict.PENDING]
        units, addresses = sorted({one.unit for one in bad}), sorted({one.address for one in bad})
        facts = {"result": result.value, "run": f"run-{run.number}", "build": BUILD}
        if bad:
            facts |= {
                "units": ", ".join(units[:_TOLD]),
                "addresses": ", ".join(addresses[:_TOLD]),
                "count": str(len(bad)),
            }
        tx.tell(_EVENTS.get(result, "engine.audited"), name, **facts)
        level = logging.ERROR if result is Result.UNSOUND else logging.INFO
        counted = {
            "metric": "engine_audits",
            "value": 1,
            "account": str(tx.account_id),
            "stack_state": state.name,
            **facts,
        }
        _log.log(level, "The engine was audited: %s", result.value.lower(), extra={"facts": counted})


_EVENTS = {Result.UNSOUND: "engine.unsound", Result.DRIFT: "engine.drift_found"}

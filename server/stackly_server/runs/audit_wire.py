"""Audits as messages, and back."""

from stackly.v1 import runs_pb2
from stackly.worker.v1 import runner_service_pb2 as runner
from stackly_engine.auditing import Audited, AuditReport, Difference
from stackly_server.errors import Invalid
from stackly_server.runs.audit_model import Audit, Result

_DIFFERENCES = {
    getattr(runner, f"AUDITED_DIFFERENCE_{one.name}"): one for one in Difference
}  # fmt: skip


def report_from_proto(header: runner.PlanHeader) -> AuditReport | None:
    """What the runner of an audit found; None of another run."""
    if not header.HasField("audit"):
        return None
    said = header.audit
    return AuditReport(said.nothing, said.audited_units, tuple(map(_audited, said.addresses)))


def audit_to_proto(audit: Audit) -> runs_pb2.Audit:
    """As people see it; before it is settled nothing is said yet."""
    result = audit.result or Result.NOTHING
    return runs_pb2.Audit(
        result=f"AUDIT_RESULT_{result.value}",
        reason=audit.reason if audit.result else "it is not settled yet",
        audited_units=audit.report.units,
        findings=[
            runs_pb2.AuditFinding(
                unit=one.unit, address=one.address, verdict=f"AUDIT_VERDICT_{one.verdict.value}", detail=one.detail
            )
            for one in sorted(audit.findings, key=lambda one: _RANK[one.verdict.value])
        ],
    )


def _audited(one: runner.AuditedAddress) -> Audited:
    if one.difference not in _DIFFERENCES:
        raise Invalid("VALIDATION_FAILED", "audit.addresses.difference is one of those that AuditedDifference names.")
    return Audited(one.unit, one.address, _DIFFERENCES[one.difference], one.detail)


_RANK = {"UNSOUND": 0, "DRIFT": 1, "PENDING": 2}

"""A plan as a runner hands it in: pure."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from stackly_engine import exact, plans, projected_chain
from stackly_engine.auditing import AuditReport
from stackly_engine.plans import ProjectedPlan
from stackly_server.errors import Invalid
from stackly_server.runs import changes
from stackly_server.runs.changes import Projected
from stackly_server.runs.model import Plan, Run
from stackly_server.runs.source_digest import source_digest


def projection_of(plan_blob: str) -> str:
    """Where the projected document of a plan by units lies, beside its bundle."""
    return f"{plan_blob}.projected"


@dataclass(frozen=True, slots=True)
class SubmittedPlan:
    """The projected document (masked), the plan bundle (secret as a whole), and what they are of."""

    engine: str
    platform: str
    tree_sha256: str
    state_serial: int
    state_lineage: str
    projected_sha256: str
    plan_sha256: str
    projected: bytes
    bundle: bytes
    whole_reasons: tuple[str, ...] = ()
    record_generations: int = 0
    audit: AuditReport | None = None
    artifact_sha256: str = ""

    def check(self) -> None:
        """Refuses bytes that are not what the header says."""
        for data, digest in ((self.projected, self.projected_sha256), (self.bundle, self.plan_sha256)):
            if hashlib.sha256(data).hexdigest() != digest:
                raise Invalid("VALIDATION_FAILED", "The plan does not have the SHA-256 of its header.")

    def check_artifact(self, bound: str) -> None:
        """Refuses a plan of other code than the run is bound to."""
        if self.artifact_sha256 != bound:
            raise Invalid("VALIDATION_FAILED", "The plan was not made with the artifact that its run is bound to.")

    def read(self) -> Projected:
        """The projected document."""
        try:
            return projected_chain.projected(self.projected)
        except exact.FormatError as error:
            raise Invalid("VALIDATION_FAILED", f"The projected document cannot be read: {error}") from None

    def digest(self, projected: Projected, variables: str) -> str:
        """What approvals bind to; `variables` is the keyed hash of the run's."""
        facts = {
            "source": source_digest(self.tree_sha256, self.artifact_sha256),
            "engine": self.engine,
            "variables": variables,
        }
        if isinstance(projected, ProjectedPlan):
            return plans.digest(projected, **facts)
        try:
            return projected.digest(**facts)
        except exact.FormatError as error:
            raise Invalid("VALIDATION_FAILED", f"This chain is no plan: {error}.") from None

    def row(self, run: Run, number: int, digest: str, blob: str, projected: Projected) -> Plan:
        """The row that records it."""
        return Plan(
            run_id=run.id, number=number, digest=digest, has_changes=not projected.empty,
            summary=changes.summary(projected), output_changes=list(changes.output_changes(projected)), engine=self.engine, platform=self.platform, commit_hash=run.to_commit,
            tree_sha256=self.tree_sha256, state_serial=self.state_serial, state_lineage=self.state_lineage,
            plan_blob=blob, plan_sha256=self.plan_sha256, created_at=datetime.now(UTC),
            units=changes.units(projected), whole_reasons=self.whole_reasons,
            record_generations=self.record_generations,
        )  # fmt: skip

"""The plan of a whole chain as what may leave the worker: each batch projected, what was decided on every unit, one digest."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackly_engine import exact, ordering
from stackly_engine.exact import FormatError
from stackly_engine.plans import PlanSummary, ProjectedPlan, chain_digest, summarize
from stackly_engine.records import Place

SCHEMA = "chain-1"  # digests of unequal schema never compare; no schema of a ProjectedPlan is a text
UNITS = 10_000
REASONS = 20  # of one unit; the headline is the first
REASON_CHARACTERS = 1000


@dataclass(frozen=True)
class PlannedUnit:
    """What was decided on a unit: `reasons` in words, the headline first; `batch` from 1, None when it was not planned.

    `needs` are the units that it needs directly, `inputs` what it reads of them, `outputs` what others read of it; neither
    moves the digest.
    """

    unit: str
    run: bool
    reasons: tuple[str, ...]
    batch: int | None = None
    deferred: bool = False
    needs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectedChain:
    """What may leave the worker of a chain; `document` is JSON-able by `exact.dumps`.

    Keys: schema, units[] (of PlannedUnit), batches[] (units[], plan: the document of a ProjectedPlan, each of its resource
    changes with its `unit`), exports[] (address, attribute or null, keyed hash), providers{}, identity.
    """

    document: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        return exact.dumps(self.document)

    @classmethod
    def from_bytes(cls, data: bytes) -> "ProjectedChain":
        """What `to_bytes` made; FormatError for anything else, and when its parts do not fit together."""
        document = exact.loads(data)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise FormatError("this is no projected chain of the schema in use")
        chain = cls(document)
        try:
            chain.check()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"this is no projected chain: {error}") from None
        return chain

    def check(self) -> None:
        """ValueError, KeyError or TypeError when units, batches and changes do not fit together."""
        units = self.units
        names = [one.unit for one in units]
        if len(set(names)) != len(names) or len(names) > UNITS:
            raise ValueError("a unit stands twice, or there are too many")
        planned = {name: at for at, (batch, _) in enumerate(self.batches, start=1) for name in batch}
        if {one.unit: one.batch for one in units if one.batch is not None} != planned:
            raise ValueError("the batches are not those of its units")
        ordering.ordered({one.unit: one.needs for one in units})
        if any(one.batch is not None and (one.deferred or not one.run) for one in units):
            raise ValueError("what is deferred or skipped has no batch")
        for change in self.resource_changes:
            if change["unit"] not in planned:
                raise ValueError("a change belongs to no unit that was planned")

    @property
    def units(self) -> tuple[PlannedUnit, ...]:
        return tuple(map(_planned_unit, self.document["units"]))

    @property
    def batches(self) -> list[tuple[tuple[str, ...], ProjectedPlan]]:
        """The units of each batch with its plan."""
        return [(tuple(one["units"]), ProjectedPlan(one["plan"])) for one in self.document["batches"]]

    @property
    def resource_changes(self) -> list[dict[str, Any]]:
        """Of all batches, by address, each with its `unit`."""
        changes = (change for _, plan in self.batches for change in plan.resource_changes)
        return sorted(changes, key=lambda change: (change["address"], change["deposed"] or ""))

    @property
    def output_changes(self) -> dict[str, dict[str, Any]]:
        return {name: change for _, plan in self.batches for name, change in plan.output_changes.items()}

    @property
    def summary(self) -> PlanSummary:
        return summarize(self.resource_changes)

    @property
    def empty(self) -> bool:
        """True when applying would change nothing, and nothing is left to be planned."""
        return all(plan.empty for _, plan in self.batches) and not any(one.deferred for one in self.units)

    def digest(self, *, source: str, engine: str, variables: str) -> str:
        """The digest that approvals bind: as of `plans.digest`, over the chain. Its batches and reasons do not count."""
        document = self.document
        return chain_digest(
            [(units, _without_units(plan)) for units, plan in self.batches],
            source=source,
            engine=engine,
            variables=variables,
            exports={(address, name): hashed for address, name, hashed in document["exports"]},
            deferred=[one.unit for one in self.units if one.deferred],
            providers=document["providers"],
            identity=document["identity"],
        )


def project_chain(
    units: Iterable[PlannedUnit],
    batches: Iterable[tuple[Collection[str], ProjectedPlan]],
    owners: Mapping[str, str],
    *,
    exports: Mapping[Place, str],
    providers: Mapping[str, str] | None = None,
    identity: str = "",
) -> ProjectedChain:
    """Put a chain together; FormatError when its parts do not fit together.

    `batches`: the units of each and its plan, projected as `plans.chain_digest` asks for. `owners`: address of each
    resource change → its unit. `exports`, `providers`, `identity` as of `plans.chain_digest`.
    """
    chain = ProjectedChain({
        "schema": SCHEMA,
        "units": [_unit(one) for one in sorted(units, key=lambda one: one.unit)],
        "batches": [{"units": sorted(names), "plan": _with_units(plan, owners)} for names, plan in batches],
        "exports": sorted(([*place, hashed] for place, hashed in exports.items()), key=exact.dumps),
        "providers": dict(providers or {}),
        "identity": identity,
    })  # fmt: skip
    return ProjectedChain.from_bytes(chain.to_bytes())


def projected(data: bytes) -> ProjectedPlan | ProjectedChain:
    """Either kind of projected document; FormatError."""
    document = exact.loads(data)
    chain = isinstance(document, dict) and document.get("schema") == SCHEMA
    return ProjectedChain.from_bytes(data) if chain else ProjectedPlan.from_bytes(data)


def _planned_unit(one: Mapping[str, Any]) -> PlannedUnit:
    inputs, outputs = one.get("inputs", ()), one.get("outputs", ())  # an older worker knows of neither
    return PlannedUnit(
        one["unit"], one["run"], tuple(one["reasons"]), one["batch"], one["deferred"], tuple(one["needs"]),
        tuple(inputs), tuple(outputs),
    )  # fmt: skip


def _unit(one: PlannedUnit) -> dict[str, Any]:
    return {
        "unit": one.unit,
        "run": one.run,
        "reasons": _shortened(one.reasons),
        "batch": one.batch,
        "deferred": one.deferred,
        "needs": sorted(one.needs),
        "inputs": sorted(one.inputs),
        "outputs": sorted(one.outputs),
    }


def _shortened(reasons: Sequence[str]) -> list[str]:
    shown = [reason[:REASON_CHARACTERS] for reason in reasons]
    return shown if len(shown) <= REASONS else [*shown[: REASONS - 1], f"and {len(shown) - REASONS + 1} more"]


def _with_units(plan: ProjectedPlan, owners: Mapping[str, str]) -> dict[str, Any]:
    changes = [{**change, "unit": owners[change["address"]]} for change in plan.resource_changes]
    return {**plan.document, "resource_changes": changes}


def _without_units(plan: ProjectedPlan) -> ProjectedPlan:
    changes = [{name: value for name, value in change.items() if name != "unit"} for change in plan.resource_changes]
    return ProjectedPlan({**plan.document, "resource_changes": changes})

"""A plan document as what may leave the worker: changes with secrets masked and hashed; and its digest."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stackly_engine import exact
from stackly_engine.exact import FormatError
from stackly_engine.masking import Mask, masked_change
from stackly_engine.sensitivity import of_plan

SCHEMA = 1  # of the projected document: digests of unequal schema never compare

# Top-level keys that are projected one by one.
PROJECTED = frozenset({"resource_changes", "output_changes", "deferred_changes", "applyable", "complete", "errored"})
# Top-level keys that cause nothing when the plan is applied: what was there before, explanations, and what the source
# tree's digest and the variables' hash cover. Any key in neither set is kept by its hash, so it moves the digest.
IGNORED = frozenset({
    "format_version", "terraform_version", "timestamp", "prior_state", "relevant_attributes", "resource_drift",
    "checks", "configuration", "variables", "planned_values",
})  # fmt: skip
_RESOURCE_KEYS = frozenset({
    "address", "previous_address", "module_address", "mode", "type", "name", "index", "provider_name", "deposed",
    "action_reason", "change",
})  # fmt: skip
_CHANGE_KEYS = frozenset({
    "actions", "before", "after", "after_unknown", "before_sensitive", "after_sensitive", "replace_paths", "importing",
    "generated_config",
})  # fmt: skip
_SHOWN_ONLY = frozenset({"action_reason", "index", "name", "type", "module"})  # said by the address too, or no effect


@dataclass(frozen=True)
class PlanSummary:
    """Counts of managed resource instances as Terraform counts them: a replacement is in `add` and in `destroy`.

    `replace` says how many of those are replacements; `import_` and `forget` are counted beside the others.
    """

    add: int = 0
    change: int = 0
    destroy: int = 0
    replace: int = 0
    import_: int = 0
    forget: int = 0

    @property
    def empty(self) -> bool:
        return self == PlanSummary()


@dataclass(frozen=True)
class ProjectedPlan:
    """What may leave the worker of one plan; `document` is JSON-able by `exact.dumps`.

    Keys: schema, resource_changes[], output_changes{}, deferred_changes[], status{}, other{key: keyed hash}. A resource
    change has address, module, mode, type, name, index, provider, deposed, previous_address, actions, action_reason,
    replace_paths, importing, before, after (changed attributes only, "(sensitive)" where masked), unknown (paths),
    sensitive ([path, hash before or null, hash after or null] each), extra{}. A path is a list of keys and indices.
    """

    document: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        return exact.dumps(self.document)

    @classmethod
    def from_bytes(cls, data: bytes) -> "ProjectedPlan":
        document = exact.loads(data)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise FormatError("this is no projected plan of the schema in use")
        return cls(document)

    @property
    def resource_changes(self) -> list[dict[str, Any]]:
        return list(self.document["resource_changes"])

    @property
    def output_changes(self) -> dict[str, dict[str, Any]]:
        return dict(self.document["output_changes"])

    @property
    def summary(self) -> PlanSummary:
        return summarize(self.resource_changes)

    @property
    def empty(self) -> bool:
        """True when applying would change nothing: no resource, no output, nothing of a kind we do not know."""
        document = self.document
        kinds = ("resource_changes", "output_changes", "deferred_changes", "other")
        return not any(document[kind] for kind in kinds)


def project(
    plan_json: bytes, key: bytes, secrets: Iterable[str] = (), *, generated: str | None = None
) -> ProjectedPlan:
    """Project the output of `terraform show -json PLAN`: masks, keyed hashes, only what changes.

    `generated` is how the names that a cut root adds begin (`exports.prefix_of`): those never show.

    `key` is the stack's hash key. A text that contains one of `secrets`, or a value that the plan itself marks as
    sensitive anywhere, is masked too: providers copy secrets into attributes that carry no mark.
    """
    plan = _parse(plan_json)
    mask = Mask(key, frozenset(secrets) | of_plan(plan))
    if generated is not None:
        plan = _without(plan, generated)
    resources = [_resource(item, mask) for item in plan.get("resource_changes") or []]
    outputs = {name: _output(name, item, mask) for name, item in (plan.get("output_changes") or {}).items()}
    return ProjectedPlan({
        "schema": SCHEMA,
        "resource_changes": sorted((item for item in resources if _effective(item)), key=_place),
        "output_changes": {name: item for name, item in outputs.items() if _changed(item)},
        "deferred_changes": [_deferred(item, mask) for item in plan.get("deferred_changes") or []],
        "status": {name: plan[name] for name in ("applyable", "complete", "errored") if name in plan},
        "other": {name: mask.hash([name], plan[name]) for name in plan.keys() - PROJECTED - IGNORED if plan[name]},
    })  # fmt: skip


def digest(projected: ProjectedPlan, *, source: str, engine: str, variables: str) -> str:
    """The plan digest (SHA-256, hex) that approvals bind.

    `source` is the digest of the source tree, `engine` product and exact version, `variables` their keyed hash
    (`variables_hash`). What is only shown (reasons, parts of the address) does not count.
    """
    document = dict(projected.document)
    document["resource_changes"] = [_counted(item) for item in document["resource_changes"]]
    covered = {"plan": document, "source": source, "engine": engine, "variables": variables}
    return hashlib.sha256(exact.dumps(exact.normal(covered))).hexdigest()


def chain_digest(
    batches: Iterable[tuple[Collection[str], ProjectedPlan]],
    *,
    source: str,
    engine: str,
    variables: str,
    exports: Mapping[tuple[str, str | None], str],
    deferred: Collection[str] = (),
    providers: Mapping[str, str] | None = None,
    identity: str = "",
    policies: str = "",
) -> str:
    """The digest (SHA-256, hex) of the plan of a whole chain that approvals bind, whatever its batches and their order.

    `batches`: the units of each and its plan, projected without generated names and with the secrets of all batches (what
    is masked must not depend on the cut). `exports`: address and attribute of each export
    that a planned batch consumes → its keyed hash (`exports.hash_of`). `deferred`: units that are planned later.
    `source`, `engine`, `variables` as of `digest`; `providers`: provider → version and package hash; `identity`: digest of
    environment and cloud identity; `policies`: digest of their inputs. FormatError when a unit, an address or an output
    is in two batches.
    """
    chain = list(batches)
    units = [*(unit for names, _ in chain for unit in names), *deferred]
    changes = [item for _, plan in chain for item in plan.resource_changes]
    outputs = [item for _, plan in chain for item in plan.output_changes.items()]
    for places in (units, [_place(item) for item in changes], [name for name, _ in outputs]):
        if len(set(places)) != len(places):
            raise FormatError("two batches of a chain plan the same")
    documents = [plan.document for _, plan in chain]
    covered = {
        "chain": SCHEMA,
        "units": sorted(units),
        "deferred": sorted(deferred),
        "resource_changes": [_counted(item) for item in sorted(changes, key=_place)],
        "output_changes": dict(outputs),
        "deferred_changes": sorted((item for one in documents for item in one["deferred_changes"]), key=exact.dumps),
        "status": [_status(documents, name) for name in ("applyable", "complete", "errored")],
        "other": sorted([name, item] for one in documents for name, item in one["other"].items()),
        "exports": sorted([address, name or "", name is None, hashed] for (address, name), hashed in exports.items()),
        "source": source, "engine": engine, "variables": variables, "providers": dict(providers or {}),
        "identity": identity, "policies": policies,
    }  # fmt: skip
    return hashlib.sha256(exact.dumps(exact.normal(covered))).hexdigest()


def variables_hash(variables: Mapping[str, Any], key: bytes) -> str:
    """The keyed hash (HMAC-SHA256, hex) of a run's variable values; exact numbers, order of names of no matter."""
    return Mask(key, frozenset()).hash(["variables"], dict(variables))


def summarize(resource_changes: Iterable[Mapping[str, Any]]) -> PlanSummary:
    """Count projected resource changes."""
    managed = [item for item in resource_changes if item["mode"] == "managed"]
    actions = [item["actions"] for item in managed]
    return PlanSummary(
        add=sum("create" in item for item in actions),
        change=sum("update" in item for item in actions),
        destroy=sum("delete" in item for item in actions),
        replace=sum("create" in item and "delete" in item for item in actions),
        import_=sum(item["importing"] is not None for item in managed),
        forget=sum("forget" in item for item in actions),
    )


def sensitive_values(plan_json: bytes) -> set[str]:
    """The text of every value that a plan document marks as sensitive: changes, outputs, states, variables."""
    return set(of_plan(_parse(plan_json)))


def _parse(plan_json: bytes) -> dict[str, Any]:
    plan = exact.loads(plan_json)
    if not isinstance(plan, dict) or "format_version" not in plan:
        raise FormatError("this is no plan document")
    if str(plan["format_version"]).split(".", maxsplit=1)[0] != "1":
        raise FormatError("only plan documents of format 1 can be read")
    return plan


def _without(plan: dict[str, Any], generated: str) -> dict[str, Any]:
    """The plan without what a cut root adds: outputs, and resources that stand for what is not known yet."""
    resource = f"terraform_data.{generated}"
    changes = [item for item in plan.get("resource_changes") or [] if not item["address"].startswith(resource)]
    outputs = {
        name: item for name, item in (plan.get("output_changes") or {}).items() if not name.startswith(generated)
    }
    return {**plan, "resource_changes": changes, "output_changes": outputs}


def _resource(item: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    change = item["change"]
    path = [item["address"], item.get("deposed") or ""]
    return {
        "address": item["address"],
        "previous_address": item.get("previous_address"),
        "module": item.get("module_address", ""),
        "mode": item.get("mode", "managed"),
        "type": item.get("type", ""),
        "name": item.get("name", ""),
        "index": item.get("index"),
        "provider": item.get("provider_name", ""),
        "deposed": item.get("deposed"),
        "action_reason": item.get("action_reason"),
        "importing": _importing(change.get("importing"), [*path, "importing"], mask),
        **masked_change(change, path, mask),
        "extra": _extra(item, _RESOURCE_KEYS, path, mask) | _extra(change, _CHANGE_KEYS, path, mask),
    }


def _output(name: str, change: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """An output's value is one attribute: `value`."""
    one = {key: {"value": change.get(key)} for key in ("before", "after")}
    marks = {key: {"value": change.get(key, False)} for key in ("after_unknown", "before_sensitive", "after_sensitive")}
    return masked_change({"actions": change["actions"], **one, **marks}, ["output", name], mask)


def _deferred(item: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    return {"reason": item.get("reason", ""), "resource_change": _resource(item["resource_change"], mask)}


def _importing(importing: Mapping[str, Any] | None, path: list[Any], mask: Mask) -> dict[str, Any] | None:
    if importing is None:
        return None
    return {name: mask.text(value) for name, value in importing.items() if name in {"id", "unknown"}} | {
        name: mask.hash([*path, name], value) for name, value in importing.items() if name not in {"id", "unknown"}
    }


def _extra(item: Mapping[str, Any], known: frozenset[str], path: list[Any], mask: Mask) -> dict[str, str]:
    return {name: mask.hash([*path, name], item[name]) for name in item.keys() - known if item[name] is not None}


def _effective(item: Mapping[str, Any]) -> bool:
    return item["actions"] != ["no-op"] or item["previous_address"] is not None or item["importing"] is not None


def _changed(item: Mapping[str, Any]) -> bool:
    return bool(item["actions"] != ["no-op"])


def _counted(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in _SHOWN_ONLY}


def _status(documents: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    """What plans say of themselves, without how many said it: batches are no matter."""
    said = {exact.dumps(document["status"].get(name)) for document in documents}
    if name == "applyable" and b"true" in said:
        return [True]
    return [exact.loads(text) for text in sorted(said)]


def _place(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["address"], item["deposed"] or ""

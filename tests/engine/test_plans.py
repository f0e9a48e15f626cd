"""Plans as they leave the worker: masks, hashes, and a digest that moves with effects and with nothing else."""

import copy
import itertools
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine import exact, plans
from stackly_engine.exact import FormatError
from stackly_engine.masking import SENSITIVE
from stackly_engine.plans import PlanSummary, project
from terraform_cli import Terraform

KEY = b"key of the stack"
IGNORED = sorted(plans.IGNORED - {"format_version", "configuration", "variables", "planned_values", "prior_state"})
_names = st.text("abcdef", min_size=1, max_size=3)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False), _names),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    before, after = (draw(st.dictionaries(_names, _values, min_size=1, max_size=3)) for _ in range(2))
    return {
        "actions": ["update"],
        "before": before,
        "after": after,
        "after_unknown": dict.fromkeys(draw(st.lists(_names, max_size=1)), True),
        "before_sensitive": {name: draw(st.booleans()) for name in before},
        "after_sensitive": {name: draw(st.booleans()) for name in after},
    }


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    resources = [
        {
            "address": f"t.r{at}",
            "mode": "managed",
            "type": "t",
            "name": f"r{at}",
            "provider_name": "p",
            "change": change,
        }
        for at, change in enumerate(draw(st.lists(changes(), min_size=1, max_size=3)))
    ]
    return {"format_version": "1.2", "resource_changes": resources, "output_changes": {}, "complete": True}


def digest(plan: dict[str, Any], key: bytes = KEY, **arguments: str) -> str:
    given_too = {"source": "s", "engine": "terraform 1.11.4", "variables": "v"} | arguments
    return plans.digest(project(exact.dumps(plan), key), **given_too)


@given(documents(), st.randoms(), st.sampled_from(IGNORED), _values)
def test_order_and_ignored_keys_do_not_move_the_digest(
    plan: dict[str, Any], chance: Any, name: str, value: Any
) -> None:
    other = copy.deepcopy(plan)
    other[name] = [] if name == "resource_drift" else value
    chance.shuffle(other["resource_changes"])
    shuffled = json.dumps(json.loads(exact.dumps(other)), sort_keys=False) if not _decimal(other) else None
    assert digest(other) == digest(plan)
    if shuffled:
        assert plans.digest(project(shuffled.encode(), KEY), source="s", engine="terraform 1.11.4", variables="v") == (
            digest(plan)
        )


def _decimal(value: Any) -> bool:
    return b"." in exact.dumps(value) or b"E" in exact.dumps(value)


@given(documents(), _values, st.data())
def test_each_changed_attribute_moves_the_digest(plan: dict[str, Any], value: Any, data: st.DataObject) -> None:
    other = copy.deepcopy(plan)
    change = data.draw(st.sampled_from(other["resource_changes"]))["change"]
    side = data.draw(st.sampled_from(["before", "after"]))
    name = data.draw(st.sampled_from(sorted(change[side])))
    old = change[side][name]
    change[side][name] = value
    # 1 and true are equal to Python and not to Terraform; 1.0 and 1 the other way round.
    same = exact.dumps(exact.normal(old)) == exact.dumps(exact.normal(value))
    assert same or digest(other) != digest(plan)


@given(documents(), st.data())
def test_actions_marks_and_unknowns_move_the_digest(plan: dict[str, Any], data: st.DataObject) -> None:
    other = copy.deepcopy(plan)
    item = data.draw(st.sampled_from(other["resource_changes"]))
    change = item["change"]
    what = data.draw(st.sampled_from(["action", "unknown", "deposed", "path", "import", "new key", "new kind"]))
    if what == "action":
        change["actions"] = ["delete", "create"]
    elif what == "unknown":
        change["after_unknown"]["zzzz"] = True
    elif what == "deposed":
        item["deposed"] = "00000000"
    elif what == "path":
        change["replace_paths"] = [["zzzz"]]
    elif what == "import":
        change["importing"] = {"id": "i"}
    elif what == "new key":
        change["something_new"] = {"a": 1}
    else:
        other["action_invocations"] = [{"address": "action.x.y"}]
    assert digest(other) != digest(plan)


@given(documents(), st.sampled_from(["source", "engine", "variables"]))
def test_what_is_given_beside_the_plan_moves_the_digest(plan: dict[str, Any], name: str) -> None:
    assert digest(plan, KEY, **{name: "other"}) != digest(plan)


@given(documents())
def test_no_marked_value_leaves(plan: dict[str, Any]) -> None:
    for item in plan["resource_changes"]:
        change = item["change"]
        change["after"]["token"], change["after_sensitive"]["token"] = "canary-in-a-mark", True
        change["after"]["copy"] = {"deep": ["before canary-in-a-mark after"]}
        change["after"]["keyed"] = {"canary-in-a-mark": 1}
    projected = project(exact.dumps(plan), KEY)
    assert b"canary" not in projected.to_bytes()
    assert plans.sensitive_values(exact.dumps(plan)) >= {"canary-in-a-mark"}
    assert plans.ProjectedPlan.from_bytes(projected.to_bytes()).to_bytes() == projected.to_bytes()


def test_a_sensitive_value_moves_the_digest_by_its_keyed_hash() -> None:
    def plan(value: object) -> dict[str, Any]:
        change = {"actions": ["create"], "before": None, "after": {"s": value}, "after_unknown": {},
                  "before_sensitive": False, "after_sensitive": {"s": True}}  # fmt: skip
        return {"format_version": "1.2", "resource_changes": [{"address": "t.a", "change": change}]}

    one = project(exact.dumps(plan("first-secret")), KEY)
    assert one.resource_changes[0]["after"] == {"s": SENSITIVE}
    assert digest(plan("first-secret")) != digest(plan("other-secret"))
    assert digest(plan("first-secret")) != digest(plan("first-secret"), key=b"another stack's key")
    assert digest(plan(Decimal("1.0"))) == digest(plan(1)) != digest(plan(True))


def test_equal_secrets_at_two_places_have_unequal_hashes() -> None:
    change = {"actions": ["create"], "before": None, "after": {"a": "same-secret", "b": "same-secret"},
              "after_unknown": {}, "before_sensitive": False, "after_sensitive": {"a": True, "b": True}}  # fmt: skip
    plan = {"format_version": "1.2", "resource_changes": [{"address": "t.a", "change": change}]}
    (_, _, first), (_, _, second) = project(exact.dumps(plan), KEY).resource_changes[0]["sensitive"]
    assert first != second


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format_version":"2.0"}', b'{"format_version":'])
def test_no_plan_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        project(data, KEY)


CODE = """
variable "token" {
  type      = string
  sensitive = true
}
variable "size" {
  type = number
}
resource "terraform_data" "replaced" {
  triggers_replace = var.size
}
resource "terraform_data" "changed" {
  input = { size = var.size, token = var.token }
}
resource "terraform_data" "copy" {
  input = terraform_data.changed.output
}
output "token" {
  value     = var.token
  sensitive = true
}
output "size" {
  value = var.size
}
"""


def test_a_real_plan_from_nothing_to_a_change_to_nothing_again(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path)
    terraform.write({"main.tf": CODE})
    terraform.run("init")
    variables = ("-var=token=canary-token", "-var=size=1")
    first = project(terraform.plan_json(*variables), KEY)
    assert first.summary == PlanSummary(add=3)
    again = project(terraform.plan_json(*variables), KEY)
    facts = {"source": "s", "engine": "e", "variables": "v"}
    assert plans.digest(first, **facts) == plans.digest(again, **facts)
    terraform.run("apply", "-auto-approve", *variables)
    assert project(terraform.plan_json(*variables), KEY).empty
    changed = project(terraform.plan_json("-var=token=canary-token", "-var=size=1.5"), KEY)
    assert changed.summary == PlanSummary(add=1, change=2, destroy=1, replace=1)
    assert b"canary" not in first.to_bytes() + changed.to_bytes()
    by_address = {item["address"]: item for item in changed.resource_changes}
    assert by_address["terraform_data.replaced"]["replace_paths"] == [["triggers_replace"]]
    assert by_address["terraform_data.copy"]["unknown"] == [["input"], ["output"]]
    assert by_address["terraform_data.changed"]["after"]["input"] == {"size": Decimal("1.5"), "token": SENSITIVE}
    assert changed.output_changes["size"]["before"] == {"value": 1}
    assert "token" not in changed.output_changes
    destroy = project(terraform.plan_json("-destroy", *variables), KEY)
    assert destroy.summary == PlanSummary(destroy=3)
    moved = CODE.replace('"changed"', '"renamed"').replace("data.changed", "data.renamed")
    blocks = "moved {\n  from = terraform_data.changed\n  to = terraform_data.renamed\n}\n"
    removed = "removed {\n  from = terraform_data.replaced\n  lifecycle {\n    destroy = false\n  }\n}\n"
    gone = moved.replace('resource "terraform_data" "replaced" {\n  triggers_replace = var.size\n}\n', removed)
    terraform.write({"main.tf": gone + blocks})
    plan = project(terraform.plan_json(*variables), KEY)
    assert plan.summary == PlanSummary(forget=1)
    assert [item["previous_address"] for item in plan.resource_changes] == ["terraform_data.changed", None]


# the digest of a chain


def chain(batches: Sequence[tuple[tuple[str, ...], dict[str, Any]]], **arguments: Any) -> str:
    facts: dict[str, Any] = {"source": "s", "engine": "e", "variables": "v", "exports": EXPORTS} | arguments
    documents = [exact.dumps(plan) for _, plan in batches]
    secrets = {text for document in documents for text in plans.sensitive_values(document)}  # known to each batch
    projected = [project(document, KEY, secrets) for document in documents]
    return plans.chain_digest(list(zip((units for units, _ in batches), projected, strict=True)), **facts)


EXPORTS = {("module.a", "id"): "h1", ("module.a", None): "h2", ("t.n", "id"): "h3"}
UNITS = ("module.a", "module.b", "root.t.n", "outputs")


def split(plan: dict[str, Any], cuts: list[int]) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """The plan as batches: resource change n belongs to the unit n."""
    found = []
    for start, end in itertools.pairwise([0, *sorted(cuts), len(UNITS)]):
        outputs = plan["output_changes"] if end == len(UNITS) else {}
        part = plan | {"resource_changes": plan["resource_changes"][start:end], "output_changes": outputs}
        found.append((UNITS[start:end], part))
    return found


@given(documents(), st.sets(st.integers(1, 3)), st.randoms())
def test_batches_and_their_order_do_not_move_the_digest_of_a_chain(
    plan: dict[str, Any], cuts: set[int], chance: Any
) -> None:
    plan["output_changes"] = {"o": plan["resource_changes"][0]["change"]}
    batches, whole = split(plan, sorted(cuts)), chain(split(plan, []))
    chance.shuffle(batches)
    shuffled = list(EXPORTS.items())
    chance.shuffle(shuffled)
    assert chain(batches, exports=dict(shuffled)) == whole


@given(documents(), st.data())
def test_each_effect_moves_the_digest_of_a_chain(plan: dict[str, Any], data: st.DataObject) -> None:
    other = copy.deepcopy(plan)
    item = data.draw(st.sampled_from(other["resource_changes"]))
    what = data.draw(st.sampled_from(["value", "action", "key", "kind", "status", "output", "deferred", "gone"]))
    if what == "value":
        item["change"]["after"]["zzzz"] = 1
    elif what == "action":
        item["change"]["actions"] = ["delete", "create"]
    elif what == "key":
        item["change"]["something_new"] = {"a": 1}
    elif what == "kind":
        other["action_invocations"] = [{"address": "action.x.y"}]
    elif what == "status":
        other["complete"] = False
    elif what == "output":
        other["output_changes"] = {"o": item["change"]}
    elif what == "deferred":
        other["deferred_changes"] = [{"reason": "r", "resource_change": item}]
    else:
        other["resource_changes"].remove(item)
    assert chain(split(other, [2])) != chain(split(plan, [2]))


@pytest.mark.parametrize(
    "change",
    [
        {"source": "x"},
        {"engine": "x"},
        {"variables": "x"},
        {"identity": "x"},
        {"policies": "x"},
        {"providers": {"p": "1.0"}},
        {"deferred": ["module.later"]},
        {"exports": EXPORTS | {("module.a", "id"): "other"}},
        {"exports": EXPORTS | {("module.b", "id"): "h1"}},
        {"exports": {place: hashed for place, hashed in EXPORTS.items() if place[1]}},
        {"exports": EXPORTS | {("module.a", ""): "h2"}},
        {"exports": {}},
    ],
)
def test_what_is_given_beside_the_plans_moves_the_digest_of_a_chain(change: dict[str, Any]) -> None:
    batches = [(UNITS, {"format_version": "1.2"})]
    assert chain(batches, **change) != chain(batches)
    assert chain([(UNITS[:3], {"format_version": "1.2"})], **change) != chain(batches, **change)


def test_nothing_is_planned_twice() -> None:
    item = {"address": "t.a", "change": {"actions": ["delete"], "before": {"a": 1}, "after": None}}
    plan = {"format_version": "1.2", "resource_changes": [item]}
    with pytest.raises(FormatError, match="plan the same"):
        chain([(("module.a",), plan), (("module.b",), plan)])
    empty: dict[str, Any] = {"format_version": "1.2"}
    with pytest.raises(FormatError, match="plan the same"):
        chain([(("module.a",), empty), (("module.a",), empty)])
    with pytest.raises(FormatError, match="plan the same"):
        chain([(("module.a",), empty)], deferred=["module.a"])


def test_generated_names_never_show_but_their_secrets_stay_masked() -> None:
    secret = {"actions": ["create"], "before": None, "after": "canary-secret", "after_sensitive": True}
    copied = {"actions": ["create"], "before": None, "after": {"a": "with canary-secret in it"}}
    plan = {
        "format_version": "1.2",
        "resource_changes": [
            {"address": "t.a", "change": copied},
            {"address": "terraform_data.stackly_up__module__a__pending", "change": copied},
        ],
        "output_changes": {"stackly_up__module__a__id": secret},
    }
    projected = project(exact.dumps(plan), KEY, generated="stackly_up__")
    assert [item["address"] for item in projected.resource_changes] == ["t.a"]
    assert projected.output_changes == {}
    assert b"canary" not in projected.to_bytes()

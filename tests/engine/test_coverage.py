"""What an approval covers: nothing is found in a plan that came out as planned, everything else is."""

import copy
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_roots import change, plan
from stackly_engine import exact, refinement, schema_types
from stackly_engine.coverage import Finding, refines, uncovered
from stackly_engine.exports import UNKNOWN, Export
from stackly_engine.values import Refinement
from terraform_cli import Terraform

KINDS = ["no-op", "read", "create", "update", "delete", "forget", "delete/create", "create/delete"]
REPLACED = ["delete/create", "create/delete"]
COVERS = {
    "no-op": KINDS, "read": KINDS, "create": ["create"], "update": ["update", *REPLACED], "delete": ["delete"],
    "forget": ["forget"], "delete/create": ["delete/create"], "create/delete": ["create/delete"],
}  # fmt: skip

_names = st.text("abcd", min_size=1, max_size=2)
_plain = st.one_of(st.none(), st.booleans(), st.integers(), st.just(Decimal("1.50")), _names)
_values = st.recursive(
    _plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)),
    max_leaves=6,
)
_attributes = st.dictionaries(_names, _values, min_size=1, max_size=3)


def sides(kind: str, before: Any, after: Any) -> dict[str, Any]:
    return {
        "before": None if kind == "create" else before,
        "after": None if kind in {"delete", "forget"} else before if kind == "no-op" else after,
    }


@st.composite
def items(draw: st.DrawFn, at: int) -> dict[str, Any]:
    kind = draw(st.sampled_from(KINDS))
    found = change(f"t.r{at}", kind, **sides(kind, draw(_attributes), draw(_attributes)))
    if found["change"]["after"] is not None and kind != "no-op":
        found["change"]["after_unknown"] = dict.fromkeys(draw(st.sets(st.sampled_from(["yy", "zz"]))), True)
    if kind in REPLACED:
        found["change"]["replace_paths"] = draw(st.lists(st.lists(_names, max_size=2), max_size=2))
    return found


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    return plan(*(draw(items(at)) for at in range(draw(st.integers(1, 3)))))


def reasons(approved: Any, new: Any, **more: Any) -> set[str]:
    return {finding.reason for finding in uncovered(approved, new, **more)}


def known(value: Any) -> Any:
    """Something else than the value, of whatever form."""
    return {"changed": value}


@given(plans())
def test_a_plan_covers_itself(one: dict[str, Any]) -> None:
    assert uncovered(one, copy.deepcopy(one)) == ()


@given(plans())
def test_without_an_approval_each_change_is_found(one: dict[str, Any]) -> None:
    effective = {
        item["address"] for item in one["resource_changes"] if item["change"]["actions"][0] not in {"no-op", "read"}
    }
    assert {finding.address for finding in uncovered(None, one)} == effective


@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("approved", KINDS)
def test_each_kind_is_covered_by_these(approved: str, new: str) -> None:
    values = {"a": 1, "b": {"c": [1, 2]}}
    one, other = (plan(change("t.r", kind, **sides(kind, values, values | {"a": 2}))) for kind in (approved, new))
    assert (uncovered(one, other) == ()) == (approved in COVERS[new])


@given(plans(), st.data())
def test_each_mutation_of_what_matters_is_found(one: dict[str, Any], data: st.DataObject) -> None:
    other = copy.deepcopy(one)
    item = data.draw(st.sampled_from(other["resource_changes"]))
    kind = "/".join(item["change"]["actions"])
    mutate = data.draw(st.sampled_from(MUTATIONS))
    if mutate(item, kind):
        assert uncovered(one, other) != (), mutate.__name__


def _another_kind(item: dict[str, Any], kind: str) -> bool:
    item["change"]["actions"] = ["delete"] if kind != "delete" else ["create"]
    return True


def _another_object(item: dict[str, Any], kind: str) -> bool:
    item["address"] += "x"
    return kind not in {"no-op", "read"}


def _deposed(item: dict[str, Any], kind: str) -> bool:
    item["deposed"] = "00000001"
    return kind not in {"no-op", "read"}


def _imported(item: dict[str, Any], _: str) -> bool:
    item["change"]["importing"] = {"id": "i"}
    return True


def _moved(item: dict[str, Any], _: str) -> bool:
    item["previous_address"] = "t.old"
    return True


def _drifted(item: dict[str, Any], kind: str) -> bool:
    """All attributes of an object that changes: those that do not change themselves may drift."""
    if kind in {"no-op", "read", "create"}:
        return False
    before, after = item["change"]["before"], item["change"]["after"]
    for name in before:
        if kind != "update" or after.get(name, known) != before[name]:
            before[name] = known(before[name])
            return True
    return False


def _other_value(item: dict[str, Any], kind: str) -> bool:
    after = item["change"]["after"]
    if after is None or kind in {"no-op", "read"}:
        return False
    name = min(after)
    after[name] = known(after[name])
    return name not in item["change"]["after_unknown"]


def _unknown_now(item: dict[str, Any], kind: str) -> bool:
    after = item["change"]["after"]
    if after is None or kind in {"no-op", "read"}:
        return False
    name = min(after)
    del after[name]
    item["change"]["after_unknown"] = {**(item["change"]["after_unknown"] or {}), name: True}
    return name not in {"yy", "zz"}


def _gone_or_new(item: dict[str, Any], kind: str) -> bool:
    after = item["change"]["after"]
    if after is None or kind in {"no-op", "read"}:
        return False
    after["new"] = 1
    return True


def _replace_path(item: dict[str, Any], kind: str) -> bool:
    item["change"]["replace_paths"] = [*(item["change"].get("replace_paths") or []), ["xx", 0]]
    return kind in REPLACED


def _new_key(item: dict[str, Any], _: str) -> bool:
    item["change"]["something_new"] = 1
    return True


def _new_key_beside(item: dict[str, Any], _: str) -> bool:
    item["something_new"] = False
    return True


def _provider(item: dict[str, Any], kind: str) -> bool:
    item["provider_name"] = "q"
    return kind not in {"no-op", "read"}


MUTATIONS: list[Callable[[dict[str, Any], str], bool]] = [
    _another_kind, _another_object, _deposed, _imported, _moved, _drifted, _other_value, _unknown_now, _gone_or_new,
    _replace_path, _new_key, _new_key_beside, _provider,
]  # fmt: skip


def refined(approved: Any, unknown: Any, new: Any, new_unknown: Any = False, t: Any = None) -> list[tuple[str, Any]]:
    one, other = (
        plan(change("t.n", "create", after={"v": value}, after_unknown={"v": mask}))
        for value, mask in ((approved, unknown), (new, new_unknown))
    )
    types = {("p", "managed", "t"): ["object", {"v": t}]} if t else None
    return [(finding.reason, finding.path) for finding in uncovered(one, other, resource_types=types)]


STRINGS, SET = ["list", "string"], ["set", "string"]


@pytest.mark.parametrize(
    ("approved", "unknown", "new", "new_unknown"),
    [
        (None, True, {"any": ["thing"]}, False),
        (None, True, None, True),
        ({"a": 1}, {"b": True}, {"a": 1, "b": 2}, False),
        ({"a": {}}, {"a": {"b": True}}, {"a": {"b": [1]}}, False),
        (["a", None], [False, True], ["a", "z"], False),
        (["a", None], [False, True], ["a", None], [False, True]),
        (["a"], [False], ["a"], {}),
        (Decimal("1.50"), False, Decimal("1.5"), False),
        (1, False, Decimal("1e0"), False),
        (10**30, {}, Decimal("1e30"), False),
        # a set: elements come out in another order, and as one
        (["a", "b", None], [False, False, True], ["0", "a", "b"], False),
        (["b", None, None], [False, True, True], ["a", "b"], False),
        ([{"k": "x"}, {"k": "y"}], [{"v": True}, {"v": True}], [{"k": "y", "v": 1}, {"k": "x", "v": 2}], False),
    ],
)
def test_unknown_may_be_anything_and_known_is_what_it_was(
    approved: Any, unknown: Any, new: Any, new_unknown: Any
) -> None:
    assert refined(approved, unknown, new, new_unknown) == []


@pytest.mark.parametrize(
    ("approved", "unknown", "new", "new_unknown", "reason", "path"),
    [
        ("a", False, None, True, "is unknown now", ("after", "v")),
        ({"a": 1}, False, {}, {"a": True}, "is unknown now", ("after", "v", "a")),
        ({"a": {"b": 1}}, False, {"a": {"b": True}}, False, "another value", ("after", "v", "a", "b")),
        (1, False, True, False, "another value", ("after", "v")),
        (0, False, False, False, "another value", ("after", "v")),
        ("1", False, 1, False, "another value", ("after", "v")),
        (None, False, {}, False, "another value", ("after", "v")),
        ([], False, {}, False, "another value", ("after", "v")),
        (["a"], False, ["a", "b"], False, "another number of elements", ("after", "v")),
        (["a", "b"], False, ["b", "a"], False, "another value", ("after", "v", 0)),
        ({"a": 1}, {"b": True}, {"a": 1, "b": 1, "c": 1}, False, "is new", ("after", "v", "c")),
        ({"a": 1, "b": 1}, False, {"a": 1}, False, "is gone", ("after", "v", "b")),
        (["a", None], [False, True], ["x", "y"], False, "another value", ("after", "v", 0)),
        (["a", None], [False, True], ["a", "y", "z"], False, "another number of elements", ("after", "v")),
        ([{"k": "x"}], [{"v": True}], [{"k": "y", "v": 1}], False, "another value", ("after", "v", 0, "k")),
        # two known elements, one unknown: the unknown one cannot be both
        (["a", None], [False, True], ["a", "b", "c"], False, "another number of elements", ("after", "v")),
    ],
)  # fmt: skip
def test_anything_else_is_another_value(
    approved: Any, unknown: Any, new: Any, new_unknown: Any, reason: str, path: tuple[str | int, ...]
) -> None:
    assert (reason, path) in refined(approved, unknown, new, new_unknown)


@pytest.mark.parametrize(
    ("t", "covered"), [(SET, True), (STRINGS, False), (["tuple", ["string", "string", "string"]], False), (None, True)]
)
def test_types_tell_a_set_from_a_list(t: Any, covered: bool) -> None:
    found = refined(["a", "b", None], [False, False, True], ["0", "a", "b"], False, t)
    assert (found == []) == covered


def test_a_known_set_is_a_set_whatever_its_order() -> None:
    assert refined(["a", "b"], False, ["b", "a"], False, SET) == []
    assert refined(["a", "b"], False, ["b", "c"], False, SET) == [("a set of other elements", ("after", "v"))]
    assert refined(["a"], False, ["a", "b"], False, SET) != []
    assert refined([None, None], [True, True], ["a", "b", "c"], False, SET) != []
    t = ["set", ["object", {"k": "number", "v": "number"}]]
    # the second one cannot have become the first: its known part is another
    assert refined([{"k": 1, "v": 1}, {"k": 2}], [{}, {"v": True}], [{"k": 1, "v": 1}], False, t) != []


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6), st.randoms())
def test_a_set_refines_by_any_reading_of_its_unknown_parts(elements: list[tuple[int, bool]], chance: Any) -> None:
    approved = [{"k": key} for key, _ in elements]
    masks = [{"v": True} if open_ else {} for _, open_ in elements]
    values = [{"k": key} | ({"v": chance.randrange(3)} if open_ else {}) for key, open_ in elements]
    new = [exact.loads(text) for text in {exact.dumps(value) for value in values}]
    chance.shuffle(new)
    t = ["set", ["object", {"k": "number", "v": "number"}]]
    assert refined(approved, masks, new, False, t) == []
    assert refined(approved, masks, [*new, {"k": 9, "v": 9}], False, t) != []


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ({"something_new": [1]}, "the plan has something of unknown kind: something_new"),
        ({"errored": True}, "the plan is incomplete: planning failed"),
        ({"complete": False}, "the plan is incomplete: more is to be planned after it"),
        ({"format_version": "2.0"}, "the plan is of an unknown format"),
        ({"action_invocations": [{"address": "action.a.b"}]}, "is not in the approved plan: action_invocations"),
        (
            {"deferred_changes": [{"reason": "r", "resource_change": {}}]},
            "is not in the approved plan: deferred_changes",
        ),
    ],
)
def test_the_plan_as_a_whole(new: dict[str, Any], reason: str) -> None:
    assert reasons(plan(), plan() | new) == {reason}
    assert reasons(plan(), plan(something_new=None, other={}, resource_drift=[1], timestamp="t", checks=[1])) == set()
    if "something_new" in new:
        assert reasons(plan() | new, plan()) == {"the approved plan has something of unknown kind: something_new"}


def test_actions_are_those_that_were_approved() -> None:
    def invocation(**more: Any) -> dict[str, Any]:
        return plan(action_invocations=[{"address": "action.a.b", "type": "a", **more}])

    approved = invocation(config_values={"a": 1}, config_unknown={"b": True})
    assert reasons(approved, invocation(config_values={"a": 1, "b": 2}, config_unknown={})) == set()
    assert reasons(approved, invocation(config_values={"a": 2, "b": 2}, config_unknown={})) != set()
    twice = approved | {"action_invocations": approved["action_invocations"] * 2}
    assert reasons(approved, twice) != set()
    assert reasons(twice, approved) == set()


def test_outputs_come_out_as_they_were_planned() -> None:
    def outputs(**changes: Any) -> dict[str, Any]:
        return plan(output_changes={name: change("", kind, **more)["change"] for name, (kind, more) in changes.items()})

    approved = outputs(a=("create", {"after": 1}), b=("create", {"after_unknown": True}), c=("update", {"after": 1}))
    assert (
        reasons(approved, outputs(a=("create", {"after": 1}), b=("create", {"after": [1]}), c=("no-op", {}))) == set()
    )
    assert uncovered(approved, outputs(a=("create", {"after": 2}))) == (
        Finding("output.a", "", "another value", ("after",)),
    )
    assert reasons(approved, outputs(d=("create", {"after": 2}))) == {"create is not in the approved plan"}
    assert reasons(approved, outputs(c=("delete", {}))) == {"delete, approved was update"}
    assert reasons(approved, outputs(stackly_up__x=("create", {"after": 2}))) == set()
    assert reasons(approved, outputs(stackly_up__x=("create", {"after": 2})), generated="stackly_up1__") != set()


def test_a_plan_with_a_generated_resource_is_never_covered() -> None:
    one = plan(change("terraform_data.stackly_up__module__a__pending", "create"))
    assert reasons(one, one) == {"stands for something that is not known yet: such a plan is never applied"}
    assert reasons(one, plan()) == set()


def test_what_does_not_change_may_drift() -> None:
    def update(**drift: Any) -> dict[str, Any]:
        values = {"a": 1, "count": 1, "time": "now"} | drift
        return plan(change("t.n", "update", before=values, after=values | {"a": 2}))

    assert uncovered(update(), update(count=5, time="later")) == ()
    assert uncovered(update(), update(a=3)) == (Finding("t.n", "", "another value", ("before", "a")),)
    now = update()
    now["resource_changes"][0]["change"]["after"]["count"] = 2
    assert uncovered(update(), now) == (Finding("t.n", "", "another value", ("after", "count")),)


def test_a_replacement_may_become_an_update_but_not_for_another_reason() -> None:
    def replace(*paths: list[Any], kind: str = "delete/create") -> dict[str, Any]:
        return plan(change("t.n", kind, before={"a": 1}, after={"a": 2}, replace_paths=list(paths)))

    approved = replace(["a"], ["b", 0])
    assert reasons(approved, replace(["b", 0])) == set()
    assert reasons(approved, replace(["a"], ["b", 1])) == {"is replaced for another reason"}
    assert reasons(approved, replace(kind="update")) == set()


def test_identities_and_imports_are_those_that_were_approved() -> None:
    def imported(**more: Any) -> dict[str, Any]:
        return plan(change("t.n", "update", before={"a": 1}, after={"a": 2}, **more))

    approved = imported(importing={"id": "i"}, before_identity={"id": "1"}, after_identity={"id": "1"})
    assert reasons(
        approved, imported(importing={"id": "j"}, before_identity={"id": "1"}, after_identity={"id": "1"})
    ) == {"is imported otherwise"}
    assert reasons(approved, imported(importing={"id": "i"}, before_identity={"id": "2"}, after_identity={"id": "2"})) == {
        "is another object", "becomes another object",
    }  # fmt: skip
    quiet = plan(change("t.n", "no-op", importing={"id": "i"}))
    assert reasons(approved, quiet) == set()
    assert reasons(plan(change("t.n", "update")), quiet) == {"is imported otherwise"}
    assert reasons(plan(), quiet) == {"no-op is not in the approved plan"}


def test_types_come_from_the_schemas_of_providers() -> None:
    block = {
        "attributes": {"tags": {"type": ["map", "string"]},
                       "nested": {"nested_type": {"nesting_mode": "set", "attributes": {"a": {"type": "string"}}}}},
        "block_types": {"rule": {"nesting_mode": "set", "block": {"attributes": {"ports": {"type": ["set", "number"]}}}},
                        "timeouts": {"nesting_mode": "single", "block": {"attributes": {"create": {"type": "string"}}}}},
    }  # fmt: skip
    schemas = {"provider_schemas": {"p": {"resource_schemas": {"t": {"version": 0, "block": block}}}}}
    assert schema_types.of_schemas(schemas) == {
        ("p", "managed", "t"): ["object", {
            "nested": ["set", ["object", {"a": "string"}]],
            "rule": ["set", ["object", {"ports": ["set", "number"]}]],
            "tags": ["map", "string"],
            "timeouts": ["object", {"create": "string"}],
        }],
    }  # fmt: skip


OBJECT = ["object", {"a": "string", "b": SET}]


@pytest.mark.parametrize(
    ("approved", "real", "expected"),
    [
        (UNKNOWN, Export("string", "x"), True),
        (UNKNOWN, Export(OBJECT, {"a": "x", "b": []}, sensitive=True), True),
        (Export("string", None, unknown=True), Export("string", "x"), True),
        (Export("string", None, unknown=True), Export("number", 1), False),
        (Export("string", "x"), Export("string", "x"), True),
        (Export("string", "x"), Export("string", "y"), False),
        (Export("string", "x"), Export("string", None, unknown=True), False),
        (Export("string", "x"), Export("string", None), False),
        (Export("string", "x", sensitive=True), Export("string", "x"), False),
        (Export("string", "x"), Export("string", "x", sensitive=True), False),
        (Export("number", 1), Export("number", Decimal("1.0")), True),
        (Export(SET, ["a", "b"]), Export(SET, ["b", "a"]), True),
        (Export(STRINGS, ["a", "b"]), Export(STRINGS, ["b", "a"]), False),
        (Export(STRINGS, ["a", None], unknown=[False, True]), Export(STRINGS, ["b", "a"]), False),
        (Export(["list", "dynamic"], None, unknown=True), Export(STRINGS, ["a"]), True),
        (Export(["object", {"a": "string"}], {"a": "x"}), Export(["object", {"b": "string"}], {"b": "x"}), False),
        (Export(["tuple", ["string"]], ["x"]), Export(STRINGS, ["x"]), False),
        (
            Export(OBJECT, {"a": "x", "b": None}, unknown={"b": True}, sensitive={"a": True, "b": False}),
            Export(OBJECT, {"a": "x", "b": ["1"]}, sensitive={"a": True, "b": True}),
            True,
        ),
        (
            Export(OBJECT, {"a": "x", "b": None}, unknown={"b": True}, sensitive={"a": True, "b": False}),
            Export(OBJECT, {"a": "x", "b": ["1"]}),
            False,
        ),
        (Export("string", "x", sensitive=True, inner=(("a",),)), Export("string", "x", sensitive=True), False),
        (Export("string", None, True, unknown=True), Export("string", "x", True), True),
        (Export("string", None, True, unknown=True), Export("string", "x"), False),
        (Export("string", None, unknown=True), Export("string", "x", True), True),
        (Export("dynamic", None, True, unknown=True), Export(OBJECT, {"a": "x", "b": []}, {"a": True, "b": False}), True),
    ],
)  # fmt: skip
def test_an_export_refines_the_approved_one(approved: Export, real: Export, expected: bool) -> None:
    assert refines(approved, real) is expected


def test_what_was_known_of_an_unknown_export_comes_true() -> None:
    approved = Export(["list", "string"], [None], unknown=[True], refined=(((0,), Refinement(True, "arn:")),))
    assert refines(approved, Export(STRINGS, ["arn:x"]))
    assert refines(approved, Export(STRINGS, [None], unknown=[True]))
    assert not refines(approved, Export(STRINGS, ["x"]))
    assert not refines(approved, Export(STRINGS, [None]))


@given(_values, _values)
def test_a_known_export_refines_itself_only(one: Any, other: Any) -> None:
    """Values without a type of their own say enough here: what is no set is compared in order."""
    first, second = (refinement.Side(value) for value in (one, other))
    assert refinement.refines(first, first)
    equal = exact.dumps(exact.normal(one)) == exact.dumps(exact.normal(other))
    assert refinement.refines(first, second) == equal


CODE = """
variable "up" {}
variable "force" {
  default = 1
}
resource "terraform_data" "up" {
  triggers_replace = var.up
}
resource "terraform_data" "down" {
  input            = { id = UP, list = ["a", UP], fixed = 1 }
  triggers_replace = var.force
}
resource "terraform_data" "same" {
  count = 2
  input = "x"
}
output "down" {
  value = [terraform_data.down.input, "b"]
}
"""


def test_a_plan_with_real_values_is_covered_by_the_one_without(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path)
    terraform.write({"main.tf": CODE.replace("UP", "terraform_data.up.id")})
    terraform.run("init")
    terraform.run("apply", "-auto-approve", "-var=up=1")
    approved = exact.loads(terraform.plan_json("-var=up=2"))  # up is replaced: its id is unknown
    # the same with the real value, as a cut root has it
    terraform.run("apply", "-auto-approve", "-var=up=2", "-target=terraform_data.up")
    new = exact.loads(terraform.plan_json("-var=up=2"))
    assert uncovered(approved, new) == ()
    assert {finding.reason for finding in uncovered(None, new)} >= {"update is not in the approved plan"}
    forced = exact.loads(terraform.plan_json("-var=up=2", "-var=force=2"))
    assert "delete/create, approved was update" in reasons(approved, forced)
    terraform.write(
        {"main.tf": CODE.replace("UP", "terraform_data.up.id").replace('"b"', '"c"').replace("count = 2", "count = 3")}
    )
    assert {finding.address for finding in uncovered(approved, exact.loads(terraform.plan_json("-var=up=2")))} == {
        "output.down", "terraform_data.same[2]",
    }  # fmt: skip

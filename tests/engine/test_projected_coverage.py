"""The server's answer about an approval is the worker's, though it sees no secret."""

import copy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from engine_roots import change, plan
from stackly_engine import exact
from stackly_engine.coverage import uncovered
from stackly_engine.plans import ProjectedPlan, project
from stackly_engine.projected_coverage import uncovered_projected

KEY = b"key of the stack"
NAMES = ["a", "b", "c"]
_leaf = st.sampled_from([1, 2, "x", True])  # null and absent are one to a projection
_value = st.one_of(_leaf, st.lists(_leaf, max_size=2), st.dictionaries(st.sampled_from(NAMES), _leaf, max_size=2))
_object = st.fixed_dictionaries(dict.fromkeys(NAMES, _value))
ACTIONS = ["create", "update", "delete", "delete/create", "no-op"]


def projected(document: dict[str, Any]) -> ProjectedPlan:
    return ProjectedPlan.from_bytes(project(exact.dumps(document), KEY).to_bytes())


def item(kind: str, before: Any, after: Any, unknown: set[str], marks: dict[str, bool]) -> dict[str, Any]:
    """As Terraform says it: unknown attributes stand in the mask only."""
    before = None if kind == "create" else before
    after = None if kind == "delete" else dict(before) if kind == "no-op" else after
    if kind in {"delete", "no-op"}:
        unknown = set()
    if after is not None:
        after = {name: value for name, value in after.items() if name not in unknown}
    return change("t.n", kind, before=before, after=after, after_unknown=dict.fromkeys(unknown, True),
                  before_sensitive=marks, after_sensitive=marks)  # fmt: skip


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An approved plan and what may have become of it: two objects with few values, so that many are covered."""
    before, after = draw(_object), draw(_object)
    marks = draw(st.fixed_dictionaries({name: st.booleans() for name in NAMES}))
    unknown = draw(st.sets(st.sampled_from(NAMES)))
    kind, other = draw(st.sampled_from(ACTIONS)), draw(st.sampled_from(ACTIONS))
    new_before = before if draw(st.booleans()) else draw(_object)
    new_after = {name: draw(_value) if name in unknown else value for name, value in after.items()}
    new_after = new_after if draw(st.booleans()) else draw(_object)
    approved = item(kind, before, after, unknown, marks)
    new = item(
        kind if draw(st.booleans()) else other,
        new_before,
        new_after,
        unknown & draw(st.sets(st.sampled_from(NAMES))),
        marks,
    )
    return plan(approved), plan(new)


@given(pairs())
def test_both_answers_are_one(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    approved, new = pair
    real = [one["resource_changes"][0]["change"] for one in pair]
    # Terraform plans no update of an object that comes out as it was
    assume(all(c["actions"] != ["update"] or c["before"] != c["after"] or c["after_unknown"] for c in real))
    answer = uncovered_projected(projected(approved), projected(new))
    assert (answer == ()) == (uncovered(approved, new) == ())
    assert uncovered_projected(projected(approved), projected(copy.deepcopy(approved))) == ()


def test_a_hidden_value_counts_by_its_hash() -> None:
    def secret(value: str) -> ProjectedPlan:
        one = change("t.n", "create", after={"s": value}, after_sensitive={"s": True})
        output = change("", "create", after=value, after_sensitive=True)["change"]
        return projected(plan(one, output_changes={"o": output}))

    assert uncovered_projected(secret("first-secret"), secret("first-secret")) == ()
    found = uncovered_projected(secret("first-secret"), secret("other-secret"))
    assert {finding.address for finding in found} == {"t.n", "output.o"}
    assert "secret" not in str(found)
    assert uncovered_projected(None, secret("first-secret")) != ()


def test_unknown_parts_of_outputs_and_of_lists_may_be_anything() -> None:
    def made(value: Any, unknown: Any) -> ProjectedPlan:
        output = change("", "create", after=value, after_unknown=unknown)["change"]
        return projected(
            plan(
                change("t.n", "create", after={"l": value}, after_unknown={"l": unknown}), output_changes={"o": output}
            )
        )

    assert uncovered_projected(made(["a", None], [False, True]), made(["a", "b"], False)) == ()
    assert uncovered_projected(made(None, True), made(["a", "b"], False)) == ()
    assert len(uncovered_projected(made(["a", None], [False, True]), made(["b", "a"], False))) == 0  # as a set
    assert len(uncovered_projected(made(["a", None], [False, True]), made(["b", "c"], False))) == 2


def test_what_is_kept_by_a_hash_is_as_it_was_approved() -> None:
    def extra(**more: Any) -> ProjectedPlan:
        return projected(plan(change("t.n", "update", before={"a": 1}, after={"a": 2}, **more)))

    assert uncovered_projected(extra(before_identity={"i": 1}), extra(before_identity={"i": 1})) == ()
    assert uncovered_projected(extra(before_identity={"i": 1}), extra(before_identity={"i": 2})) != ()
    assert uncovered_projected(extra(), extra(after_identity={"i": 2})) == ()
    assert uncovered_projected(extra(), extra(something_new=1)) != ()
    assert uncovered_projected(projected(plan()), projected(plan(something_new=[1]))) != ()
    assert uncovered_projected(projected(plan()), projected(plan(errored=True))) != ()

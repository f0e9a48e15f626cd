"""What a batch reads of others is what was approved: by value where that is at hand, by keyed hash where it is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine import exact, plans
from stackly_engine.consumed import OTHERWISE, UNTOLD, unrefined, unrefined_in_chain
from stackly_engine.deciding import UNKNOWN
from stackly_engine.exports import Export, hash_of
from stackly_engine.marks import some
from stackly_engine.projected_chain import PlannedUnit, ProjectedChain, project_chain
from stackly_engine.records import Place

KEY = b"key of the stack"
ID: Place = ("module.a", "id")
OBJECT = ["object", {"id": "string", "n": "number"}]


def one(**named: Export) -> dict[str, dict[str | None, Export]]:
    found: dict[str | None, Export] = {}
    found.update(named)
    return {"module.a": found}


def reasons(approved: Any, real: Any, *places: Place) -> list[str]:
    return [finding.address for finding in unrefined(approved, real, places or (ID,))]


@pytest.mark.parametrize(
    ("approved", "real", "good"),
    [
        (Export("string", "x"), Export("string", "x"), True),
        (Export("string", "x"), Export("string", "y"), False),
        (Export("string", None, unknown=True), Export("string", "y"), True),
        (Export("string", None, unknown=True), Export("number", 1), False),
        (Export("string", "x", sensitive=True), Export("string", "x"), False),
        (Export("string", None, sensitive=True, unknown=True), Export("string", "y"), False),
        (Export("string", None, sensitive=True, unknown=True), Export("string", "y", sensitive=True), True),
    ],
)
def test_by_value(approved: Export, real: Export, good: bool) -> None:
    assert reasons(one(id=approved), one(id=real)) == ([] if good else ["module.a.id"])


def test_what_nobody_reads_is_no_matter() -> None:
    approved = one(id=Export("string", "x"), word=Export("string", "x"))
    assert reasons(approved, one(id=Export("string", "x"), word=Export("string", "y"))) == []
    assert reasons(approved, one(id=Export("string", "x"), word=Export("string", "y")), ID, ("module.a", "word")) == [
        "module.a.word"
    ]


def test_a_part_is_read_of_the_whole() -> None:
    def whole(n: int | None) -> Any:
        value, unknown = {"id": "x", "n": n}, {"n": True} if n is None else False
        return {"module.a": {None: Export(OBJECT, value, unknown=unknown)}}

    assert reasons(whole(1), whole(2)) == []
    assert reasons(whole(1), whole(2), ("module.a", "n"), ("module.a", None)) == ["module.a.n", "module.a"]
    assert reasons(whole(None), whole(2), ("module.a", "n"), ("module.a", None)) == []


def test_what_is_there_or_not_only_now_is_told() -> None:
    assert reasons({}, {}) == []
    assert reasons({}, one(id=Export("string", "x"))) == ["module.a.id"]
    assert reasons(one(id=Export("string", "x")), {}) == ["module.a.id"]


def chain(exports: dict[Place, str], *inputs: str, outputs: tuple[str, ...] = ()) -> ProjectedChain:
    empty = plans.project(exact.dumps({"format_version": "1.2"}), KEY)
    units = [
        PlannedUnit("module.a", True, ("new",), 1, outputs=("module.a.id",)),
        PlannedUnit("module.b", True, ("new",), 2, inputs=inputs, outputs=outputs),
        PlannedUnit("module.c", True, ("new",), 2, outputs=("module.c.id",)),
    ]
    return project_chain(units, [(("module.a",), empty), (("module.b", "module.c"), empty)], {}, exports=exports)


BATCH = ("module.b", "module.c")


def test_by_hash() -> None:
    approved = chain({ID: "one", ("module.z", None): str(UNKNOWN)}, "module.a.id", "module.z.id", "module.c.id")
    unknown: Place = ("module.z", "id")
    assert unrefined_in_chain(approved, BATCH, {ID: "one", unknown: "any"}) == ()
    found = unrefined_in_chain(approved, BATCH, {ID: "two", unknown: "any"})
    assert [(finding.address, finding.reason) for finding in found] == [("module.a.id", OTHERWISE)]
    found = unrefined_in_chain(approved, BATCH, {ID: "one"})
    assert [(finding.address, finding.reason) for finding in found] == [("module.z.id", UNTOLD)]
    assert [one.address for one in unrefined_in_chain(approved, BATCH, {})] == ["module.a.id", "module.z.id"]
    found = unrefined_in_chain(approved, BATCH, {ID: str(UNKNOWN), unknown: "any"})
    assert [finding.reason for finding in found] == [OTHERWISE]
    other: Place = ("module.y", "id")  # nobody approved anything of it
    assert [one.address for one in unrefined_in_chain(approved, BATCH, {ID: "one", unknown: "a", other: "x"})] == [
        "module.y.id"
    ]


_exports = st.builds(
    lambda value, sensitive, unknown: Export("string", None if unknown else value, sensitive, unknown),
    st.sampled_from(["x", "y", None]), st.booleans(), st.booleans(),
)  # fmt: skip


@given(_exports, _exports.filter(lambda one: not some(one.unknown)))
def test_what_the_server_refuses_the_worker_refuses(approved: Export, real: Export) -> None:
    """And the other way round wherever all was known."""
    hashed = str(UNKNOWN) if some(approved.unknown) else hash_of(approved, KEY, ID)
    server = unrefined_in_chain(chain({ID: hashed}, "module.a.id"), BATCH, {ID: hash_of(real, KEY, ID)})
    worker = unrefined(one(id=approved), one(id=real), [ID])
    assert not server or worker
    if not some(approved.unknown):
        assert bool(server) == bool(worker)

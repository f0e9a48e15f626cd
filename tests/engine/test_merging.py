"""State documents of batches: cut out and merged again, with nothing lost and nothing foreign let in."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_roots import configured, graph_of, resource, state
from stackly_engine import exact, merging, slices
from stackly_engine.dependencies import dependencies, restored, stripped
from stackly_engine.exact import FormatError
from stackly_engine.merging import Written, merged, part
from terraform_cli import Terraform

RESOURCES = [
    resource("module.a.t.x", 0, 1),
    resource('module.a["k"].data.t.y'),
    resource("module.b.t.x", deposed="00000001", private="cA=="),
    resource("data.t.in_check"),
    resource("t.z", "k"),
]
TOPS = ["module.a", "module.b", "data.t.in_check", "t.z"]


def result(kind: str, address: str, status: str = "pass") -> dict[str, Any]:
    return {"object_kind": kind, "config_addr": address, "status": status, "objects": None}


CHECKS = [
    result("check", "check.c"),
    result("output", "module.a.output.o"),
    result("output", "output.o"),
    result("resource", "module.b.t.x"),
    result("resource", "t.z"),
    result("var", "module.a.var.v"),
    result("var", "var.v"),
]
BASE = slices.join(
    *slices.split_by_top(state(*RESOURCES, outputs={"o": {"value": 1, "type": "number"}}, check_results=CHECKS))
)


@given(st.lists(st.sampled_from(TOPS), unique=True), st.integers(0, 4), st.booleans())
def test_what_batches_did_not_touch_comes_back(order: list[str], cut: int, outputs: bool) -> None:
    groups = [frozenset(order[:cut]), frozenset(order[cut:])]
    written = [
        Written(part(BASE, tops, outputs=outputs and not at), tops, outputs and not at)
        for at, tops in enumerate(groups)
    ]
    assert exact.dumps(merged(BASE, written)) == exact.dumps(BASE)


@given(st.lists(st.sampled_from(TOPS), unique=True))
def test_all_batches_together_are_the_whole(order: list[str]) -> None:
    lone = [Written(part(BASE, {top}), frozenset({top})) for top in order]
    rest = frozenset(TOPS) - set(order)
    written = [*lone, Written(part(BASE, rest, outputs=True), rest, outputs=True)]
    blank = merging.empty("l", "1.11.4") | {"serial": BASE["serial"] - 1}
    assert exact.dumps(merged(blank, written)) == exact.dumps(BASE)


def test_a_batch_starts_from_its_own() -> None:
    mine = part(BASE, {"module.a", "module.new"})
    assert [slices.top_of(one) for one in mine["resources"]] == ["module.a", "module.a"]
    assert [one["config_addr"] for one in mine["check_results"]] == ["module.a.output.o", "module.a.var.v"]
    assert mine["outputs"] == {}
    closing = part(BASE, {"data.t.in_check"}, outputs=True)
    assert [one["config_addr"] for one in closing["check_results"]] == ["check.c", "output.o", "var.v"]
    assert closing["outputs"] == BASE["outputs"]
    assert (mine["serial"], mine["lineage"]) == (BASE["serial"], BASE["lineage"])
    assert part(BASE, set())["check_results"] is None


def test_what_a_batch_left_counts_for_its_own_only() -> None:
    left = part(BASE, {"module.a"}) | {
        "resources": [resource("module.a.t.new")],
        "outputs": {"o": {"value": "of no matter", "type": "string"}},
        "check_results": [result("output", "module.a.output.o", "fail"), result("var", "var.v", "fail"),
                          result("resource", "t.z", "fail")],
        "serial": 40,
    }  # fmt: skip
    found = merged(BASE, [Written(left, frozenset({"module.a"}))])
    assert found["serial"] == BASE["serial"] + 1
    assert found["outputs"] == BASE["outputs"]
    assert {one["config_addr"]: one["status"] for one in found["check_results"]} == {
        "check.c": "pass", "module.a.output.o": "fail", "output.o": "pass", "module.b.t.x": "pass", "t.z": "pass",
        "var.v": "pass",
    }  # fmt: skip
    assert [slices.top_of(one) for one in found["resources"]] == [
        "data.t.in_check", "t.z", "module.a", "module.b",
    ]  # fmt: skip
    gone = merged(found, [Written(part(found, {"module.a"}) | {"resources": []}, frozenset({"module.a"}))])
    assert "module.a" not in slices.split_by_top(gone)[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lineage": "another"}, "another lineage"),
        ({"resources": [resource("t.foreign")]}, "not its own: t.foreign"),
        ({"something_new": {"a": 1}}, "unknown meaning: something_new"),
    ],
)
def test_anything_foreign_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        merged(BASE, [Written(part(BASE, {"module.a"}) | change, frozenset({"module.a"}))])


def test_two_batches_that_hold_the_same_are_refused() -> None:
    one = Written(part(BASE, {"module.a"}), frozenset({"module.a"}))
    both = Written(part(BASE, TOPS), frozenset(TOPS))
    with pytest.raises(FormatError, match="the same part"):
        merged(BASE, [one, both])
    closing = [Written(part(BASE, {top}, outputs=True), frozenset({top}), outputs=True) for top in TOPS[:2]]
    with pytest.raises(FormatError, match="the same part"):
        merged(BASE, closing)
    other = part(BASE, {"module.b"}) | {"terraform_version": "1.12.0"}
    with pytest.raises(FormatError, match="different Terraform versions"):
        merged(BASE, [one, Written(other, frozenset({"module.b"}))])


CODE = """
module "a" {
  source = "./a"
}
module "b" {
  source = "./b"
  v      = module.a.o
}
"""
A = 'resource "terraform_data" "x" {\n}\noutput "o" {\n value = terraform_data.x.id\n}\n'
B = (
    'variable "v" {}\nresource "terraform_data" "y" {\n input = var.v\n'
    " lifecycle {\n  create_before_destroy = true\n }\n}\n"
)


def test_what_is_remembered_of_the_state_serves_what_is_gone_from_the_code() -> None:
    before = dependencies(configured(CODE, a=A, b=B))
    whole = state(*restored([resource("module.a.terraform_data.x"), resource("module.b.terraform_data.y")], before))
    now = dependencies(graph_of(CODE.split('module "b"', maxsplit=1)[0], a=A).configuration)
    kept = merging.remembered(whole, now)
    assert kept.of == {**now.of, "module.b.terraform_data.y": ("module.a.terraform_data.x",)}
    assert kept.before_destroy == {"module.b.terraform_data.y"}
    head, parts = slices.split_by_top(whole)
    parts = {top: stripped(resources) for top, resources in parts.items()}
    again = {slices.top_of(one): one["instances"][0] for one in slices.join(head, parts, kept)["resources"]}
    assert again["module.b"]["dependencies"] == ["module.a.terraform_data.x"]
    assert again["module.b"]["create_before_destroy"] is True
    assert "create_before_destroy" not in again["module.a"]  # nothing in the code asks for it any more
    assert slices.join(head, parts, merging.remembered(whole)) == whole


def test_terraform_has_nothing_to_do_after_two_batches(tmp_path: Path) -> None:
    """The batches are roots of their own here; cutting them is another matter."""
    whole, one, two = (Terraform(tmp_path / name) for name in ("whole", "one", "two"))
    call = 'module "b" {\n source = "./b"\n v = "set by hand"\n}\noutput "fixed" {\n value = 1.50\n}\n'
    whole.write({"main.tf": CODE.replace("module.a.o", '"set by hand"') + 'output "fixed" {\n value = 1.50\n}\n',
                 "a/main.tf": A, "b/main.tf": B})  # fmt: skip
    one.write({"main.tf": CODE.split('module "b"', maxsplit=1)[0], "a/main.tf": A})
    two.write({"main.tf": call, "b/main.tf": B})
    base = merging.empty("9f1cdd31-3d2c-4f8e-8f0e-1e6a4f0a6b10", "1.11.4")
    for terraform in (one, two):
        (terraform.folder / "terraform.tfstate").write_bytes(slices.document_bytes(base))
        terraform.run("init")
        terraform.run("apply", "-auto-approve")
    left = [slices.parse((terraform.folder / "terraform.tfstate").read_bytes()) for terraform in (one, two)]
    found = merged(
        base, [Written(left[0], frozenset({"module.a"})), Written(left[1], frozenset({"module.b"}), outputs=True)]
    )
    whole.run("init")
    (whole.folder / "terraform.tfstate").write_bytes(slices.document_bytes(found))
    assert "No changes" in whole.run("plan")

"""State documents and slices: lossless both ways, whatever Terraform may write."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine import exact, slices
from stackly_engine.dependencies import Dependencies
from stackly_engine.exact import FormatError
from terraform_cli import Terraform

_texts = st.text(max_size=12)
_numbers = st.one_of(
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([10**400, Decimal("1e999"), Decimal("0.1"), Decimal("1.500"), 18446744073709551617]),
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, _texts, st.just('\x00number:1"')),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)),
    max_leaves=8,
)
_modules = st.sampled_from(["", "module.a", 'module.a["x.y"]', 'module.a["x"].module.b', "module.b[0]", "module.a-b"])


@st.composite
def _resources(draw: st.DrawFn) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "mode": "managed",
        "type": "t",
        "name": draw(_texts),
        "instances": draw(st.lists(_values)),
    }
    if module := draw(_modules):
        resource["module"] = module
    return resource


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": draw(st.integers(0, 10**9)),
        "lineage": draw(_texts),
        "outputs": draw(st.dictionaries(_texts, _values, max_size=3)),
        "resources": draw(st.lists(_resources(), max_size=6)),
        "check_results": draw(st.one_of(st.none(), st.lists(_values, max_size=2))),
        "something_new": draw(_values),
    }


@given(states())
def test_a_document_comes_back_equal_and_in_order(state: dict[str, Any]) -> None:
    document = exact.dumps(state)
    manifest, parts = slices.split(document)
    again = slices.Manifest.from_bytes(manifest.to_bytes())
    assert exact.loads(slices.assemble(again, parts)) == exact.loads(document)
    assert manifest.digests.keys() == {slices.unit_of(resource.get("module", "")) for resource in state["resources"]}


@given(states(), st.randoms())
def test_slices_do_not_depend_on_layout(state: dict[str, Any], chance: Any) -> None:
    keys = list(state)
    chance.shuffle(keys)
    _, parts = slices.split(exact.dumps(state))
    pretty = b"{" + b" ,\n".join(exact.dumps(key) + b" :  " + exact.dumps(state[key]) for key in keys) + b"}"
    assert slices.split(pretty)[1] == parts


@given(_values)
def test_exact_numbers_keep_every_digit(value: Any) -> None:
    assert exact.loads(exact.dumps(value)) == value


@given(st.one_of(st.binary(max_size=40), _values.map(exact.dumps), states().map(lambda s: exact.dumps(s)[:-1])))
def test_anything_else_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(FormatError):
        slices.split(data)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(FormatError, match="nested too deeply"):
        exact.loads(b"[" * 200_000)


@pytest.mark.parametrize(
    ("module", "unit"),
    [("", "root"), ("module.a", "module.a"), ('module.a["x.y"].module.b', "module.a"), ("module.a[0]", "module.a")],
)
def test_units(module: str, unit: str) -> None:
    assert slices.unit_of(module) == unit


def test_an_altered_or_missing_slice_is_refused() -> None:
    state = {
        "version": 4,
        "serial": 1,
        "lineage": "l",
        "resources": [{"name": "a"}, {"name": "b", "module": "module.m"}],
    }
    manifest, parts = slices.split(json.dumps(state).encode())
    assert slices.assemble(manifest, parts)
    with pytest.raises(FormatError, match="does not have the digest"):
        slices.assemble(manifest, parts | {"root": b"[]"})
    with pytest.raises(FormatError, match="not those of the manifest"):
        slices.assemble(manifest, {"root": parts["root"]})


@pytest.mark.parametrize(
    "state",
    [{"version": 3}, {"version": 4, "encrypted_data": "x"}, {"version": 4, "serial": 1.5, "lineage": "l"}, [], "x"],
)
def test_other_documents_are_refused(state: Any) -> None:
    with pytest.raises(FormatError):
        slices.split(json.dumps(state).encode())


CODE = """
variable "token" {
  type      = string
  sensitive = true
  default   = "canary-of-the-state"
}
resource "terraform_data" "numbers" {
  input = { big = 123456789012345678901234567890, small = 0.1, huge = 1e300, text = "ü\\u2028<&>" }
}
resource "terraform_data" "secret" {
  input = var.token
}
module "one" {
  source   = "./child"
  for_each = toset(["x.y", "z"])
}
module "two" {
  source = "./child"
}
output "token" {
  value     = var.token
  sensitive = true
}
output "half" {
  value = 0.5
}
check "fine" {
  assert {
    condition     = terraform_data.numbers.output != null
    error_message = "never"
  }
}
"""


def test_terraform_finds_nothing_to_change_in_an_assembled_state(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path)
    terraform.write({"main.tf": CODE, "child/main.tf": 'resource "terraform_data" "c" {\n  count = 2\n}\n'})
    terraform.run("init")
    terraform.run("apply", "-auto-approve")
    state = tmp_path / "terraform.tfstate"
    before = state.read_bytes()
    manifest, parts = slices.split(before)
    assert sorted(parts) == ["module.one", "module.two", "root"]
    assert "canary-of-the-state" in slices.sensitive_values(before)
    state.write_bytes(slices.assemble(manifest, parts))
    assert "No changes" in terraform.run("plan")
    # Terraform itself reads the same thing: written back by its own hand it is the document it was.
    terraform.run("state", "push", "-force", "terraform.tfstate")
    written = exact.loads(state.read_bytes())
    assert written | {"serial": 0} == exact.loads(before) | {"serial": 0}


def test_deposed_objects_survive(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path)
    code = """
    variable "v" {}
    resource "terraform_data" "a" {
      triggers_replace = var.v
      lifecycle { create_before_destroy = true }
      provisioner "local-exec" {
        command = "test ${var.v} = 1"
      }
    }
    """
    terraform.write({"main.tf": code})
    terraform.run("init")
    terraform.run("apply", "-auto-approve", "-var=v=1")
    with pytest.raises(subprocess.CalledProcessError):
        terraform.run("apply", "-auto-approve", "-var=v=2")
    state = tmp_path / "terraform.tfstate"
    before = state.read_bytes()
    assert b'"deposed"' in before
    state.write_bytes(slices.assemble(*slices.split(before)))
    assert exact.loads(state.read_bytes()) == exact.loads(before)
    assert "2 to destroy" in terraform.run("plan", "-var=v=2")


# by top-level address

_parts_of_addresses = st.tuples(
    st.sampled_from(["", "module.a", 'module.a["x.y"]', 'module.a["x"].module.b', "module.b[0]", "module.a-b"]),
    st.sampled_from(["data", "managed"]),
    st.sampled_from(["t", "u_v"]),
    st.sampled_from(["n", "m-1", "ü"]),
)
_instances = st.lists(
    st.fixed_dictionaries(
        {"schema_version": st.just(0), "attributes": _values},
        optional={
            "index_key": st.one_of(st.integers(0, 3), _texts),
            "deposed": st.just("00000001"),
            "status": st.just("tainted"),
            "private": st.just("cHJpdmF0ZQ=="),
            "sensitive_attributes": st.lists(_values, max_size=3),
            "identity": _values,
        },
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def real_states(draw: st.DrawFn) -> dict[str, Any]:
    """As Terraform writes them: sorted, each address once."""
    addresses = draw(st.lists(_parts_of_addresses, unique=True, max_size=8))
    resources = [
        ({"module": module} if module else {})
        | {"mode": mode, "type": type_, "name": name, "provider": "p", "instances": draw(_instances)}
        for module, mode, type_, name in sorted(addresses)
    ]
    return draw(states()) | {"resources": resources}


@given(real_states())
def test_by_top_address_everything_comes_back(state: dict[str, Any]) -> None:
    head, parts = slices.split_by_top(state)
    assert exact.dumps(slices.join(head, parts)) == exact.dumps(state)
    assert exact.loads(slices.document_bytes(slices.join(head, parts))) == exact.loads(exact.dumps(state))
    assert all(resource in parts[slices.top_of(resource)] for resource in state["resources"])
    stored = {top: exact.loads(slices.slice_bytes(part)) for top, part in parts.items()}
    again = slices.join(head, stored)
    assert exact.dumps(again | {"resources": []}) == exact.dumps(state | {"resources": []})
    assert [slices.slice_bytes([one]) for one in again["resources"]] == [
        slices.slice_bytes([one]) for one in state["resources"]
    ]


@given(real_states(), st.randoms())
def test_the_order_in_the_document_is_of_no_matter(state: dict[str, Any], chance: Any) -> None:
    shuffled = {**state, "resources": list(state["resources"])}
    chance.shuffle(shuffled["resources"])
    assert slices.join(*slices.split_by_top(shuffled)) == state


def test_a_slice_is_stored_without_what_other_units_decide() -> None:
    def part(dependencies: list[str], marks: list[str]) -> list[dict[str, Any]]:
        paths = [[{"type": "get_attr", "value": name}] for name in marks]
        instance = {"attributes": {"a": 1, "b": 2}, "sensitive_attributes": paths, "dependencies": dependencies}
        return [{"mode": "managed", "type": "t", "name": "n", "instances": [instance]}]

    assert slices.slice_bytes(part(["t.a"], ["a", "b"])) == slices.slice_bytes(part([], ["b", "a"]))
    assert slices.slice_bytes(part([], ["a"])) != slices.slice_bytes(part([], ["a", "b"]))
    d = Dependencies({"t.n": ("t.a", "t.b")}, frozenset({"t.n"}), frozenset())
    (resource,) = slices.join({}, {"t.n": exact.loads(slices.slice_bytes(part([], [])))}, d)["resources"]
    assert resource["instances"][0]["dependencies"] == ["t.a", "t.b"]
    assert resource["instances"][0]["create_before_destroy"] is True


def test_a_foreign_resource_in_a_slice_is_refused() -> None:
    resource = {"mode": "managed", "type": "t", "name": "n", "instances": []}
    with pytest.raises(FormatError, match="another top-level address"):
        slices.join({}, {"t.other": [resource]})
    with pytest.raises(FormatError, match="no mode"):
        slices.split_by_top({"resources": [{"name": "n"}]})


def test_terraform_writes_resources_in_this_order(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path)
    terraform.write({"main.tf": CODE, "child/main.tf": 'resource "terraform_data" "c" {\n  count = 2\n}\n'})
    terraform.run("init")
    terraform.run("apply", "-auto-approve")
    before = slices.parse((tmp_path / "terraform.tfstate").read_bytes())
    head, parts = slices.split_by_top(before)
    assert list(parts) == ["module.one", "module.two", "terraform_data.numbers", "terraform_data.secret"]
    assert slices.join(head, parts) == before

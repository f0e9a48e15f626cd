"""What moved between two documents, as slices: the manifest that follows is that of the whole document, for less."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine import deltas, exact, outlines, slices
from stackly_engine.deltas import Delta
from stackly_engine.exact import FormatError

_MODULES = ["", "module.a", 'module.a["x.y"].module.b', "module.b[0]", "module.a-b", "module.aB"]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """In Terraform's order, as a run by units has them."""
    names = draw(st.sets(st.tuples(st.sampled_from(_MODULES), st.sampled_from("xyz")), max_size=5))
    resources = [
        {**({"module": module} if module else {}), "mode": "managed", "type": "t", "name": name, "provider": "p",
         "instances": [{"attributes": {"text": draw(st.sampled_from("abé"))}, "status": "tainted"}] * draw(st.integers(0, 2))}
        for module, name in names
    ]  # fmt: skip
    outputs = draw(st.dictionaries(st.sampled_from("op"), st.integers(), max_size=2))
    head = {
        "version": 4,
        "terraform_version": "1",
        "serial": 3,
        "lineage": "l",
        "outputs": outputs,
        "check_results": None,
    }
    return slices.join(head, {"": resources}, checked=False)


@given(documents(), documents())
def test_the_manifest_that_follows_is_that_of_the_document(before: dict[str, Any], after: dict[str, Any]) -> None:
    manifest, parts = slices.split(exact.dumps(before))
    delta = deltas.between(3, before, after)
    following = deltas.moved(manifest, manifest, delta)
    assert following is not None
    known = {**parts, **delta.slices}
    whole = slices.assemble(following, {unit: data for unit, data in known.items() if data is not None})
    assert exact.loads(whole) == {**after, "serial": 4}
    assert delta.slices.keys() == {
        unit
        for unit in parts.keys() | slices.split(exact.dumps(after))[1].keys()
        if parts.get(unit) != slices.split(exact.dumps(after))[1].get(unit)
    }
    weights = [deltas.weigh(unit, known[unit]) for unit in following.digests]
    assert len(whole) == deltas.head_size(following.head) + sum(one.size for one in weights) - bool(weights)
    assert sum(one.instances for one in weights) == sum(len(one["instances"]) for one in after["resources"])


@given(documents())
def test_nothing_moved(document: dict[str, Any]) -> None:
    assert deltas.between(3, document, exact.loads(exact.dumps(document))).empty
    first = deltas.between(0, {**document, "resources": []}, document)
    made = deltas.moved(None, None, first)
    assert made is not None
    assert made.serial == 1


@given(documents())
def test_an_outline_says_all_but_contents_and_is_filled(document: dict[str, Any]) -> None:
    manifest, parts = slices.split(exact.dumps(document))
    found = outlines.read(outlines.put_together(manifest.head, map(outlines.of_slice, parts.values())))
    assert b"attributes" not in exact.dumps(found.document)
    assert [one["instances"] for one in found.document["resources"]] == [
        [{"status": "tainted"}] * len(one["instances"]) for one in document["resources"]
    ]
    tops = slices.split_by_top(document)[1]
    assert found.digests == {top: slices.digest(slices.slice_bytes(part)) for top, part in tops.items()}
    assert found.units == parts.keys()
    assert outlines.filled(found.document, parts) == document
    assert slices.parse(found.providers())["serial"] == 3


def test_another_write_of_the_same_part_is_seen() -> None:
    head = {"version": 4, "terraform_version": "1", "serial": 1, "lineage": "l", "outputs": {}}
    base = deltas.moved(None, None, Delta(0, "l", {"module.a": b"[1]"}, head))
    other = deltas.moved(base, base, Delta(1, "l", {"module.b": b"[2]"}))
    same = deltas.moved(base, base, Delta(1, "l", {"module.a": b"[2]"}))
    mine = Delta(1, "l", {"module.a": b"[3]"})
    assert deltas.moved(other, base, mine) is not None
    assert deltas.moved(same, base, mine) is None
    assert deltas.moved(base, base, Delta(1, "l", {}, {**head, "outputs": {"o": 1}})) is not None
    with_outputs = deltas.moved(base, base, Delta(1, "l", {}, {**head, "outputs": {"o": 1}}))
    assert deltas.moved(with_outputs, base, Delta(1, "l", {}, head)) is None
    for wrong in (Delta(0, "l", {}), Delta(1, "other", {})):
        with pytest.raises(FormatError):
            deltas.moved(None if wrong.base == 0 else base, None, wrong)


def test_bytes_that_are_none() -> None:
    for data in (b"[]", b"{}", b'{"head":{}}', b'{"head":{},"parts":[[1]]}'):
        with pytest.raises(FormatError):
            outlines.read(data)
    for data in (b"[]", b'{"version":3}', b'{"version":4,"resources":[]}'):
        with pytest.raises(FormatError):
            deltas.read_head(data)

"""Addresses as segments: what is printed is read as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine import instances
from stackly_engine.exact import FormatError
from stackly_engine.instances import Dynamic, Segment

_names = st.sampled_from(["module.a", "module.m-1", "t.n", "data.t.n", "ephemeral.t.n"])
_keys = st.one_of(st.none(), st.integers(0, 10**20), st.text())


@given(st.lists(st.builds(Segment, _names, _keys), min_size=1, max_size=4).map(tuple))
def test_addresses_come_back(address: tuple[Segment, ...]) -> None:
    assert instances.parse(instances.text(address)) == address
    assert instances.parse(instances.config(address)) == tuple(Segment(segment.name) for segment in address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (' module . a [ "k" ] . t . n ', (Segment("module.a", "k"), Segment("t.n"))),
        ("t.n.0", (Segment("t.n", 0),)),
        ("t.n[each.key]", (Segment("t.n", Dynamic()),)),
        ('t.n["${each.key}"]', (Segment("t.n", Dynamic()),)),
        ('t.n["$${x}"]', (Segment("t.n", "${x}"),)),
        ("module.a/* c */.t.n", (Segment("module.a"), Segment("t.n"))),
    ],
)
def test_as_code_says_them(text: str, expected: tuple[Segment, ...]) -> None:
    assert instances.parse(text) == expected


@pytest.mark.parametrize("text", ["t", "module", "data.t", "t.n[", "t..n", "t.n[0", "[0]", "t.[0]", "a b", "t.n x.y"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        instances.parse(text)

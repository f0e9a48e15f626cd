"""The picture of a graph: whole, readable by any XML reader, the same each time, nothing over anything else."""

import xml.etree.ElementTree as ET
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from stackly_engine.drawing import svg

_SVG = "{http://www.w3.org/2000/svg}"
NEEDS = {"module.a": [], "module.b": ["module.a"], "module.c": ["module.a"], "outputs": ["module.b", "module.c"]}


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - of our own making


def drawn(text: str) -> dict[str, tuple[int, int, int, int]]:
    """The name in each box → x, y, width and height."""
    groups = parsed(text).iter(f"{_SVG}g")
    found = {}
    for group in groups:
        rect, title = group.find(f"{_SVG}rect"), group.find(f"{_SVG}title")
        assert rect is not None
        assert title is not None
        left, top, width, height = (int(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        found[(title.text or "").split("\n")[0]] = left, top, width, height
    return found


def test_waves_are_columns() -> None:
    boxes = drawn(svg(NEEDS))
    assert boxes.keys() == NEEDS.keys()
    assert boxes["module.a"][0] < boxes["module.b"][0] == boxes["module.c"][0] < boxes["outputs"][0]
    text = svg(NEEDS)
    assert text.count("<path ") == 4
    assert [f">wave {number}<" in text for number in (1, 2, 3, 4)] == [True, True, True, False]


def test_members_and_looks_are_told() -> None:
    text = svg(NEEDS, about={"module.b": ["module.b", "module.x"]}, looks={"module.b": "run", "module.c": "skipped"})
    assert "<title>module.b\nmodule.b\nmodule.x</title>" in text
    assert text.count('class="unit run"') == text.count('class="unit skipped"') == 1


def test_connected_units_lie_beside_each_other() -> None:
    """Two chains whose names are in the wrong order do not cross."""
    boxes = drawn(svg({"a": [], "b": [], "x": ["b"], "y": ["a"]}))
    assert boxes["x"][1] == boxes["b"][1]
    assert boxes["y"][1] == boxes["a"][1]


def test_no_graph_is_a_picture_too() -> None:
    assert drawn(svg({})) == {}


def test_names_are_text() -> None:
    name = 'module.<b>&"\x00ünï' + "x" * 60
    boxes = drawn(svg({name: []}))
    assert list(boxes) == [name.replace("\x00", "\ufffd")]


@given(st.dictionaries(st.text(max_size=8), st.just(0), max_size=12), st.data())
def test_any_graph(names: dict[str, int], data: st.DataObject) -> None:
    order = sorted(names)
    needs = {
        name: data.draw(st.lists(st.sampled_from(order[:place]), unique=True)) if place else []
        for place, name in enumerate(order)
    }
    text = svg(needs)
    assert text == svg(dict(reversed(needs.items())))
    document = parsed(text)
    boxes = [
        tuple(int(rect.attrib[name]) for name in ("x", "y", "width", "height")) for rect in document.iter(f"{_SVG}rect")
    ]
    assert len(boxes) == len(order)
    assert len(list(document.iter(f"{_SVG}path"))) == sum(map(len, needs.values()))
    for (left, top, width, height), (x, y, _, _) in combinations(sorted(boxes), 2):
        assert x >= left + width or abs(y - top) >= height
    assert all(x + width <= int(document.attrib["width"]) for x, _, width, _ in boxes)

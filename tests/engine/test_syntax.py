"""Blocks, references and tokens of Terraform files, held against the bytes they stand in and against Terraform."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions import FORMS, Form
from stackly_engine.syntax import Attribute, Block, Reference, SyntaxProblem, parse


def _read(reference: Reference) -> str | None:
    parts = reference.parts
    if parts[0] in {"path", "terraform", "each"}:
        return None
    if parts[0] == "module":
        return f"module.{parts[1]}.{reference.output or '*'}"
    return ".".join(parts[1:3] if parts[0] == "resource" else parts[:2])


def _only(text: str) -> Attribute:
    return parse("main.tf", text.encode()).blocks[0].attributes["x"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_references_of_each_form(form: Form) -> None:
    attribute = _only(f"output o {{\n  x = {form.text}\n}}\n")
    assert tuple(read for each in attribute.references if (read := _read(each))) == form.reads
    assert attribute.text.rstrip("\n") == form.text


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_ranges_of_references_are_their_source(form: Form) -> None:
    data = f"output o {{\n  x = {form.text}\n}}\n".encode()
    for reference in parse("main.tf", data).blocks[0].attributes["x"].references:
        assert len(reference.ends) == len(reference.parts)
        assert reference.start < reference.ends[0] <= reference.ends[-1] <= reference.end
        for position, end in enumerate(reference.ends):
            bare = re.sub(rb"/\*.*?\*/|\s", b"", data[reference.start : end])
            assert bare.decode() == ".".join(reference.parts[: position + 1])


def _spans(block: Block) -> list[tuple[str, int, int]]:
    inner = [span for child in block.blocks for span in _spans(child)]
    own = [(each.name, each.span.start, each.span.end) for each in block.attributes.values()]
    return [(block.type, block.span.start, block.span.end), *own, *inner]


_NAMES = st.sampled_from(["a", "b-c", "ü", "dynamic_x", "for_each"])
_VALUES = st.sampled_from([form.text for form in FORMS if not form.name.startswith("deep")])
_LINES = st.sampled_from(["\n", "\n\n", "\n# c\n", "\n// } \n", "\n/* { */\n"])
_BLANKS = _LINES | st.just(" # }\n")


@st.composite
def _blocks(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(_NAMES)
    labels = draw(st.lists(st.sampled_from(['"x"', "y", '"ü z"']), max_size=2))
    parts = [f"  {name} = {draw(_VALUES)}" for name in draw(st.lists(_NAMES, unique=True, max_size=3))]
    if depth:
        parts += draw(st.lists(_blocks(depth=depth - 1), max_size=2))
    inner = "".join(draw(_LINES) + part for part in parts)
    return f"{kind} {' '.join(labels)} {{{inner}{draw(_LINES)}}}"


@given(st.lists(_blocks(), max_size=4), _BLANKS, st.booleans())
def test_concatenated_blocks_come_out_as_they_went_in(blocks: list[str], between: str, windows: bool) -> None:
    text = between.join(["", *blocks, ""])
    data = (text.replace("\n", "\r\n") if windows else text).encode()
    parsed = parse("main.tf", data)
    assert [data[block.span.start : block.span.end].decode().replace("\r\n", "\n") for block in parsed.blocks] == blocks
    for block in parsed.blocks:
        for name, start, end in _spans(block):
            assert data[start:end].startswith(name.encode())
        for _, attribute in block.walk():
            assert data[attribute.value.start : attribute.value.end].decode() == attribute.text


@given(st.lists(_blocks(), min_size=1, max_size=3), st.lists(_BLANKS, min_size=4, max_size=4))
def test_comments_and_blanks_between_blocks_are_no_tokens(blocks: list[str], blanks: list[str]) -> None:
    plain, spaced = (
        "\n".join(blocks),
        "".join(f"{blank}  {block}" for block, blank in zip(blocks, blanks, strict=False)),
    )
    first, second = parse("a.tf", plain.encode()), parse("b.tf", spaced.encode())
    assert [first.tokens(block.span) for block in first.blocks] == [
        second.tokens(block.span) for block in second.blocks
    ]


def _tokens(text: str) -> bytes:
    parsed = parse("main.tf", text.encode())
    return parsed.tokens(parsed.blocks[0].span)


def test_a_reformat_leaves_the_tokens() -> None:
    assert _tokens('a "b" {\nx=[1,2] # c\n}') == _tokens('  a   "b"   {\r\n\t x = [ 1,\n 2 ]\n\n}')
    assert _tokens('a "b" {\n x = 1\n}').split(b"\0") == [b"a", b'"b"', b"{", b"x", b"=", b"1", b"}"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('x = "a  b"', 'x = "a b"'),
        ("x = a.0.b", "x = a.1.b"),
        ("x = <<E\n  a\nE", "x = <<E\n a\nE"),
        ("x = 1e3", "x = 1e4"),
        ('x = "$%{if a}b%{endif}"', 'x = "%{if a}b%{endif}"'),
        ("x = - 1", "x = 1"),
        ("x = ab", "x = a.b"),
        ("x = a[*].b", "x = a.*.b"),
        ('x = "# a"', 'x = "# b"'),
    ],
)
def test_a_change_moves_the_tokens(one: str, other: str) -> None:
    assert _tokens(f"a b {{\n{one}\n}}") != _tokens(f"a b {{\n{other}\n}}")


def test_dynamic_iterators_are_no_references() -> None:
    block = parse(
        "main.tf",
        b"""resource "t" "n" {
  dynamic "setting" {
    for_each = setting.x
    labels   = [setting.key]
    content {
      a = setting.value
      b = setting_other.c
      dynamic "inner" {
        for_each = setting.value.list
        iterator = it
        content {
          c = [it.value, setting.value, inner.value]
        }
      }
    }
  }
  setting = setting.y
}
""",
    ).blocks[0]
    found = [(attribute.name, [".".join(each.parts) for each in attribute.references]) for _, attribute in block.walk()]
    assert [entry for entry in found if entry[1]] == [
        ("setting", ["setting.y"]),
        ("for_each", ["setting.x"]),
        ("b", ["setting_other.c"]),
        ("c", ["inner.value"]),
    ]


def test_quoted_elements_of_depends_on_reach_from_quote_to_quote() -> None:
    data = b'module "m" {\n  depends_on = ["module.a", "data.t.n[0]", t.n, "module.b.o"]\n}\n'
    found = parse("main.tf", data).blocks[0].attributes["depends_on"].references
    assert [data[each.start : each.ends[-1]] for each in found] == [
        b'"module.a"',
        b'"data.t.n[0]"',
        b"t.n",
        b'"module.b.o"',
    ]
    assert [(each.parts, each.output) for each in found] == [
        (("module", "a"), None),
        (("data", "t", "n"), None),
        (("t", "n"), None),
        (("module", "b", "o"), "o"),
    ]


@pytest.mark.parametrize(
    "text", [b"a b {\n  x = [\n}\n", b"a {\n x = 1 2\n}", b"}", b"a {\n x = 1\n x = 2\n}", b'a "b {}']
)
def test_a_problem_says_where(text: bytes) -> None:
    with pytest.raises(SyntaxProblem) as raised:
        parse("main.tf", text)
    assert raised.value.file == "main.tf"
    assert 1 <= raised.value.line <= text.count(b"\n") + 1
    assert raised.value.column >= 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbfa b {\r\n  x = 1\r\n}\r\n",
        b"# \0 nul\na b {\n x = 1\n}",
        b"# latin \xe9\na b {\n x = 1\n}",
        b"a b {}",
        b"a b { x = 1 }",
        b"a b { x = 1 }\n" + b"\n" * 20_000 + b"c d {\n}",
        b"/* } */ a b /* { */ {\n}",
    ],
)
def test_files_as_they_come(data: bytes) -> None:
    for block in parse("main.tf", data).blocks:
        assert data[block.span.start : block.span.end].startswith((b"a b", b"c d", b"a b /*"))
        assert data[: block.span.end].endswith(b"}")

"""What Terraform's own parser refuses is refused here: hand-picked and random files, judged by `terraform fmt -`."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hcl_oracle as oracle
from stackly_server.hcl.child import parse
from stackly_server.hcl.document import json_text
from stackly_server.hcl.reader import HclReader
from stackly_server.hcl.shape import literal

REFUSED = [
    "a = <<E\nx\nE",
    "a = 1 b = 2", "a = 1 /* \n */ b = 2", "a { b = 1 c = 2 }", "a { b { } }", "a { b = 1\n}", "a {\n b = 1 }", "a\n{\n}",
    "a = {b = 1 c = 2}", "a = {b = 1\n, c = 2}", "a = {,}", "a = [,]", "a = [1 2]", 'a = "x\ny"', r'a = "\q"', "a = 1\na = 2",
    "a =\n1", "a\n= 1", "a = {b =\n 1}", "a = {for = 1}", 'a "${b}" {\n}', "a = <<E\nx\nE \nb = 1\nE\n", "a = 1; b = 2", "a {}b {}",
    'a = "$${"\nb = "}" c = 1', "a = 'x'", "= 1", "a {", "}", 'a = "', "a = {b: 1, : 2}", "a = [1,,2]", "a = 1,",
]  # fmt: skip

ACCEPTED = [
    "", "\n\n", "a = 1", "a=1\n", "# x", "// x", "/* x */", "a {}", "a { b = 1 }", "a {\n}\n", 'a "b" c {\n}\n', "a = [1, 2,]",
    "a = [\n1\n,\n2\n]", "a = {b = 1, c = 2,}", "a = {\nb = 1\nc = 2\n}", 'a = {"b" : 1}', "a = -1", "a = - 1", "a = 1.5e3", "a = null",
    'a = "$${x} %%{y} $x %"', r'a = "\n\u00e9\U0001F600\\\""', "a = <<E\nx\nE\n", "a = <<-E\n  x\n    y\n  E\n", "a = 1 # c", "a = 1\r\nb = 2\r\n",
    'a = secret("x")', "a = [{}, []]", "a = {\n\n b = [\n1]\n\n}", 'a = ""', "a {\n b {\n  c = 1\n }\n}\n", "a = 1 /* x */\n",
]  # fmt: skip

VALUES = [
    "1", "-1.50", "0.1", '"a\\tb"', '"$${x}"', '"%%{x}"', '"$"', '"$$"', '"%"', '"\\u00e9\\U0001F600"', '[1, "x", true, null]',
    '{a = 1, "b c" = [2]}', "<<E\n a\n  b\nE\n", "<<-E\n    a\n      b\n    E\n", "<<-E\n  a\n\n    b\nE\n", "<<E\na\\nb $${c}\nE\n", "<<-E\n\ta\n\t b\n\tE\n", "<<E\nE\n",
    '"e\u0301"', "12345678901234567890", "1e3",
]  # fmt: skip

PIECES = [
    "a", "b", " ", " ", "\n", "\n", "=", "= 1", '"x"', "1", "-", "{", "}", "{\n", "}\n", "[", "]", ",", ":", "# c\n", "/* c */", "/*\n*/", "//", "true", "null", "for",
    "if", "in", '"', "\\", "\\n", "$${", "${", "}", "%{", "<<E\n", "\nE\n", "<<-E\n", " E\n", "(", ")", ".", "e3", "0", "secret(", "\t", "\r\n", "é", "a = 1", "b {", "...", "=>", "?", "*",
]  # fmt: skip


def _reads(text: str) -> bool:
    return "document" in parse(text.encode())


@pytest.mark.parametrize("text", REFUSED)
def test_refused_by_both(text: str, tmp_path: Path) -> None:
    assert not oracle.accepts(text.encode(), tmp_path)
    assert not _reads(text)


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted_by_both(text: str, tmp_path: Path) -> None:
    assert oracle.accepts(text.encode(), tmp_path)
    assert _reads(text)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.sampled_from([*ACCEPTED, *REFUSED]),
    st.integers(0, 60),
)
def test_never_more_lenient(tmp_path: Path, noise: str, base: str, at: int) -> None:
    text = base[:at] + noise + base[at:]
    if _literal_only(text):
        assert oracle.accepts(text.encode(), tmp_path), text


def _literal_only(text: str) -> bool:
    """Read without an expression inside: those never get past a stack file anyway."""
    answer = parse(text.encode())
    return "document" in answer and '["e", ' not in json.dumps(answer["document"])


async def test_values_as_terraform_has_them(reader: HclReader, tmp_path: Path) -> None:
    expected = oracle.evaluated(VALUES, tmp_path)
    for text, value in zip(VALUES, expected, strict=True):
        document = await reader.read(f"a = {text}".encode())
        assert json.loads(json_text(literal(document.body.attributes[0].value))) == value, text


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    answer = parse(data)
    assert "document" in answer or answer["line"] >= 1

"""The bounded child: bombs are errors with a place, and the next file is read as if nothing had been."""

import asyncio
from decimal import Decimal

import pytest

from stackly_server.hcl.document import HclError, ListValue, Scalar, json_text
from stackly_server.hcl.reader import HclReader
from stackly_server.hcl.shape import literal
from stackly_server.limits import HCL_FILE_BYTES

BOMBS = {
    "1000 brackets": b"a = " + b"[" * 1000 + b"]" * 1000,
    "open brackets": b"a = " + b"[" * 30_000,
    "open braces": b"{" * 60_000,
    "open parentheses": b"a = " + b"(" * 30_000,
    "blocks": b"a {\n" * 40 + b"}\n" * 40,
    "heredocs": b"a=<<A\n" * 10_000,
    "comments": b"/*" * 30_000,
    "templates": b'a = "' + b'${"' * 20_000,
    "signs": b"a = " + b"-" * 60_000 + b"1",
    "number": b"a = " + b"9" * 60_000,
    "exponent": b"a = 1e999999999",
    "nul": b"a = \x00",
    "not utf-8": b"a = \xff",
    "byte order mark": b"\xef\xbb\xbfa = 1",
    "surrogate": b'a = "\\uD800"',
    "too large": b"#" * (HCL_FILE_BYTES + 1),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
async def test_bomb_is_an_error_with_a_place(reader: HclReader, bomb: bytes) -> None:
    with pytest.raises(HclError) as caught:
        await reader.read(bomb)
    problem = caught.value.problems[0]
    assert problem.line >= 1
    assert problem.column >= 1
    assert (await reader.read(b"a = 1")).body.attributes[0].name == "a"


async def test_the_largest_file_is_read(reader: HclReader) -> None:
    line = b'v%05d = "0123456789"\n'
    data = b"".join(line % n for n in range(HCL_FILE_BYTES // len(line % 0)))
    data += b"#" * (HCL_FILE_BYTES - len(data))
    assert len(data) == HCL_FILE_BYTES
    assert len((await reader.read(data)).body.attributes) > 2900


async def test_nesting_of_32_is_read_and_33_refused(reader: HclReader) -> None:
    assert await reader.read(b"a = " + b"[" * 32 + b"]" * 32)
    with pytest.raises(HclError, match="nested deeper than 32"):
        await reader.read(b"a = " + b"[" * 33 + b"]" * 33)


async def test_a_costly_file_kills_the_child_and_a_new_one_answers() -> None:
    reader = HclReader(cpu_seconds=0.05)
    try:
        with pytest.raises(HclError, match=r"takes more than 0\.05 s"):
            await reader.read(b"a = [" + b"1," * 30_000 + b"]")
        assert (await reader.read(b"a = 1")).body.attributes
    finally:
        await reader.close()


async def test_a_cancelled_read_leaves_no_answer_behind() -> None:
    reader = HclReader()
    try:
        await reader.warm()
        slow = asyncio.create_task(reader.read(b"slow = [" + b"1," * 20_000 + b"]"))
        await asyncio.sleep(0)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert (await reader.read(b"quick = 1")).body.attributes[0].name == "quick"
    finally:
        await reader.close()


async def test_readers_at_once_get_their_own_answers(reader: HclReader) -> None:
    documents = await asyncio.gather(*(reader.read(f"a{n} = {n}".encode()) for n in range(20)))
    assert [document.body.attributes[0].name for document in documents] == [f"a{n}" for n in range(20)]


async def test_values_are_exact(reader: HclReader) -> None:
    document = await reader.read(b'a = [0.1, 12345678901234567890.5, -7, 1.5e3, "x\\ty$${z}%%{w}\\u00e9", null, true]')
    value = document.body.attributes[0].value
    assert isinstance(value, ListValue)
    assert literal(value) == (
        *(Decimal("0.1"), Decimal("12345678901234567890.5"), Decimal(-7), Decimal(1500)),
        *("x\ty${z}%{w}é", None, True),
    )
    assert json_text(literal(value)).startswith("[0.1, 12345678901234567890.5, -7, 1.5E+3,")


async def test_strings_have_unicode_form_c(reader: HclReader) -> None:
    value = (await reader.read('a = "e\u0301"'.encode())).body.attributes[0].value
    assert isinstance(value, Scalar)
    assert value.value == "\u00e9"


@pytest.mark.parametrize(
    ("text", "place"),
    [('a = 1\nb = "x\nc = "y"\n', (2, 5)), ('b = "x', (1, 5)), ('# "\na = <<E\n"\nE\nb = "\\"\n', (5, 5))],
)
async def test_an_unclosed_string_is_shown_where_it_opens(reader: HclReader, text: str, place: tuple[int, int]) -> None:
    with pytest.raises(HclError, match="may not run over the end of its line") as caught:
        await reader.read(text.encode())
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == place

"""Plan files of known programs, read from their own message; anything else is refused."""

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackly_engine import exact, planfile
from stackly_engine.planfile import PlanFormatError
from stackly_engine.values import Decoded, Refinement
from terraform_roots import LIBRARY, PROGRAM, Place

DATA = Path(__file__).parent / "data"
GOLDEN = {version: (DATA / f"terraform-{version}.tfplan").read_bytes() for version in ("1.11.4", "1.15.5")}
NOT_NULL, ODD = Refinement(not_null=True), ["list", ["object", {"a": "string", "b": ["tuple", ["number", "dynamic"]]}]]
EMPTY = ["object", {"l": ["list", "dynamic"], "m": ["map", "dynamic"], "o": ["object", {}], "s": ["set", "dynamic"], "t": ["tuple", []]}]  # fmt: skip
NUMBERS = b"[1,-3,200,70000,5000000000,0.5,0.1,1e300,18446744073709551617,1e-7]"
EXPECTED = {
    "id": Decoded("string", None, True, {(): NOT_NULL}),
    "prefixed": Decoded("string", None, True, {(): Refinement(not_null=True, prefix="é ")}),
    "anything": Decoded("dynamic", None, True),
    "typed": Decoded(ODD, None, True),
    "null_list": Decoded(["tuple", [ODD, "dynamic"]], [None, None]),
    "set": Decoded(["set", "string"], ["k", None], [False, True], {(1,): NOT_NULL}),
    "numbers": Decoded(["tuple", ["number"] * 10], exact.normal(exact.loads(NUMBERS))),
    "texts": Decoded(["tuple", ["string"] * 3], ["", "ü\u2028", "x" * 300]),
    "object": Decoded(
        ["object", {"a b": "string", "l": ["tuple", ["number", "string"]], "m": ["map", "dynamic"]}],
        {"a b": "s", "l": [1, None], "m": {"k": None}},
        {"a b": False, "l": [False, True], "m": False},
        {("l", 1): NOT_NULL},
    ),
    "both": Decoded(["tuple", [["object", {"a": "bool"}]]], [{"a": True}]),
    "all": Decoded("string", "s"),
    "empty": Decoded(EMPTY, {"l": [], "m": {}, "o": {}, "s": [], "t": []}),
}
SENSITIVE = {"object": {("a b",), ("l", 1), ("m", "k")}, "both": {(0,), (0, "a")}, "all": {()}}


def check(plan_file: bytes) -> None:
    outputs = planfile.outputs(plan_file)
    assert {name: output.planned for name, output in outputs.items()} == EXPECTED
    assert {name: set(output.sensitive) for name, output in outputs.items() if output.sensitive} == SENSITIVE


def message(version: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(GOLDEN[version])) as archive:
        return archive.read("tfplan")


def packed(tfplan: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("tfplan", tfplan)
    return out.getvalue()


@pytest.mark.parametrize("version", GOLDEN)
def test_golden_files_are_read(version: str) -> None:
    assert planfile.version(GOLDEN[version]) == version
    check(GOLDEN[version])


@pytest.mark.parametrize("command", [PROGRAM, LIBRARY], ids=["terraform", "library"])
def test_the_programs_here_write_what_the_golden_files_hold(tmp_path: Path, command: list[str]) -> None:
    check(Place(tmp_path, command).write({"planned.tf": (DATA / "planned.tf").read_bytes()}).plan())


def test_an_output_that_does_not_change_and_one_that_goes(tmp_path: Path) -> None:
    place = Place(tmp_path).write(
        {"a.tf": 'output "stays" { value = 1 }\noutput "goes" { value = 2 }\noutput "other" { value = 3 }\n'}
    )
    place.apply()
    place.write({"a.tf": 'output "stays" { value = 1 }\noutput "other" { value = "4" }\n'})
    outputs = planfile.outputs(place.plan())
    assert {name: output.planned for name, output in outputs.items()} == {
        "stays": Decoded("number", 1),
        "other": Decoded("string", "4"),
    }


@pytest.mark.parametrize(
    ("old", "new"), [(b"1.15.5", b"1.16.0"), (b"1.15.5", b"2.11.5"), (b"1.15.5", b"latest"), (b"\x08\x03", b"\x08\x04")]
)
def test_other_versions_are_refused(old: bytes, new: bytes) -> None:
    changed = message("1.15.5").replace(old, new, 1)
    with pytest.raises(PlanFormatError, match=r"version|format"):
        planfile.outputs(packed(changed))


def test_versions_before_release_are_known() -> None:
    longer = message("1.15.5").replace(b"\x06" + b"1.15.5", b"\x0b" + b"1.15.0-rc10", 1)
    assert planfile.outputs(packed(longer)).keys() == EXPECTED.keys()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", packed(b""), packed(b"\xff" * 40), GOLDEN["1.11.4"][:900]])
def test_what_is_no_plan_file_is_refused(data: bytes) -> None:
    with pytest.raises(PlanFormatError):
        planfile.outputs(data)


@settings(deadline=None)
@given(place=st.integers(0), byte=st.integers(0, 255), length=st.integers(0))
def test_a_damaged_message_is_read_or_refused(place: int, byte: int, length: int) -> None:
    data = bytearray(message("1.11.4"))
    data[place % len(data)] = byte
    with suppress(PlanFormatError):
        planfile.outputs(packed(bytes(data[: len(data) - length % 200])))

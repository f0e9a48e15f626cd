"""Generated names: one per address, each an identifier, none of the user's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_engine import mangling

# few letters, so that names that could be taken for each other are frequent
NAMES = st.from_regex(r"[a_][a_\-]{0,5}", fullmatch=True)
ADDRESSES = st.lists(NAMES, min_size=1, max_size=4).map(".".join)


@given(ADDRESSES, ADDRESSES)
def test_no_two_addresses_share_a_name(one: str, other: str) -> None:
    assert (mangling.mangle(one) == mangling.mangle(other)) == (one == other)


@given(ADDRESSES)
def test_a_name_can_be_read_back(address: str) -> None:
    steps = {"__": ".", "--": "-", "-_": "_"}
    found = re.findall(r"__|--|-_|_|[^_-]", mangling.mangle(address))
    assert "".join(steps.get(piece, piece) for piece in found) == address


@given(
    ADDRESSES, st.sampled_from(["local.", "var.", "output.", "terraform_data.", ""]), st.sampled_from(["", "-pending"])
)
def test_a_text_is_told_in_the_words_of_the_user(address: str, kind: str, suffix: str) -> None:
    text = f"{kind}{mangling.name(mangling.PREFIX, address)}{suffix} is a number, local.other_{mangling.PREFIX} is not"
    assert mangling.unmangled(mangling.PREFIX, text) == f"{address} is a number, local.other_{mangling.PREFIX} is not"


@given(ADDRESSES, ADDRESSES)
def test_suffixes_are_free(one: str, other: str) -> None:
    assert f"{mangling.mangle(one)}-pending" != mangling.mangle(other)
    assert f"{mangling.mangle(one)}-1" != mangling.mangle(other)


@pytest.mark.parametrize(
    ("address", "attribute", "name"),
    [
        ("module.vpc", "id", "stackly_up__module__vpc__id"),
        ("aws_vpc.main", None, "stackly_up__aws_vpc__main"),
        ("module.a-b", None, "stackly_up__module__a--b"),
        ("module.ünï", "é", "stackly_up__module__ünï__é"),
        ("data.t._n", None, "stackly_up__data__t__-_n"),
    ],
)
def test_usual_names_stay_readable(address: str, attribute: str | None, name: str) -> None:
    assert mangling.name(mangling.PREFIX, address, attribute) == name


def test_a_prefix_that_is_taken_is_not_used() -> None:
    assert mangling.prefix_for(["x", "stackly_up"]) == "stackly_up__"
    assert mangling.prefix_for(["stackly_up__x"]) == "stackly_up1__"
    assert mangling.prefix_for(["stackly_up1__", "stackly_up__x"]) == "stackly_up2__"

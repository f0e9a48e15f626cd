"""Numbers of any length, wherever in a document they stand."""

from decimal import Decimal

import pytest

from stackly_engine import exact


@pytest.mark.parametrize("pad", range(0, 120, 7))
def test_long_integers_are_seen_at_every_place(pad: int) -> None:
    for digits in (40, exact.LONGEST_INT, exact.LONGEST_INT + 1, 6000):
        text = b"1" * digits
        found = exact.loads(b" " * pad + b'{"a":' + text + b"}")["a"]
        assert type(found) is (int if digits <= exact.LONGEST_INT else Decimal)
        assert exact.dumps(found) == text

"""JSON with exact numbers: Terraform's documents go in and out without a float in between."""

import json
import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Any

LONGEST_INT = 1000  # digits; past it a number is a Decimal, so that Python's own limit on int() never bites


# The encoder cannot write a Decimal: it goes in as a string behind a mark nobody can guess, which is then cut away.
_STEP = LONGEST_INT // 10
_LONG = re.compile(rb"[0-9]{9}")  # of every hundredth byte: an integer that is longer than LONGEST_INT shows so
_MARK = f"\x00{secrets.token_hex(16)}:"
_ESCAPED = json.dumps(_MARK)[1:-1]


class FormatError(ValueError):
    """The bytes are no document of the expected form; the message says what is wrong, never a value."""


def loads(data: bytes) -> Any:
    """Parse JSON; integers come as int, other numbers as Decimal with every digit kept."""
    try:
        # a function that is called for each number of a large state would take a fifth of the time
        parse_int = _integer if _LONG.search(data[::_STEP]) else None
        return json.loads(data, parse_int=parse_int, parse_float=_decimal, parse_constant=_constant)
    except RecursionError:
        raise FormatError("the document is nested too deeply") from None
    except UnicodeDecodeError:
        raise FormatError("the document is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"no JSON: {error.msg} at line {error.lineno} column {error.colno}") from None


def dumps(value: Any) -> bytes:
    """Canonical bytes: keys sorted, no blanks, ASCII, numbers in the digits they came with."""
    text = _ENCODER.encode(value)
    if _ESCAPED not in text:
        return text.encode()
    first, *rest = text.split(f'"{_ESCAPED}')
    return "".join([first, *(part.replace('"', "", 1) for part in rest)]).encode()


def number(value: int | Decimal) -> int | Decimal:
    """The one form of a number: equal values give equal results, however they were written."""
    sign, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        raise FormatError("a number is not finite")
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return 0
    exponent += len(text) - len(stripped)
    if exponent >= 0 and len(stripped) + exponent <= LONGEST_INT:
        return (-int(stripped) if sign else int(stripped)) * int("1" + "0" * exponent)
    return Decimal(f"{'-' if sign else ''}{stripped}e{exponent}")


def normal(value: Any) -> Any:
    """The same document with each number in its one form, for digests and comparisons."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return number(value)
    return value


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= LONGEST_INT else _decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise FormatError("a number is out of every range") from None


def _constant(text: str) -> Any:
    raise FormatError(f"{text} is no JSON number")


def _marked(item: object) -> str:
    if isinstance(item, Decimal):
        return f"{_MARK}{item}"
    raise TypeError(f"{type(item).__name__} has no JSON form")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_marked, allow_nan=False)

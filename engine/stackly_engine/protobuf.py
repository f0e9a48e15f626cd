"""The fields of a protobuf message by their numbers, without its description."""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes of a 64-bit number
_SIZES = {_FIXED64: 8, _FIXED32: 4}


class MessageError(ValueError):
    """The bytes are no protobuf message."""


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field in order: numbers as int, everything else as bytes; MessageError."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        if key & 7 == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if key & 7 == _BYTES:
            size, position = _varint(message, position)
        else:
            size = _SIZES.get(key & 7, -1)
        if size < 0 or position + size > len(message):
            raise MessageError(f"field {key >> 3} is of unknown form or cut off")
        yield key >> 3, message[position : position + size]
        position += size


def messages(message: bytes, number: int) -> Iterator[bytes]:
    """The values of one field that holds bytes, text or messages."""
    for field, value in fields(message):
        if field == number:
            if not isinstance(value, bytes):
                raise MessageError(f"field {number} holds a number")
            yield value


def integer(message: bytes, number: int) -> int:
    """The last value of a number field; 0 without one."""
    found = 0
    for field, value in fields(message):
        if field == number:
            if not isinstance(value, int):
                raise MessageError(f"field {number} holds no number")
            found = value
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[position : position + _LONGEST_VARINT]):
        value |= (byte & 127) << 7 * index
        if byte < 128:  # noqa: PLR2004 - the highest bit says that more follow
            return value, position + index + 1
    raise MessageError("a number is cut off")

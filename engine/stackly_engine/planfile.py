"""Output changes of a saved plan, read from the plan file's own message: exact types, unknowns, sensitive paths.

The plan's JSON loses the type of a set beside an unknown, and what is known of an unknown; the file keeps both.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from stackly_engine import protobuf, values
from stackly_engine.exact import FormatError
from stackly_engine.protobuf import MessageError
from stackly_engine.values import Decoded, Path

# Terraform and OpenTofu whose files were seen; both write the same message.
KNOWN_VERSIONS = frozenset((1, minor) for minor in range(10, 16))
_FORMAT = 3
_VERSION = re.compile(r"(\d+)\.(\d+)\.\d+(-.*)?")
_NONE, _CREATE, _DELETE = 0, 1, 5  # actions; all others that an output can have hold both values
_SINGLE = {_NONE, _CREATE}
_LARGEST = 1 << 30  # bytes of the message


class PlanFormatError(ValueError):
    """The bytes are no plan file, or one of a version whose format is not known here."""


@dataclass(frozen=True)
class PlannedOutput:
    """What an output will be; `sensitive` holds the paths of its sensitive parts, () for all of it."""

    planned: Decoded
    sensitive: tuple[Path, ...]


def outputs(plan_file: bytes) -> Mapping[str, PlannedOutput]:
    """The root outputs that will exist after a plan, changed or not; PlanFormatError."""
    message = _message(plan_file)
    try:
        _check_version(message)
        found = {}
        for output in protobuf.messages(message, 4):
            (name,) = protobuf.messages(output, 1)
            (change,) = protobuf.messages(output, 2)
            if protobuf.integer(change, 1) != _DELETE:
                found[name.decode()] = _output(change)
    except PlanFormatError:
        raise
    except (MessageError, FormatError) as error:
        raise PlanFormatError(f"the plan file: {error}") from None
    except ValueError:  # a name that is no UTF-8, a field that must stand once; a value may be in the message
        raise PlanFormatError("the plan file: an output is of unknown form") from None
    return found


def version(plan_file: bytes) -> str:
    """The version of the program that wrote the plan, as it says it; PlanFormatError."""
    try:
        return _version(_message(plan_file))
    except MessageError as error:
        raise PlanFormatError(f"the plan file: {error}") from None


def _message(plan_file: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(plan_file)) as archive:
            if archive.getinfo("tfplan").file_size > _LARGEST:
                raise PlanFormatError("the plan file is too large")
            return archive.read("tfplan")
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError):
        raise PlanFormatError("these bytes are no plan file") from None


def _version(message: bytes) -> str:
    return b"".join(protobuf.messages(message, 14)).decode("utf-8", "replace")


def _check_version(message: bytes) -> None:
    if protobuf.integer(message, 1) != _FORMAT:
        raise PlanFormatError(f"the plan file has format {protobuf.integer(message, 1)}, known is {_FORMAT}")
    found = _VERSION.fullmatch(_version(message))
    if found is None or (int(found[1]), int(found[2])) not in KNOWN_VERSIONS:
        raise PlanFormatError(f"plan files of version {_version(message)!r} are not known")


def _output(change: bytes) -> PlannedOutput:
    sides = [b"".join(protobuf.messages(value, 1)) for value in protobuf.messages(change, 2)]
    expected = 1 if protobuf.integer(change, 1) in _SINGLE else 2
    if len(sides) != expected:
        raise PlanFormatError("the plan file: an output has an unexpected number of values")
    return PlannedOutput(values.decode(sides[-1]), tuple(_path(path) for path in protobuf.messages(change, 4)))


def _path(path: bytes) -> Path:
    return tuple(_step(step) for step in protobuf.messages(path, 1))


def _step(step: bytes) -> str | int:
    for number, value in protobuf.fields(step):
        if number == 1 and isinstance(value, bytes):
            return value.decode()
        if number == 2 and isinstance(value, bytes):  # noqa: PLR2004 - the field's number
            return values.step(b"".join(protobuf.messages(value, 1)))
    raise PlanFormatError("the plan file: a path has a step of unknown form")

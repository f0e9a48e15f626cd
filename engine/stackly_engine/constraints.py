"""Version constraints as Terraform reads them (`~> 1.11`, `>= 1.5, < 2`), matched against exact versions. Pure.

A pre-release (`1.12.0-beta1`) counts as its numbers alone, as Terraform's `required_version` has it. Terraform refuses a
constraint that itself has a pre-release; here it means what hashicorp/go-version makes of it, so that a run may be pinned to
one: it orders pre-releases of the same three numbers only.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import total_ordering

_PARTS = 3
_CHARACTERS_MAX = 200
_VERSION = r"v?([0-9]{1,9}(?:\.[0-9]{1,9})*)(?:-([0-9A-Za-z~-]+(?:\.[0-9A-Za-z~-]+)*))?(?:\+[0-9A-Za-z.~-]+)?"
_TERM = re.compile(rf"\s*(=|!=|>=|<=|~>|>|<|)\s*({_VERSION})\s*", re.ASCII)


class BadVersionError(ValueError):
    """The text is no version, or no constraint."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """Numbers (padded to three), how many of them were written, and the pre-release; build metadata counts for nothing."""

    numbers: tuple[int, ...]
    written: int
    pre_release: str = ""

    @classmethod
    def parse(cls, text: str) -> "Version":
        """BadVersionError when it is none."""
        match = re.fullmatch(_VERSION, text.strip(), re.ASCII) if len(text) <= _CHARACTERS_MAX else None
        if match is None:
            raise BadVersionError(f"{text[:80]!r} is not a version.")
        numbers = tuple(int(number) for number in match[1].split("."))
        return cls(numbers + (0,) * (_PARTS - len(numbers)), len(numbers), match[2] or "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._same_numbers(other) and self.pre_release == other.pre_release

    def __hash__(self) -> int:
        return hash((_without_zeros(self.numbers), self.pre_release))

    def __lt__(self, other: "Version") -> bool:
        if not self._same_numbers(other):
            return _without_zeros(self.numbers) < _without_zeros(other.numbers)
        return _pre_release_key(self.pre_release) < _pre_release_key(other.pre_release)

    def _same_numbers(self, other: "Version") -> bool:
        return _without_zeros(self.numbers) == _without_zeros(other.numbers)


_ORDERINGS: dict[str, Callable[[Version, Version], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class _Term:
    operator: str
    version: Version

    def admits(self, version: Version) -> bool:
        if not self.version.pre_release:
            version = replace(version, pre_release="")
        if self.operator in {"", "=", "!="}:
            return (version == self.version) is (self.operator != "!=")
        if version.pre_release and version.numbers != self.version.numbers:
            return False
        if self.operator == "~>":
            return self._is_close(version)
        return _ORDERINGS[self.operator](version, self.version)

    def _is_close(self, version: Version) -> bool:
        """`~>`: at least this, and all but the last written number the same."""
        if version < self.version or (self.version.pre_release and not version.pre_release):
            return False
        if len(self.version.numbers) > len(version.numbers):
            return False
        fixed = self.version.written - 1
        return version.numbers[:fixed] == self.version.numbers[:fixed]


@dataclass(frozen=True, slots=True)
class Constraint:
    """Terms of which each must hold; none: every version."""

    terms: tuple[_Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """BadVersionError when it is none; empty text admits every version."""
        if not text.strip():
            return cls()
        if len(text) > _CHARACTERS_MAX:
            raise BadVersionError("A version constraint is too long.")
        return cls(tuple(_term(part) for part in text.split(",")))

    def admits(self, version: Version) -> bool:
        """Whether the version satisfies all of it."""
        return all(term.admits(version) for term in self.terms)


def _term(text: str) -> _Term:
    match = _TERM.fullmatch(text)
    if match is None:
        raise BadVersionError(f"{text.strip()[:80]!r} is not a version constraint.")
    return _Term(match[1], Version.parse(match[2]))


def _without_zeros(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """1.5 and 1.5.0.0 are the same."""
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


def _pre_release_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """SemVer's order: none is highest; numbers before words; a longer one after the shorter one it begins with."""
    if not text:
        return ((2, 0, ""),)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))

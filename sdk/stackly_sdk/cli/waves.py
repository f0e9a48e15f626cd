"""Draws a graph of units on a terminal: wave by wave, a line a unit, or packed where there are very many. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stackly_sdk.cli import words
from stackly_sdk.cli.drawing import Line

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import ExecutionGraph, GraphActivity

_MANY = 60  # units from which on those that nothing happens to are packed
_LISTED = 25  # of a wave that stand in lines of their own, when there are many
_PACKED = 3  # lines of packed names in a wave
_CHAINS, _PAIR = 3, 2  # the longest are shown; a pair is told by the line of the unit that needs the other
_NAME_SHARE = 0.45  # of the width
_LEAST = 40  # columns: on narrower terminals lines are broken by the terminal
# By the status's word: sign, colour, what it is called. A state shows by its sign where there is no colour.
STATES = {
    "failed": ("x", "red", "failed"),
    "canceled": ("x", "red", "stopped"),
    "running": (">", "bright_cyan", "running"),
    "applied": ("✓", "green", "applied"),
    "changed": ("~", "yellow", "would change"),
    "deferred": ("?", "magenta", "deferred: planned after an apply"),
    "unchanged": ("=", None, "planned, no changes"),
    "skipped": ("·", "bright_black", "skipped"),
}
_QUIET = ("skipped", "unchanged")
_UNKNOWN = ("?", None, "in a state that this program does not know")
_DEFERRED = "deferred: "


def draw_graph(graph: "ExecutionGraph", width: int, *, everything: bool = False) -> Iterator[Line]:
    """Its waves in lines of at most `width` columns; with `everything` each unit has a line, however many there are."""
    picture = _Picture(graph, max(width, _LEAST), everything or len(graph.activities) <= _MANY)
    yield from picture.head()
    for number, group in enumerate(graph.groups, start=1):
        yield from picture.wave(number, group.units)
    yield from picture.foot()


def state(activity: "GraphActivity") -> str:
    """The word of its status."""
    return words.status(activity.status)


def counted(activities: "Iterable[GraphActivity]") -> list[str]:
    """`1 applied`, `11 skipped`, what matters most first."""
    counts = Counter(map(state, activities))
    return [f"{counts[word]} {word}" for word in STATES if counts[word]]


@dataclass(frozen=True)
class _Picture:
    graph: "ExecutionGraph"
    width: int
    whole: bool  # each unit has a line

    @cached_property
    def by_name(self) -> "dict[str, GraphActivity]":
        return {one.unit: one for one in self.graph.activities}

    @cached_property
    def name_width(self) -> int:
        longest = max((_wide(_title(one)) for one in self.graph.activities), default=0)
        return min(longest, int(self.width * _NAME_SHARE))

    def head(self) -> Iterator[Line]:
        graph, count = self.graph, len(self.graph.activities)
        run = "/".join(graph.run.split("/")[3::2])
        yield self.line(f"{run}: {words.status(graph.run_status)}, commit {words.commit(graph.commit)}", "bright_white")
        if any(one.type == "root" for one in graph.activities):
            why = f": {'; '.join(graph.whole_reasons)}" if graph.whole_reasons else ""
            yield self.line(f"The root was planned whole{why}")
            return
        saved = words.saved(one.plan_seconds for one in graph.activities if state(one) == "skipped")
        waves = f"{count} {'unit' if count == 1 else 'units'} in {len(graph.groups)} {_waves(len(graph.groups))}"
        yield from self.wrapped([f"{waves}:", *counted(graph.activities)], " ", rest=", ")
        yield from [self.line(f"  {saved}")] if saved else []

    def wave(self, number: int, names: Sequence[str]) -> Iterator[Line]:
        yield Line("")
        yield self.line(f"wave {number}  ({len(names)})", "bright_white")
        units = [self.by_name[name] for name in sorted(names, key=_natural)]
        loud = units if self.whole else [one for one in units if state(one) not in _QUIET]
        shown = loud if self.whole else loud[:_LISTED]
        yield from map(self.unit, shown)
        if more := len(loud) - len(shown):
            yield self.line(f"    and {more} more: {', '.join(counted(loud[len(shown) :]))}")
        for word in () if self.whole else _QUIET:
            yield from self.packed(word, [one for one in units if state(one) == word])

    def unit(self, one: "GraphActivity") -> Line:
        sign, colour, _ = STATES.get(state(one), _UNKNOWN)
        text = f"  {sign} {_padded(_short(_title(one), self.name_width), self.name_width)}  {'  '.join(_facts(one))}".rstrip()
        needs = f"  ← {', '.join(one.depends_on)}" if one.depends_on else ""
        return self.line(text + needs, colour)

    def packed(self, word: str, units: "Sequence[GraphActivity]") -> Iterator[Line]:
        """Names side by side, as many as go into a few lines."""
        if len(units) <= 1:
            yield from map(self.unit, units)
            return
        sign, colour, called = STATES[word]
        why = Counter(one.reason for one in units).most_common(2) if word == "skipped" else []
        reasons = (
            f" ({', '.join(reason if len(why) == 1 else f'{reason} {count}' for reason, count in why)})" if why else ""
        )
        yield self.line(f"  {sign} {len(units)} {called}{reasons}:", colour)
        column = min(max(_wide(one.unit) for one in units), self.name_width)
        in_line = max(1, (self.width - 4) // (column + 2))
        rest = len(units) - in_line * _PACKED
        shown = units if rest <= 1 else units[: in_line * _PACKED - 1]
        cells = [_padded(_short(one.unit, column), column) for one in shown]
        cells += [f"and {len(units) - len(shown)} more"] if len(shown) < len(units) else []
        for at in range(0, len(cells), in_line):
            yield self.line(f"    {'  '.join(cells[at : at + in_line])}".rstrip(), colour)

    def foot(self) -> Iterator[Line]:
        chains = sorted((one for one in self.graph.chains if len(one.units) > _PAIR), key=lambda one: -len(one.units))
        if chains:
            yield Line("")
        for chain in chains[:_CHAINS]:
            yield self.line(f"one after another: {' → '.join(chain.units)}")
        if len(chains) > _CHAINS:
            yield self.line(f"and {len(chains) - _CHAINS} more such chains")
        found = {state(one) for one in self.graph.activities}
        signs = [f"{sign} {called}" for word, (sign, _, called) in STATES.items() if word in found]
        yield Line("")
        yield from self.wrapped(signs, "   ", colour="bright_black")
        if not self.whole:
            yield self.line("Each unit in a line of its own: --all", "bright_black")

    def wrapped(self, parts: Sequence[str], first: str, *, rest: str = "", colour: str | None = None) -> Iterator[Line]:
        """Parts one after another, with `first` after the first one and `rest` between the others; never broken inside."""
        text = ""
        for at, part in enumerate(parts):
            between = "" if not text else first if at == 1 or not rest else rest
            if text and _wide(text + between + part) > self.width:
                yield self.line(f"{text}{between.rstrip()}", colour)
                text, between = "  ", ""
            text += between + part
        yield self.line(text, colour)

    def line(self, text: str, colour: str | None = None) -> Line:
        return Line(_short(text, self.width, at_end=True), colour)


def _title(one: "GraphActivity") -> str:
    return "the whole root" if one.type == "root" else one.unit


def _facts(one: "GraphActivity") -> Iterator[str]:
    """What is to be said of a unit, the most important first."""
    if changes := words.counts(one.changes):
        yield changes
    deferred = [reason.removeprefix(_DEFERRED) for reason in one.reasons if reason.startswith(_DEFERRED)]
    if deferred:
        yield "; ".join(deferred)
    elif one.reason and one.type != "root":
        yield one.reason
    if took := words.took(one.started_at, one.finished_at):
        yield took


def _natural(name: str) -> list[tuple[int, str]]:
    """So that m2 comes before m10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _waves(count: int) -> str:
    return "wave" if count == 1 else "waves"


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _wide(text))


def _short(text: str, width: int, *, at_end: bool = False) -> str:
    """Text of at most `width` columns: what is left out is in the middle, or at the end."""
    if _wide(text) <= width:
        return text
    if at_end:
        return f"{_front(text, width - 1)}…"
    front = _front(text, (width - 1) // 2)
    back = _front(text[::-1], width - 1 - _wide(front))[::-1]
    return f"{front}…{back}"


def _front(text: str, width: int) -> str:
    room = width
    for at, letter in enumerate(text):
        room -= _wide(letter)
        if room < 0:
            return text[:at]
    return text

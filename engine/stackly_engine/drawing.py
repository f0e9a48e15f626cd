"""A graph of units as a picture: one column a wave, one box a unit, lines to what each needs. SVG, nothing around it."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from stackly_engine import ordering

# pixels
_MARGIN, _GAP, _BETWEEN, _HEIGHT, _LETTER, _PADDING, _HEAD = 16, 72, 12, 28, 7.25, 10, 22
_LONGEST = 40  # letters of a name; the whole name is in the box's tooltip
_SWEEPS = 4

_STYLE = """\
text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1c2430; dominant-baseline: central }
.wave { fill: #6a7686 }
.unit rect { fill: #f4f6f9; stroke: #8a97a8 }
.run rect, .changed rect { fill: #dcebff; stroke: #2f6fd0 }
.applied rect { fill: #d9f2e0; stroke: #2c8a4b }
.running rect { fill: #dcebff; stroke: #2f6fd0; stroke-width: 2.5 }
.deferred rect { fill: #fff1d1; stroke: #b57b10; stroke-dasharray: 5 3 }
.unchanged rect { fill: #ffffff }
.skipped rect { stroke: #c9d0d9 }
.skipped text { fill: #6a7686 }
.failed rect, .canceled rect { fill: #ffe0de; stroke: #c8342b }
path { fill: none; stroke: #aab4c2; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e9f0 } .wave, .skipped text { fill: #97a3b4 } path { stroke: #566273 }
  .unit rect { fill: #232a34; stroke: #6a7686 } .run rect, .changed rect, .running rect { fill: #1b355c; stroke: #6aa1ef }
  .applied rect { fill: #173d27; stroke: #5cbf7f } .deferred rect { fill: #4a3710; stroke: #dba63a }
  .unchanged rect { fill: #171c23 } .skipped rect { stroke: #48525f }
  .failed rect, .canceled rect { fill: #57211e; stroke: #e8746c }
}
"""


@dataclass(frozen=True, slots=True)
class _Box:
    name: str
    x: int
    y: int
    width: int

    @property
    def middle(self) -> int:
        return self.y + _HEIGHT // 2


def svg(
    upstream: Mapping[str, Collection[str]],
    *,
    about: Mapping[str, Sequence[str]] | None = None,
    looks: Mapping[str, str] | None = None,
) -> str:
    """An SVG document. `upstream` has for every unit those that it needs; all of them are keys.

    `about` are lines for a unit's tooltip, `looks` how it is drawn: "run", "changed", "unchanged", "running", "applied",
    "skipped", "deferred", "failed" or "canceled". The same graph gives the same bytes.
    """
    columns = _columns(upstream)
    boxes = _placed(columns)
    width = max((box.x + box.width for box in boxes.values()), default=0) + _MARGIN
    height = max((box.y + _HEIGHT for box in boxes.values()), default=0) + _MARGIN
    lines = [_line(boxes[needed], boxes[unit]) for unit in sorted(upstream) for needed in sorted(upstream[unit])]
    heads = [
        f'<text class="wave" x="{boxes[column[0]].x}" y="{_MARGIN + 6}">wave {number}</text>'
        for number, column in enumerate(columns, start=1)
    ]
    units = [_unit(box, (about or {}).get(name, ()), (looks or {}).get(name, "")) for name, box in boxes.items()]
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "\n".join([frame, f"<style>\n{_STYLE}</style>", *lines, *heads, *units, "</svg>"]) + "\n"


def _columns(upstream: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Units by wave, each beside those that it is connected with as far as that goes."""
    levels = ordering.levels(upstream)
    columns: list[list[str]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for name in sorted(levels):
        columns[levels[name]].append(name)
    places = {name: place for column in columns for place, name in enumerate(column)}
    users = ordering.inverted(upstream)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        near = upstream if forth else users
        for column in columns if forth else reversed(columns):
            means = {name: _mean(places, name, near[name]) for name in column}
            column.sort(key=lambda name, means=means: (means[name], name))  # type: ignore[misc]
            places.update((name, place) for place, name in enumerate(column))
    return columns


def _mean(places: Mapping[str, int], name: str, near: Iterable[str]) -> float:
    found = [places[other] for other in near]
    return sum(found) / len(found) if found else float(places[name])


def _placed(columns: Iterable[Sequence[str]]) -> dict[str, _Box]:
    boxes: dict[str, _Box] = {}
    x = _MARGIN
    for column in columns:
        width = round(max(_wide(_short(name)) for name in column) * _LETTER) + 2 * _PADDING
        for place, name in enumerate(column):
            boxes[name] = _Box(name, x, _MARGIN + _HEAD + place * (_HEIGHT + _BETWEEN), width)
        x += width + _GAP
    return boxes


def _line(needed: _Box, unit: _Box) -> str:
    start, end = needed.x + needed.width, unit.x
    bend = min(_GAP // 2, (end - start) // 2)
    return f'<path d="M{start},{needed.middle} C{start + bend},{needed.middle} {end - bend},{unit.middle} {end},{unit.middle}"/>'


def _unit(box: _Box, about: Sequence[str], look: str) -> str:
    title = _text("\n".join([box.name, *about]))
    return (
        f'<g class="{_text(f"unit {look}".strip())}"><title>{title}</title>'
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{_HEIGHT}" rx="5"/>'
        f'<text x="{box.x + _PADDING}" y="{box.middle}">{_text(_short(box.name))}</text></g>'
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}…{name[-_LONGEST // 2 + 1 :]}"


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _text(text: str) -> str:
    """As text of XML or inside of an attribute; what XML cannot hold is shown as such."""
    allowed = (letter if letter in "\n\t" or letter.isprintable() or letter == " " else "\ufffd" for letter in text)
    return escape("".join(allowed), {'"': "&quot;"})

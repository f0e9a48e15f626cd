"""Draws changes as Terraform does: a sign, an address, attributes with before and after. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackly_sdk._gen.stackly.v1 import AttributeChange, OutputChange, ResourceChange

_SIGNS: dict[tuple[str, ...], tuple[str, str, str]] = {
    ("create",): ("+", "green", "will be created"),
    ("update",): ("~", "yellow", "will be updated in-place"),
    ("delete",): ("-", "red", "will be destroyed"),
    ("forget",): (".", "yellow", "will be forgotten and live on unmanaged"),
    ("read",): ("<=", "cyan", "will be read during apply"),
    ("delete", "create"): ("-/+", "red", "must be replaced"),
    ("create", "delete"): ("+/-", "red", "must be replaced"),
}
_UNKNOWN = "(known after apply)"
_MASKED = "(sensitive value)"
_WIDEST = 120


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    colour: str | None = None


def draw_change(change: "ResourceChange") -> Iterator[Line]:
    sign, colour, fate = _SIGNS.get(
        tuple(change.actions), ("?", "yellow", f"will be changed: {', '.join(change.actions)}")
    )
    if change.import_id:
        fate = f"will be imported as {change.import_id}" + (f" and {fate}" if change.actions else "")
    deposed = f" (deposed object {change.deposed})" if change.deposed else ""
    yield Line(f"  # {change.address}{deposed} {fate}", "bright_white")
    if change.previous_address and change.previous_address != change.address:
        yield Line(f"  # (moved from {change.previous_address})")
    yield Line(f"  {sign:>3} {change.type}", colour)
    width = max((len(each.path) for each in change.attributes), default=0)
    for each in change.attributes:
        forces = "  # forces replacement" if each.path in change.replace_paths else ""
        yield _attribute(each, width, forces)


def draw_outputs(changes: "Sequence[OutputChange]") -> Iterator[Line]:
    if not changes:
        return
    yield Line("Changes to Outputs:", "bright_white")
    width = max(len(each.output) for each in changes)
    for each in changes:
        after = _UNKNOWN if each.after_unknown else _value(each.after_json)
        yield _pair(each.output, width, _value(each.before_json), after, "")
    yield Line("")


def _attribute(change: "AttributeChange", width: int, forces: str) -> Line:
    if change.sensitive:
        before = _MASKED if change.before_json else ""
        after = _MASKED if change.after_json or change.after_unknown else ""
    else:
        before, after = _value(change.before_json), _UNKNOWN if change.after_unknown else _value(change.after_json)
    return _pair(change.path, width, before, after, forces)


def _pair(name: str, width: int, before: str, after: str, forces: str) -> Line:
    if not before:
        return Line(f"      + {name:<{width}} = {after}{forces}", "green")
    if not after:
        return Line(f"      - {name:<{width}} = {before}{forces}", "red")
    return Line(f"      ~ {name:<{width}} = {before} -> {after}{forces}", "yellow")


def _value(text: str) -> str:
    """One line of JSON text, shortened; the server's mask as Terraform words it."""
    if text == '"(sensitive)"':
        return _MASKED
    try:
        line = json.dumps(json.loads(text), ensure_ascii=False) if "\n" in text else text
    except ValueError:
        line = text.replace("\n", " ")
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"

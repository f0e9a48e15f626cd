"""What the command prints: units, reasons, changes by unit; and the graph as text, DOT, SVG or JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from stackly_engine import mangling
from stackly_engine.cutting import cut
from stackly_engine.driving.carrying import Ended, Fate
from stackly_engine.driving.chain import Chain, Piece
from stackly_engine.driving.known import Known
from stackly_engine.graph import Graph
from stackly_engine.schedule import Decision, Planning, Status

_SIGNS = {
    "create": "+", "update": "~", "delete": "-", "delete/create": "-/+", "create/delete": "+/-", "read": "<=",
    "forget": ".", "no-op": " ",
}  # fmt: skip


def graph(of: Graph, form: str) -> str:
    """Waves of units with what each needs; `dot` for Graphviz, `svg` as a picture, `json` for programs."""
    if form == "svg":
        from stackly_engine import drawing  # with XML, and with that half of the network library

        return drawing.svg(of.upstream, about={name: unit.members for name, unit in of.units.items()})
    if form == "json":
        units = {
            name: {"members": list(unit.members), "needs": sorted(of.upstream[name])} for name, unit in of.units.items()
        }
        return json.dumps({"units": units, "waves": _waves(of)}, indent=2, ensure_ascii=False) + "\n"
    if form == "dot":
        edges = [f"  {_quoted(name)} -> {_quoted(need)};" for name in of.order() for need in sorted(of.upstream[name])]
        nodes = [f"  {_quoted(name)};" for name in of.order()]
        return "\n".join(["digraph units {", "  rankdir=RL;", *nodes, *edges, "}"]) + "\n"
    return "".join(_wave_lines(of))


def _waves(of: Graph) -> list[list[str]]:
    levels = of.levels()
    return [
        sorted(name for name in levels if levels[name] == depth)
        for depth in range(max(levels.values(), default=-1) + 1)
    ]


def _wave_lines(of: Graph) -> Iterator[str]:
    for depth, names in enumerate(_waves(of), start=1):
        yield f"wave {depth}\n"
        for name in names:
            needs = ", ".join(sorted(of.upstream[name]))
            yield f"  {name}{' <- ' + needs if needs else ''}\n"
            members = of.units[name].members
            if len(members) > 1:
                yield f"      together: {', '.join(members)}\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def cut_root(known: Known, units: Sequence[str]) -> str:
    """The files of a cut root, one after another. Values are in a file of their own and are not shown."""
    unknown = [unit for unit in units if unit not in known.graph.units]
    if unknown:
        raise ValueError(f"{unknown[0]} is no unit of this root; `graph` names them")
    made = cut(known.graph, units, known.exports)
    texts = [f"# ==> {name}\n{data.decode(errors='replace')}" for name, data in made.files.items() if data.strip()]
    return "\n".join([*texts, f"# ==> {made.generated_name}\n{made.generated.decode()}"])


def why(known: Known, units: Sequence[str], *, as_json: bool) -> str:
    """One line for each unit; a unit that waits says what for."""
    planning = Planning(known.facts)
    decided, statuses = planning.decisions, planning.statuses
    chosen = units or list(statuses)
    unknown = [unit for unit in chosen if unit not in statuses]
    if unknown:
        raise ValueError(f"{unknown[0]} is no unit of this root; `graph` names them")
    if as_json:
        unsaid: dict[str, object] = {"run": None, "reasons": []}
        rows = {unit: _told(decided[unit]) if unit in decided else unsaid for unit in chosen}
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    return "".join(f"{_why_line(unit, statuses[unit], decided.get(unit))}\n" for unit in chosen)


def _why_line(unit: str, status: Status, decision: Decision | None) -> str:
    if decision is None or status is Status.WAITING:
        return f"{unit}: only if something changes that it reads"
    return f"{unit}: {'runs' if decision.run else 'skipped'}, {'; '.join(map(str, decision.reasons))}"


def _told(decision: Decision) -> dict[str, object]:
    return {"run": decision.run, "reasons": [str(reason) for reason in decision.reasons]}


def chain(of: Chain, *, as_json: bool) -> str:
    """The plan of the whole chain, by unit."""
    return _as_json(of) if as_json else "".join(_chain_lines(of))


def _as_json(of: Chain) -> str:
    decisions = {unit: _told(decision) for unit, decision in of.outcome.decisions.items()}
    batches = [
        {"units": piece.units, "deferred": piece.planned is None, "changes": _changes(piece)} for piece in of.pieces
    ]
    errors = [{"units": units, "error": text} for units, text in of.errors.items()]
    together = [{"units": [one.first, one.second], "reason": one.reason} for one in of.couples]
    document = {"units": decisions, "batches": batches, "errors": errors, "together": together, **_expected(of)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _chain_lines(of: Chain) -> Iterator[str]:
    skipped = [unit for unit, decision in of.outcome.decisions.items() if not decision.run]
    for piece in of.pieces:
        yield from _piece_lines(of, piece)
    for text, units in _by_text(of.errors).items():
        yield f"\n{', '.join(units)} cannot be planned:\n{text}\n"
    for couple in of.couples:
        yield f"together: {couple.first} and {couple.second} ({couple.reason})\n"
    counts = [change["actions"] for piece in of.pieces for change in _changes(piece)]
    yield f"\n{len(of.pieces)} batches, {_counted(counts)}; {len(skipped)} units skipped\n"
    if of.expected is not None:
        yield f"expected: {of.expected.seconds:.1f} s to plan and apply, the whole root {of.expected.whole_seconds:.1f} s\n"


def _by_text(errors: Mapping[tuple[str, ...], str]) -> dict[str, list[str]]:
    """Each error once, with all units that have it: a variable that is missing is missing in every batch."""
    found: dict[str, list[str]] = {}
    for units, text in sorted(errors.items()):
        found.setdefault(text, []).extend(units)
    return found


def _expected(of: Chain) -> dict[str, object]:
    """Seconds that planning and applying were expected to take, and those of the whole root."""
    found = of.expected
    return {} if found is None else {"expected": {"seconds": found.seconds, "whole_seconds": found.whole_seconds}}


def _piece_lines(of: Chain, piece: Piece) -> Iterator[str]:
    for unit in piece.units:
        reasons = "; ".join(map(str, of.outcome.decisions[unit].reasons))
        yield f"{unit}: {reasons}\n"
    if piece.planned is None:
        yield "  planned after what it needs is applied\n"
    for change in _changes(piece):
        yield f"  {_SIGNS.get(str(change['actions']), '?'):>3} {change['address']}\n"


def _changes(piece: Piece) -> list[dict[str, str]]:
    found = piece.document.get("resource_changes") or []
    return [
        {"address": one["address"], "actions": "/".join(one["change"]["actions"])}
        for one in found
        if one["change"]["actions"] != ["no-op"] and not one["name"].startswith(_prefix(piece))
    ]


def _prefix(piece: Piece) -> str:
    return piece.planned.cut.prefix if piece.planned is not None else mangling.PREFIX


def _counted(actions: Iterable[str]) -> str:
    found = list(actions)
    made = sum("create" in one for one in found)
    gone = sum("delete" in one for one in found)
    return f"{made} to add, {found.count('update')} to change, {gone} to destroy"


def ended(one: Ended) -> str:
    """One batch's end; Terraform's own words when it failed."""
    line = f"{', '.join(one.units)}: {one.fate}\n"
    if one.fate is Fate.FAILED:
        return f"{line}{one.output}\n"
    found = [f"  {finding.address}: {finding.reason}\n" for finding in one.findings]
    return line + "".join(found)

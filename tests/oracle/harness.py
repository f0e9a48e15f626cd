"""Hold the engine against Terraform on one case; what differs comes out as lines."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle import comparing, ordering
from oracle.cases import Case, Step
from oracle.mutations import Mutation
from oracle.worlds import BATCHES, TOOL, Ran, World, run_units, run_whole, world
from stackly_engine.command.inspection import Options
from stackly_engine.source import Product

MODES: Mapping[str, Options] = {
    "apart": Options(apart=True),  # every unit by itself
    "batches": Options(price=BATCHES),
    "cheapest": Options(),  # small roots run whole
}

# What docs/engine.md names of OpenTofu: its plans say less of unknown values, its states no result of some checks.
TOFU = TOOL.product is Product.TOFU
LESS_KNOWN = frozenset({"known and unknown"})
UNTOLD = frozenset({"what is known of unknowns"})  # planted bugs that therefore cannot be seen there


@dataclass
class Report:
    """What came of a case. `later`: states that were the same only after a second whole apply (engine-facts §2).

    `wrong`: plain Terraform does not do what the case says, or refuses the root: it is held up to there.
    `found` has for each planted bug, by its rule, whether anything differed because of it.
    """

    name: str
    differences: list[str] = field(default_factory=list)
    runs: list[Ran] = field(default_factory=list)
    later: int = 0
    wrong: str = ""
    found: dict[str, bool] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not self.differences and not self.wrong and all(self.found.values())

    def figures(self) -> dict[str, int]:
        """What this case adds to the oracle's summary."""
        return {
            "roots": 1, "runs by units": len(self.runs), "batches": sum(ran.batches for ran in self.runs),
            "units skipped": sum(ran.skipped for ran in self.runs), "cuts whose bytes were held": sum(ran.cuts for ran in self.runs),
            "states the same after a second whole apply": self.later, "roots refused by Terraform": bool(self.wrong),
            "mutations": len(self.found), "mutations found": sum(self.found.values()),
            "differences": len(self.differences),
        }  # fmt: skip

    def __str__(self) -> str:
        missed = [f"mutation not found: {rule}" for rule, found in self.found.items() if not found]
        return "\n".join([f"{self.name}: {len(self.differences)} differences", *self.differences, *missed, self.wrong])


@dataclass(frozen=True)
class _Rival:
    """One engine that is held against the whole runs of a case; a planted bug makes a bad one of it."""

    mode: str
    world: World
    bug: Mutation | None = None


def hold(case: Case, folder: Path, *modes: str, bugs: Collection[Mutation] = ()) -> Report:
    """Run a case whole and in each mode (apart and in batches when none is named) and compare after each step.

    An engine with a bug runs beside them until something differs.
    """
    report = Report(case.name, found={bug.rule: False for bug in bugs})
    with ExitStack() as stack:

        def begin(name: str) -> World:
            return stack.enter_context(world(folder / name, cloud=case.cloud))

        whole = begin("whole")
        rivals = [_Rival(mode, begin(mode)) for mode in modes or ("apart", "batches")]
        rivals += [_Rival(bug.mode, begin(f"bug{number}"), bug) for number, bug in enumerate(bugs)]
        for number, step in enumerate(case.steps):
            whole_before = whole.state()
            _edit(step, whole)
            theirs = run_whole(whole, step.variables, step.replace, step.targets)
            report.wrong = _wrong(number, step, theirs)
            if report.wrong:
                return report
            for rival in [one for one in rivals if one.bug is None or not report.found[one.bug.rule]]:
                _edit(step, rival.world)
                with rival.bug.planted() if rival.bug is not None else nullcontext():
                    told = list(_compared(step, rival, whole, whole_before, theirs, report))
                if rival.bug is not None:
                    report.found[rival.bug.rule] = bool(told)
                else:
                    report.differences.extend(f"step {number}, {rival.mode}: {line}" for line in told)
    return report


def _edit(step: Step, where: World) -> None:
    where.put(step.files)
    if step.event is not None:
        step.event(where.place)


def _wrong(number: int, step: Step, theirs: Ran) -> str:
    if theirs.good == (not step.fails) and step.fails in theirs.output:
        return ""
    return f"step {number}: plain Terraform says\n{theirs.output[-1500:]}"


def _compared(
    step: Step, rival: _Rival, whole: World, before: Mapping[str, Any], theirs: Ran, report: Report
) -> Iterator[str]:
    units = rival.world
    names = comparing.names_of(units.state())
    options = MODES[rival.mode]
    asked = Options(replace=step.replace, apart=options.apart, price=options.price, workers=options.workers)
    ours = run_units(units, TOOL, step.variables, asked)
    if rival.bug is None:
        report.runs.append(ours)
    if ours.whole or step.whole:
        if step.whole not in ours.whole or not step.whole:
            yield f"whole: runs whole for {ours.whole}, not for {step.whole!r}"
        run_whole(units, step.variables, step.replace, step.targets)
        return
    yield from _ends(step, ours)
    yield from (
        f"runs: {unit} is {ours.reasons.get(unit)}"
        for unit in step.runs
        if ours.reasons.get(unit) in {None, "unchanged"}
    )
    shown = step.shows and not (TOFU and report.name in LESS_KNOWN)
    if shown and not step.targets and theirs.plans and (ours.plans or ours.good):
        yield from _previews(theirs, ours, comparing.names_of(before), names)
    yield from _states(step, whole, units, report)
    if step.ordered:
        related = _related(before) | _related(whole.state())
        yield from ordering.out_of_order(theirs.ledger, ours.ledger, related)
    yield from _callers(theirs, ours)
    yield from ours.altered
    yield from (f"left over: {name}" for name in units.stray())
    if not step.fails:
        yield from _afterwards(step, whole, units, asked)


def _ends(step: Step, ours: Ran) -> Iterator[str]:
    if step.fails and (ours.good or step.fails not in ours.output):
        yield f"end: should fail with {step.fails!r}, but:\n{ours.output[-1500:]}"
    elif not step.fails and not ours.good:
        yield f"end: fails\n{ours.output[-2500:]}"
    if step.targets and not ours.deferred:
        yield "preview: nothing was deferred, though plain Terraform cannot plan this"
    if not step.targets and ours.deferred:
        yield "preview: something was deferred, though plain Terraform plans all"


def _previews(theirs: Ran, ours: Ran, their_names: Mapping[str, str], names: Mapping[str, str]) -> Iterator[str]:
    changes: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    for plan in ours.plans:
        changes.update(comparing.changes(plan, names, ours.prefix))
        outputs.update(comparing.outputs(plan, ours.prefix))
    yield from comparing.differences("preview", comparing.changes(theirs.plans[0], their_names), changes)
    yield from comparing.differences("preview of outputs", comparing.outputs(theirs.plans[0]), outputs)


def _states(step: Step, whole: World, units: World, report: Report) -> Iterator[str]:
    left = comparing.state(units.state())
    theirs, ours = _told(comparing.state(whole.state()), left)
    if theirs != ours and not step.fails and comparing.only_before_destroy(theirs, ours):
        whole.terraform("apply", "-auto-approve", "-no-color", *(f"-var={one}" for one in step.variables))
        theirs, ours = _told(comparing.state(whole.state()), left)
        report.later += 1
    yield from comparing.differences("state", theirs, ours)


def _told(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What of two states is compared."""
    return comparing.without_unknown_checks(theirs, ours) if TOFU else (theirs, ours)


def _callers(theirs: Ran, ours: Ran) -> Iterator[str]:
    """Each thing is handled by the same configuration of the provider."""

    def seen(ran: Ran) -> set[tuple[str, str]]:
        return {(entry.name, entry.caller) for entry in ran.ledger if entry.operation in {"create", "update", "delete"}}

    missed, added = seen(theirs) - seen(ours), seen(ours) - seen(theirs)
    if missed or added:
        yield f"provider: (thing, caller) {sorted(missed)} whole, {sorted(added)} by units"


def _afterwards(step: Step, whole: World, units: World, options: Options) -> Iterator[str]:
    given = [f"-var={one}" for one in step.variables]
    done = units.planned("-detailed-exitcode", *given)
    if done.code and done.code != whole.planned("-detailed-exitcode", *given).code:
        yield f"plan afterwards: {done.code}\n{done.output[-2500:]}"
    again = run_units(units, TOOL, step.variables, Options(apart=options.apart, price=options.price))
    if bool(again.processes) != step.restless:
        yield f"second run: {again.processes} processes, {dict(again.reasons)}"


def _related(state: Mapping[str, Any]) -> set[frozenset[str]]:
    """Names of things of which one depends on the other."""
    named: dict[str, set[str]] = {}
    needs: dict[str, set[str]] = {}
    for resource in state.get("resources") or []:
        if resource["mode"] == "managed" and resource["type"] == "testcloud_thing":
            address = ".".join(filter(None, (_module(resource), resource["type"], resource["name"])))
            for instance in resource["instances"]:
                named.setdefault(address, set()).add(str(instance["attributes"]["name"]))
                needs.setdefault(address, set()).update(instance.get("dependencies") or [])
    return {
        frozenset({one, other})
        for address, needed in needs.items()
        for below in needed
        for one in named[address]
        for other in named.get(below, ())
        if one != other
    }


def _module(resource: Mapping[str, Any]) -> str:
    """The module's address without keys."""
    text, inside = "", False
    for letter in str(resource.get("module") or ""):
        inside = letter == "[" or (inside and letter != "]")
        text += "" if inside or letter == "]" else letter
    return text

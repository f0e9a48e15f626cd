"""How a plan is drawn by unit."""

from stackly_sdk._gen.stackly.v1 import Plan, PlanUnit, ResourceChange
from stackly_sdk.cli.units import counted, draw_plan

UNITS = [
    PlanUnit(unit="module.app", run=True, reasons=["code: main.tf", "variable: env"], batch=1),
    PlanUnit(unit="module.db", run=True, reasons=["input: module.app.id"], batch=2),
    PlanUnit(
        unit="module.dns",
        run=True,
        reasons=["new", "deferred: module.db.id is known after apply"],
        deferred=True,
        needs=["module.db", "module.net"],
    ),
    PlanUnit(unit="module.net", reasons=["unchanged"], plan_seconds=2.25),
    PlanUnit(unit="outputs", reasons=["unchanged"], plan_seconds=1.0),
]


def change(address: str, unit: str = "") -> ResourceChange:
    return ResourceChange(address=address, type="t", actions=["create"], unit=unit)


def drawn(plan: Plan, *changes: ResourceChange) -> list[str]:
    return [line.text for line in draw_plan(plan, iter(changes))]


def test_changes_stand_below_their_unit_with_its_reasons() -> None:
    lines = drawn(Plan(units=UNITS), change("module.app.t.b", "module.app"), change("module.app.t.a", "module.app"))
    assert lines == [
        "── module.app  [code: main.tf; variable: env]",
        "  # module.app.t.b will be created",
        "    + t",
        "",
        "  # module.app.t.a will be created",
        "    + t",
        "",
        "── module.db  [input: module.app.id]",
        "  no changes",
        "",
        "── module.dns  [new]",
        "  can only be planned after module.db is applied: module.db.id is known after apply",
        "",
        "Skipped, unchanged: module.net, outputs",
        "",
    ]
    words = "3 of 5 units planned (code 1, input 1, new 1), 1 of them after an apply, 2 skipped: about 3.2s of planning saved."
    assert counted(UNITS) == words


def test_a_plan_of_a_whole_root_has_no_units_and_may_say_why() -> None:
    lines = drawn(Plan(whole_reasons=["syntax: main.tf", "b", "c", "d", "e"]), change("t.a"))
    assert lines == ["Planned whole: syntax: main.tf; b; c; and 2 more", "", "  # t.a will be created", "    + t", ""]
    assert drawn(Plan(), change("t.a")) == lines[2:]
    assert counted([]) == ""


def test_no_change_is_lost() -> None:
    """Not even one of a unit that the plan does not name."""
    lines = drawn(Plan(units=UNITS[3:]), change("module.x.t.a", "module.x"))
    assert "  # module.x.t.a will be created" in lines


def test_why_units_were_skipped_is_told_by_reason() -> None:
    many = [PlanUnit(unit=f"module.m{number}", reasons=["unchanged"]) for number in range(8)]
    lines = drawn(Plan(units=[*many, PlanUnit(unit="module.z", reasons=["input unchanged: module.m0.id"])]))
    assert lines == [
        "Skipped, unchanged: module.m0, module.m1, module.m2, module.m3, module.m4 and 3 more",
        "Skipped, input unchanged: module.m0.id: module.z",
        "",
    ]
    assert counted(many) == "0 of 8 units planned, 8 skipped."

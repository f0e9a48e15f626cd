"""What goes wrong, and what the state says: engine-facts §10, engine.md §5."""

import json

from oracle.cases import Case, Place, Step, case, root
from oracle.directed.written import BOX, THING, THING_FIRST, call, edited, output


def _two(second: str, third: str = "null", size: str = "1") -> dict[str, str]:
    return root(
        call("a", "thing", name='"a"', size=size)
        + call("b", "thing", name='"b"', fail=second, size=size, refs="[module.a.id]")
        + call("c", "thing", name='"c"', fail=third, size=size, refs="[module.a.id]")
        + call("d", "thing", name='"d"', size="length(module.b.id)")
        + output("o", "module.d.out"),
        thing=THING,
    )


_NONE = _two("null")
_SOME = root(
    call("a", "some", fail='["create@1"]') + call("b", "thing", name="module.a.out"),
    thing=THING,
    some='variable "fail" {}\nresource "testcloud_thing" "good" { name = "good" }\nresource "testcloud_thing" "bad" {\n  name = "bad"\n'
    '  fail = var.fail\n}\nresource "testcloud_thing" "after" {\n  name = "after"\n  refs = [testcloud_thing.bad.id]\n}\n'
    'output "out" { value = testcloud_thing.after.out }\n',
)  # fmt: skip
_FIRST = root(
    call("a", "first", name='"a"', force='"1"', fail='["delete@1"]') + call("b", "thing", name='"b"', force="module.a.id"),
    thing=THING, first=THING_FIRST,
)  # fmt: skip
_CONDITION = root(
    call("a", "box", **{"in": '"1"'})
    + call("b", "asks", **{"in": "module.a.out"})
    + call("c", "box", **{"in": "module.b.id"}),
    box=BOX,
    asks='variable "in" {}\nresource "terraform_data" "x" {\n  input = var.in\n  lifecycle {\n    postcondition {\n'
    '      condition     = self.output == "1"\n      error_message = "it is ${self.output}"\n    }\n  }\n}\noutput "id" { value = terraform_data.x.id }\n',
)
_BOXES = root(
    call("a", "box", **{"in": '"1"'}) + call("b", "box", **{"in": "module.a.id"}) + call("c", "box", **{"in": '"c"'}),
    box=BOX,
)


def _id(place: Place, name: str) -> str:
    return next(thing for thing, held in place.cloud.things.items() if held["name"] == name)


def _drift(place: Place) -> None:
    place.cloud.change(_id(place, "a"), size=99)


def _taint(place: Place) -> None:
    place.terraform("taint", "module.a.terraform_data.x")


def _forget(place: Place) -> None:
    place.terraform("state", "rm", "module.a.terraform_data.x")


def _rename(place: Place) -> None:
    place.terraform("state", "mv", "module.c", "module.gone")


def _by_hand(place: Place) -> None:
    """Somebody runs plain Terraform with another value."""
    place.terraform("apply", "-auto-approve", "-input=false", "-var=v=hand")


def _lose(place: Place) -> None:
    """The state is gone: everything is made again."""
    state = place.folder / "terraform.tfstate"
    text = json.loads(state.read_text())
    state.write_text(json.dumps({**text, "resources": [], "outputs": {}, "serial": text["serial"] + 1}))


_GIVEN = root(
    'variable "v" { default = "1" }\n'
    + call("a", "box", **{"in": "var.v"})
    + call("b", "box", **{"in": "module.a.out"}),
    box=BOX,
)
# The user of what goes fails to let go of it: who used what must be known the next time too. It takes its time, so that
# plain Terraform, which has forgotten that by then, comes too early every time.
_USED = root(
    call("z", "first", name='"z"') + call("k", "thing", name='"k"', refs="[module.z.id]", size="1", delay="1"),
    thing=THING,
    first=THING_FIRST,
)
_LET_GO = root(call("k", "thing", name='"k"', size="2", fail='["update@1"]', delay="1"), thing=THING, first=THING_FIRST)

CASES: list[Case] = [
    case("a create fails, then does not", "engine-facts §10 partial failure", Step(_two('["create@1"]'), fails="made to fail"), _two('["create@1"]')),
    case("an update fails", "engine-facts §10", _two('["update@1"]'), Step(_two('["update@1"]', size="2"), fails="made to fail"), _two('["update@1"]', size="2")),
    case("an update fails before what it lets go", "§9 after a failure", _USED, Step(_LET_GO, fails="made to fail", ordered=True), Step(_LET_GO, fails="uses it"), _LET_GO),
    case("half of a module fails", "engine-facts §10", Step(_SOME, fails="made to fail"), _SOME),
    case("made, then tainted", "engine-facts §10", Step(_two('["created"]'), fails="then something failed"), _NONE),
    case("a deposed object is left", "engine-facts §10", _FIRST, Step(edited(_FIRST, '"1"', '"2"'), fails="made to fail"), edited(_FIRST, '"1"', '"2"')),
    case("a condition fails", "engine-facts §6", _CONDITION, Step(edited(_CONDITION, '"1"', '"2"'), fails="it is 2"), _CONDITION),
    case("drift, refreshed", "engine-facts §9", _NONE, Step(_two("null", size="3"), event=_drift)),
    case("tainted by hand", "engine-facts §10", _BOXES, Step(_BOXES, event=_taint)),
    case("replaced on demand", "§9 -replace", _BOXES, Step(_BOXES, replace=("module.a.terraform_data.x",)),
         Step(_BOXES, replace=("module.c.terraform_data.x", "module.b.terraform_data.x"))),
    case("forgotten by hand", "§5 state", _BOXES, Step(_BOXES, event=_forget)),
    case("renamed by hand", "§5 state", _BOXES, Step(_BOXES, event=_rename)),
    case("applied by hand in between", "§11 a hand-made change", _GIVEN, Step(_GIVEN, event=_by_hand)),
    case("the state is lost", "§5 state", _BOXES, Step(_BOXES, event=_lose)),
]  # fmt: skip

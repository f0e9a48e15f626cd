"""moved, removed and import blocks: engine.md §9, the 17 cases of engine-facts §4."""

from oracle.cases import Case, Files, Place, Step, case, root
from oracle.directed.written import BOX, THING, call, data, edited, output, thing


def _moved(old: str, new: str) -> str:
    return f"moved {{\n  from = {old}\n  to   = {new}\n}}\n"


def _plus(files: Files, text: str) -> dict[str, str | bytes]:
    main = files["main.tf"]
    assert isinstance(main, str)
    return {**files, "main.tf": main + text}


A, B = call("a", "box", **{"in": '"1"'}), call("b", "box", **{"in": '"2"'})
USER = call("user", "box", **{"in": "module.a.id"})
_ONE = root(A + B + USER, box=BOX)
_RENAMED = _plus(
    root(call("a2", "box", **{"in": '"1"'}) + B + USER.replace("module.a.", "module.a2."), box=BOX),
    _moved("module.a", "module.a2"),
)
_INSIDE = edited(_ONE, '"terraform_data" "x"', '"terraform_data" "y"', "box/main.tf")
_INSIDE = edited(_INSIDE, "terraform_data.x", "terraform_data.y", "box/main.tf")
_INSIDE = {**_INSIDE, "box/main.tf": str(_INSIDE["box/main.tf"]) + _moved("terraform_data.x", "terraform_data.y")}
_ROOT = root(data("r", 'input = "1"') + data("s", "input = terraform_data.r.id") + B, box=BOX)
_TO_MODULE = _plus(
    root(A + data("s", "input = module.a.id") + B, box=BOX), _moved("terraform_data.r", "module.a.terraform_data.x")
)
_FROM_MODULE = _plus(root(data("r", 'input = "1"') + data("s", "input = terraform_data.r.id") + B, box=BOX),
                     _moved("module.a.terraform_data.x", "terraform_data.r"))  # fmt: skip
_EMPTY = root(A.replace('"./box"', '"./none"').replace('  in = "1"\n', "") + B, box=BOX, none="locals {}\n")
_ACROSS = _plus(root(call("a", "none") + call("c", "box", **{"in": '"1"'}), box=BOX, none="locals {}\n"),
                _moved("module.a.terraform_data.x", "module.c.terraform_data.x"))  # fmt: skip
_COUNT = root(data("r", "count = 2", "input = count.index"))
_OUT_OF_COUNT = root(data("r", "count = 1", "input = count.index") + call("c", "box", **{"in": "1"})
                     + _moved("terraform_data.r[1]", "module.c.terraform_data.x"), box=BOX)  # fmt: skip
_EACH = root(call("c", "box", 'for_each = toset(["x", "y"])', **{"in": "each.key"}), box=BOX)
_COUNTED = root(call("c", "box", "count = 2", **{"in": '["x", "y"][count.index]'}) + _moved('module.c["x"]', "module.c[0]")
                + _moved('module.c["y"]', "module.c[1]"), box=BOX)  # fmt: skip
_SINGLE = root(call("c", "box", **{"in": '"x"'}), box=BOX)
_KEYED = root(
    call("c", "box", 'for_each = toset(["x", "z"])', **{"in": "each.key"}) + _moved("module.c", 'module.c["x"]'),
    box=BOX,
)
_NEST = root(call("o", "outer", **{"in": '"1"'}), box=BOX,
             outer='variable "in" {}\nmodule "i" {\n source = "../box"\n in = var.in\n}\noutput "id" { value = module.i.id }\n')  # fmt: skip
_FLAT = _plus(root(call("i", "box", **{"in": '"1"'}), box=BOX), _moved("module.o.module.i", "module.i"))
_CHAIN = root(
    call("c", "box", **{"in": '"1"'}) + _moved("module.a", "module.b") + _moved("module.b", "module.c"), box=BOX
)
_SWAP = root(
    call("a", "box", **{"in": '"1"'}) + call("b", "box", **{"in": '"2"'}) + _moved("module.a", "module.b"), box=BOX
)
_FORGET = root(B + "removed {\n  from = module.a\n  lifecycle {\n    destroy = false\n  }\n}\n", box=BOX)
_FORGET_INSIDE = root(
    A + B + "removed {\n  from = module.a.terraform_data.gone\n  lifecycle {\n    destroy = false\n  }\n}\n", box=BOX
)
_WITH_GONE = _ONE | {"main.tf": A.replace("./box", "./more") + B, "more/main.tf": BOX + data("gone", "input = 1")}
_DESTROY = root(B + "removed {\n  from = module.a\n  lifecycle {\n    destroy = true\n  }\n}\n", box=BOX)
_MOVED_AND_CHANGED = edited(_RENAMED, '"1"', '"9"')
_TWO_TO_ONE = root(call("c", "pair") + _moved("module.a.terraform_data.x", "module.c.terraform_data.x")
                   + _moved("module.b.terraform_data.x", "module.c.terraform_data.y"),
                   pair=data("x", 'input = "1"') + data("y", 'input = "2"'))  # fmt: skip


def _existing(place: Place) -> None:
    """A thing that no root made; its name is its id's, so imports can find it."""
    if not any(one["name"] == "found" for one in place.cloud.things.values()):
        place.cloud.create({"name": "found", "size": 1, "refs": None}, "")


_IMPORT = """
data "testcloud_find" "it" { name = "found" }
import {
  to = testcloud_thing.found
  id = data.testcloud_find.it.ids[0]
}
"""
_IMPORTED = root(
    thing("found", "size = 2") + _IMPORT + call("user", "thing", name='"user"', refs="[testcloud_thing.found.id]"),
    thing=THING,
)
_IMPORT_MODULE = root(call("finder", "finder") + call("kept", "thing", name='"found"', size="2")
                      + "import {\n  to = module.kept.testcloud_thing.x\n  id = module.finder.id\n}\n",
                      thing=THING, finder='data "testcloud_find" "it" { name = "found" }\noutput "id" { value = data.testcloud_find.it.ids[0] }\n')  # fmt: skip

CASES: list[Case] = [
    case("a module renamed", "engine-facts §4", _ONE, _RENAMED, root(str(_RENAMED["main.tf"]).partition("moved")[0], box=BOX)),
    case("a module renamed and changed", "engine-facts §4", _ONE, _MOVED_AND_CHANGED),
    case("moved inside of a module", "engine-facts §4 (a)", _ONE, _INSIDE),
    case("from the root into a module", "engine-facts §4", _ROOT, _TO_MODULE),
    case("from a module that goes into the root", "engine-facts §4", root(A + B + data("s", "input = module.a.id"), box=BOX), _FROM_MODULE),
    case("from a kept module to another", "engine-facts §4", _ONE, _ACROSS),
    case("an instance out of a count", "engine-facts §4", _COUNT, _OUT_OF_COUNT),
    case("for_each becomes count", "engine-facts §4", _EACH, _COUNTED),
    case("one becomes keyed", "engine-facts §4", _SINGLE, _KEYED),
    case("out of a nested module", "engine-facts §4", _NEST, _FLAT),
    case("chain of moves", "engine-facts §4 (c)", root(A, box=BOX), _CHAIN),
    case("both still there", "engine-facts §4", _ONE, Step(_SWAP, fails="Moved object still exists", shows=False)),
    case("two modules into one", "engine-facts §4", root(A + B, box=BOX), _TWO_TO_ONE),
    case("forgotten", "engine-facts §4 removed", _ONE | {"main.tf": A + B}, _FORGET),
    case("forgotten inside of a kept module", "engine-facts §4 removed", _WITH_GONE, _FORGET_INSIDE),
    case("removed and destroyed", "engine-facts §4 removed", _ONE | {"main.tf": A + B}, _DESTROY),
    case("import into the root", "engine-facts §4 import", Step(_IMPORTED, event=_existing)),
    case("import into a module, the id from another", "engine-facts §4 import", Step(_IMPORT_MODULE, event=_existing)),
    case("a settled move is ignored", "§5 settled moved blocks", _RENAMED, edited(_RENAMED, '"2"', '"3"')),
    case("a name used again", "engine-facts §4", _ONE, _RENAMED, {**_RENAMED, "main.tf": str(_RENAMED["main.tf"]).partition("moved")[0] + A.replace('"1"', '"again"') + output("o", "module.a.id")}),
]  # fmt: skip

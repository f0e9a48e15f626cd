"""Modules with provider blocks of their own, and resources that are gone from a module that stays. engine.md §3, §10."""

from oracle.cases import Case, Step, case, root
from oracle.directed.written import BOX, FIRST, THING, call, edited, output, thing

_HEAD = """
terraform {
  required_providers {
    testcloud = { source = "local/testcloud" }
  }
}
"""
_INPUTS = 'variable "name" {}\nvariable "caller" {}\n'
_OUTPUTS = "".join(
    output(name, f"testcloud_thing.x.{of}") for name, of in (("id", "id"), ("out", "out"), ("named", "name"))
)
_SPARE = 'resource "testcloud_thing" "spare" {\n  name = "${var.name}-spare"\n}\n'
_USING = "  refs     = [testcloud_thing.spare.id]\n"
# Its own default configuration.
_OWN = _HEAD + 'variable "caller" { default = "own" }\nprovider "testcloud" {\n  caller = var.caller\n}\n' + THING
# Its own alias beside the default one, which it inherits.
_ALIAS = (
    _HEAD + _INPUTS + 'provider "testcloud" {\n  alias  = "own"\n  caller = var.caller\n}\n' + _SPARE
    + 'resource "testcloud_thing" "x" {\n  provider = testcloud.own\n  name     = var.name\n' + _USING + "}\n"
    + _OUTPUTS
)  # fmt: skip
# What it calls inherits its configuration, or has another one again.
_NEST = (
    _HEAD + _INPUTS + 'provider "testcloud" { caller = "nest-${var.caller}" }\n'
    + 'module "in" {\n  source = "../thing"\n  name   = "${var.name}-in"\n}\n'
    + 'module "own" {\n  source = "../own"\n  name   = "${var.name}-own"\n  caller = module.in.named\n}\n'
    + output("id", "module.own.id") + output("out", "module.own.out")
)  # fmt: skip
_TREE = root(
    _HEAD
    + call("z", "own", name='"z"', caller='"zz"')
    + 'provider "testcloud" { caller = module.z.named }\n'
    + call("a", "own", name='"a"')
    + call("b", "thing", name='"b"', refs="[module.a.id]")
    + call("c", "own", name='"c"', caller="module.b.named", refs="[module.b.id]")
    + call("d", "alias", name='"d"', caller="module.c.named")
    + call("e", "nest", name='"e"', caller="module.a.named")
    + thing("r", "refs = [module.e.id, module.d.id]")
    + output("o", "module.e.out"),
    thing=_HEAD + THING, own=_OWN, alias=_ALIAS, nest=_NEST,
)  # fmt: skip
_LARGER = edited(_TREE, 'name = "a"', 'name = "a"\n  size = 3')
_RENAMED = edited(edited(_TREE, 'module "c"', 'module "k"'), "module.c.", "module.k.")
_MOVED = {**_RENAMED, "main.tf": f"{_RENAMED['main.tf']!s}moved {{\n  from = module.c\n  to   = module.k\n}}\n"}
_GONE = edited(_TREE, call("a", "own", name='"a"'), "")
_GONE = edited(edited(_GONE, "  refs = [module.a.id]\n", ""), "module.a.named", '"a"')
_FIRST = edited(_TREE, "  fail  = var.fail\n", f"  fail  = var.fail\n  {FIRST}\n", "own/main.tf")
_FORCED = edited(_FIRST, 'name = "a"', 'name = "a"\n  force = "f"')
_UNUSED = edited(_TREE, _USING, "", "alias/main.tf")
_EMPTIED = edited(_UNUSED, _SPARE, "", "alias/main.tf")
_MIXED = root(
    _HEAD + 'provider "testcloud" { caller = "root" }\n' + call("a", "mixed", name='"a"') + call("b", "thing", name='"b"'),
    thing=_HEAD + THING,
    mixed=_HEAD + 'variable "name" {}\n' + BOX + _SPARE,
)  # fmt: skip

CASES: list[Case] = [
    case("modules with their own providers", "§3 provider edges come from use", _TREE, _LARGER,
         edited(_LARGER, "caller = var.caller", 'caller = "x-${var.caller}"', "own/main.tf"), _MOVED),
    case("created first by its own provider", "§9", Step(_FIRST, ordered=True), Step(_FORCED, ordered=True),
         Step(edited(_FORCED, 'name = "e"', 'name = "f"'), ordered=True)),
    case("a module goes with its provider", "engine-facts §3", _TREE,
         Step(_GONE, fails="Provider configuration not present", shows=False)),
    case("a module no longer uses the provider of what is gone from it", "§3 a provider block missed", _TREE, _UNUSED,
         Step(_EMPTIED, whole="orphan-provider"), _TREE),
    case("nothing of a provider is left in a module", "§3 a provider block missed", _MIXED,
         Step(edited(_MIXED, _SPARE, "", "mixed/main.tf"), whole="orphan-provider"), _MIXED),
]  # fmt: skip

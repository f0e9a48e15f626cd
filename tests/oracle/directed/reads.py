"""Data sources and depends_on, impure expressions, files: engine.md §4 and §5, engine-facts §5 and §8."""

import json

from oracle.cases import Case, Files, Step, case, root
from oracle.directed.written import BOX, THING, call, data, edited, merged, output

REMOTE = json.dumps({"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "remote", "resources": [],
                     "outputs": {"x": {"value": "far", "type": "string"}}})  # fmt: skip
_REMOTE_DATA = (
    'data "terraform_remote_state" "r" {\n  backend = "local"\n  config  = { path = "remote.tfstate.json" }\n%s}\n'
)
_READER = f'variable "in" {{ default = null }}\n{_REMOTE_DATA % ""}resource "terraform_data" "x" {{ input = data.terraform_remote_state.r.outputs.x }}\noutput "out" {{ value = terraform_data.x.output }}\n'
_WAITING = merged(
    root(
        call("z", "box", **{"in": '"1"'})
        + call("a", "box", **{"in": "module.z.out"})
        + call("mid", "box", "depends_on = [module.a]", **{"in": '"m"'})
        + call("b", "reader", "depends_on = [module.a]")
        + call("c", "reader", "depends_on = [module.mid]")
        + call("used", "reader", **{"in": "module.a.const"})
        + (_REMOTE_DATA % "  depends_on = [module.a]\n")
        + data("r", "input = data.terraform_remote_state.r.outputs.x"),
        box=BOX,
        reader=_READER,
    ),
    {"remote.tfstate.json": REMOTE},
)
_FINDER = 'variable "name" {}\ndata "testcloud_find" "it" { name = var.name }\noutput "ids" { value = length(data.testcloud_find.it.ids) }\n'
_FOUND = root(
    call("a", "thing", name='"it"', size="1", force='"1"')
    + call("f", "finder", "depends_on = [module.a]", name='"it"')
    + call("u", "thing", name='"user"', size="module.f.ids"),
    thing=THING,
    finder=_FINDER,
)
_MORE = edited(_FOUND, 'force = "1"', 'force = "1"\n  count = 2')
_CHECKED = root(
    call("a", "thing", name='"it"', size="1")
    + 'check "c" {\n  data "testcloud_find" "it" { name = module.a.named }\n  assert {\n'
    '    condition     = length(data.testcloud_find.it.ids) == 1 && module.a.out != ""\n    error_message = "there are ${length(data.testcloud_find.it.ids)}"\n  }\n}\n',
    thing=THING,
)
_TIME = root(
    'locals {\n  now = timestamp()\n  id = uuid()\n  plain = "p"\n}\n'
    + call("a", "box", **{"in": "local.id"})
    + call("b", "box", **{"in": "local.id"})
    + call("t", "box", **{"in": "[local.now, plantimestamp()]"})
    + call("still", "box", **{"in": "local.plain"})
    + output("same", "module.a.out == module.b.out"),
    box=BOX,
)
_FILES: Files = merged(
    root(
        call("a", "reads")
        + call("b", "box", **{"in": 'file("${path.root}/files/one.txt")'})
        + call("c", "box", **{"in": '[for f in sort(fileset(path.module, "files/*")) : filesha256(f)]'})
        + call("d", "box", **{"in": 'templatefile("${path.module}/files/t.tpl", { x = module.a.out })'})
        + call("p", "box", **{"in": '[path.root, path.module, terraform.workspace, basename(dirname(path.cwd)) != ""]'})
        + call("e", "box", **{"in": "module.a.path"}),
        box=BOX,
        reads='resource "terraform_data" "x" { input = [file("${path.module}/own.txt"), file("${path.module}/../shared/far.txt"), file("${path.root}/files/one.txt")] }\n'
        'output "out" { value = terraform_data.x.output[0] }\noutput "path" { value = path.module }\n',
    ),
    {"files/one.txt": "1", "files/t.tpl": "x=${x}", "reads/own.txt": "own", "shared/far.txt": "far"},
)
# Behind a module everything that it comes to defers a data source, behind a resource only the resource itself.
_BEHIND = merged(
    root(
        data("z", 'input = "q"', 'triggers_replace = "1"')
        + call("none", "none", **{"in": "terraform_data.z.id"})
        + call("known", "box", **{"in": "terraform_data.z.input"})
        + call("d_none", "reader", "depends_on = [module.none]")
        + call("d_known", "reader", "depends_on = [module.known]")
        + data("y", "input = module.known.out")
        + (_REMOTE_DATA % "  depends_on = [terraform_data.y]\n"),
        box=BOX, none='variable "in" {}\noutput "out" { value = var.in }\n', reader=_READER,
    ),
    {"remote.tfstate.json": REMOTE},
)  # fmt: skip

# Whether what stands in a depends_on comes to what changes, though its own value and resources stay.
_REACHED = merged(
    root(
        call("a", "known", **{"in": '"1"'})
        + data("w", "input = module.a.is")
        + (_REMOTE_DATA % "  depends_on = [terraform_data.w]\n")
        + call("by_resource", "reader", "depends_on = [terraform_data.w]")
        + call("c", "box", **{"in": "module.a.is"})
        + call("by_module", "reader", "depends_on = [module.c]")
        + call("by_part", "reader", "depends_on = [module.c.out]")
        + call("e", "box", **{"in": "module.a.const"})
        + call("by_free_module", "reader", "depends_on = [module.e]")
        + call("by_output", "reader", "depends_on = [module.a.is]")
        + call("by_free_output", "reader", "depends_on = [module.a.const]")
        + (_REMOTE_DATA % "  depends_on = [module.c]\n").replace('"r"', '"s"', 1)
        + (_REMOTE_DATA % "  depends_on = [module.a.const]\n").replace('"r"', '"t"', 1),
        box=BOX, known=BOX + output("is", 'terraform_data.x.input != "z"'), reader=_READER,
    ),
    {"remote.tfstate.json": REMOTE},
)  # fmt: skip

# Data sources that wait though nothing in a depends_on of theirs says so.
_ASKS = _READER.replace(
    "}\nresource",
    '  lifecycle {\n    postcondition {\n      condition     = var.in\n      error_message = "no"\n    }\n  }\n}\nresource',
)
_UNLISTED = merged(
    root(
        call("a", "known", **{"in": '"1"'})
        + call("k", "box", **{"in": '"k"'})
        + data("r", 'input = "r"', 'triggers_replace = "1"')
        + (_REMOTE_DATA % '  defaults   = { y = "${terraform_data.r.input}${module.k.const}" }\n').replace('"r"', '"direct"', 1)
        + data("direct", "input = data.terraform_remote_state.direct.outputs.x")
        + call("m", "none", "for_each = { n = 1 }\n  depends_on = [terraform_data.r]", **{"in": '"m"'})
        + (_REMOTE_DATA % '  defaults   = { y = "${join(",", keys(module.m))}${module.k.const}" }\n').replace('"r"', '"whole"', 1)
        + (_REMOTE_DATA % '  defaults   = { y = "${module.m["n"].out}${module.k.const}" }\n').replace('"r"', '"part"', 1)
        + (_REMOTE_DATA % "  lifecycle {\n    postcondition {\n      condition     = module.a.is\n      error_message = module.k.const\n    }\n  }\n").replace('"r"', '"asks"', 1)
        + call("asks", "asks", **{"in": "module.a.is"})
        + call("reads", "reader", **{"in": "module.a.is"})
        + (_REMOTE_DATA % "  defaults   = { y = module.a.is }\n").replace('"r"', '"not"', 1),
        box=BOX, known=BOX + output("is", 'terraform_data.x.input != "z"'), reader=_READER, asks=_ASKS,
        none='variable "in" {}\noutput "out" { value = var.in }\n',
    ),
    {"remote.tfstate.json": REMOTE},
)  # fmt: skip

_BY_RESOURCES = merged(
    root(
        call("a", "box", **{"in": '"1"'})
        + call("k", "box", **{"in": '"k"'})
        + data("w", 'input = "w"', "depends_on = [module.a]")
        + (_REMOTE_DATA % "  depends_on = [terraform_data.w]\n  defaults   = { y = module.k.const }\n"),
        box=BOX,
    ),
    {"remote.tfstate.json": REMOTE},
)

_BY_DATA = merged(
    root(
        call("a", "box", **{"in": '"1"'})
        + call("k", "box", **{"in": '"k"'})
        + (_REMOTE_DATA % "  depends_on = [module.a]\n").replace('"r"', '"w"', 1)
        + (_REMOTE_DATA % "  depends_on = [data.terraform_remote_state.w]\n  defaults   = { y = module.k.const }\n"),
        box=BOX,
    ),
    {"remote.tfstate.json": REMOTE},
)

_DATA_GOES = merged(root(call("a", "box", **{"in": '"1"'}) + _REMOTE_DATA % "" + call("r", "reader"), box=BOX, reader=_READER),
                    {"remote.tfstate.json": REMOTE})  # fmt: skip
CASES: list[Case] = [
    case("data sources that wait", "§4 pending", _WAITING, edited(_WAITING, '"1"', '"2"'),
         merged(edited(_WAITING, '"m"', '"n"'))),
    case("data sources go", "§9 units gone from the code", _DATA_GOES, {**_DATA_GOES, "main.tf": str(_DATA_GOES["main.tf"]).partition('module "r"')[0].replace('"1"', '"2"')},
         {**_DATA_GOES, "main.tf": call("a", "box", **{"in": '"3"'})}),
    case("data sources behind modules", "engine-facts §5", _BEHIND, edited(_BEHIND, '"1"', '"2"')),
    case("data sources that wait for what they read", "engine-facts §5", _UNLISTED, edited(_UNLISTED, '"1"', '"2"'), edited(_UNLISTED, 'in = "1"', 'in = "3"')),
    case("data sources behind what stays", "engine-facts §5", _REACHED, edited(_REACHED, '"1"', '"2"')),
    case("data sources behind resources", "engine-facts §5", _BY_RESOURCES, edited(_BY_RESOURCES, '"1"', '"2"')),
    case("data sources behind data sources", "engine-facts §5", _BY_DATA, edited(_BY_DATA, '"1"', '"2"')),
    case("data sources of the cloud", "§5 an apply counter", _FOUND, edited(_FOUND, 'force = "1"', 'force = "2"'), _MORE),
    case("data sources of checks", "§11 a data inside a check", _CHECKED, edited(_CHECKED, "size = 1", "size = 2")),
    case("impure", "§5 impure", Step(_TIME, restless=True), Step(edited(_TIME, '"p"', '"q"'), restless=True)),
    case("files", "§5 files", _FILES, {**_FILES, "files/one.txt": "2"}, {**_FILES, "shared/far.txt": "farther"},
         {**_FILES, "reads/own.txt": "mine"}, {**_FILES, "files/new.txt": "n"}, {**_FILES, "files/t.tpl": "y=${x}"}),
]  # fmt: skip

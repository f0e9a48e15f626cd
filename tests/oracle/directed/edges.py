"""References in all their forms, and what is one unit: engine.md §3."""

from oracle.cases import Case, case, root
from oracle.directed.written import BOX, BOX_FIRST, call, data, edited, output

_CHAIN = root(
    call("a", "box", **{"in": '"1"'}) + call("b", "box", **{"in": "module.a.id"}) + call("c", "box", **{"in": "module.b.out"})
    + call("d", "box", **{"in": "module.a.const"}) + output("o", "module.c.out"),
    box=BOX,
)  # fmt: skip
_LOCALS = root(
    """
variable "env" { default = "dev" }
locals {
  first  = module.a.out
  second = { deep = [local.first, var.env] }
}
"""
    + call("a", "box", **{"in": "var.env"})
    + call("b", "box", **{"in": "local.second.deep[0]"})
    + data("r", "input = local.second"),
    box=BOX,
)
_COUNTED = root(
    'locals {\n  n = 2\n  keys = ["k", "l m"]\n}\n'
    + call("c", "box", "count = local.n", **{"in": "count.index"})
    + call("e", "box", "for_each = toset(local.keys)", **{"in": "each.key"})
    + call("literal", "box", **{"in": '[module.c[0].out, module.e["k"].out]'})
    + call("splat", "box", **{"in": "[module.c[*].out, values(module.e)[*].id]"})
    + call("dynamic", "box", **{"in": "module.c[local.n - 1].out"})
    + call("all", "box", **{"in": "{ for key, one in module.e : key => one.out }"})
    + call("objects", "box", **{"in": "module.c"})
    + data("r", "count = local.n", "input = count.index")
    + call("of_resource", "box", **{"in": "[terraform_data.r[0].output, terraform_data.r[*].id]"})
    + output("all", "[module.splat, module.objects.out]"),
    box=BOX,
)  # fmt: skip
_WAITS = root(
    call("a", "box", **{"in": '"1"'})
    + call("b", "box", "depends_on = [module.a]", **{"in": '"b"'})
    + data("old", 'depends_on = ["module.b"]')
    + call("c", "box", "depends_on = [terraform_data.old]", **{"in": '"c"'}),
    box=BOX,
)
_ROOT = root(
    data("alone", 'input = "1"')
    + data("beside", "input = terraform_data.alone.output")
    + call("a", "box", **{"in": "terraform_data.beside.id"})
    + data("after", "input = module.a.out")
    + data("long", "input = resource.terraform_data.after.output")
    + data("of_none", 'input = "x"'),
    box=BOX,
)
_TWO = """
variable "first" { default = null }
variable "second" { default = null }
resource "terraform_data" "first" { input = var.first }
resource "terraform_data" "second" { input = var.second }
output "first" { value = terraform_data.first.output }
output "second" { value = terraform_data.second.output }
"""
_CIRCLE = root(
    call("vpn", "two", first='"1"', second="module.net.second")
    + call("net", "two", first="module.vpn.first", second='"2"')
    + call("user", "two", first="module.vpn.second", second="module.net.first"),
    two=_TWO,
)
_TRIGGERED = root(
    data("base", 'input = "1"')
    + call("a", "box", **{"in": "terraform_data.base.output"})
    + data("other", 'input = "o"')
    + data("again", 'input = "x"', "lifecycle { replace_triggered_by = [terraform_data.other] }")
    + data("deep", "input = module.a.out", "lifecycle { replace_triggered_by = [terraform_data.base] }"),
    box=BOX,
)
_SHADOWS = root(
    call("a", "box", **{"in": '"1"'})
    + call("module", "box", **{"in": "[for module in [{ a = 1 }] : module.a]"})
    + call("t", "box", **{"in": '"%{ for local in ["x"] }${local}${module.a.out}%{ endfor }"'})
    + call("h", "box", **{"in": "<<-EOT\n    ${module.a.id} $${module.b.id} # module.c.id\n  EOT\n"})
    + call("k", "box", **{"in": "{ module = 1, a = module.a.out, (module.a.const) = 2 }"})
    + call("deep", "box", **{"in": '{ a = { b = [module.t.out, ["${upper(module.a.out)}"]] } }'}),
    box=BOX,
)  # fmt: skip
_NAMES = root(
    call("a_b", "box", **{"in": '"1"'})
    + call("a-b", "box", **{"in": '"2"'})
    + call("a__b", "box", **{"in": '"3"'})
    + call("é", "box", **{"in": '"4"'})
    + call("u", "box", **{"in": "[module.a_b.id, module.a-b.id, module.a__b.id, module.é.out]"})
    + data("stackly_up", "input = module.u.out"),
    box=BOX,
)  # fmt: skip
_CONDITIONS = root(
    """
variable "v" {
  default = "v"
  validation {
    condition     = var.v != module.a.out
    error_message = "equal to ${module.a.out}"
  }
}
check "healthy" {
  assert {
    condition     = module.b.out != "bad"
    error_message = "b is ${module.b.out}"
  }
}
output "o" {
  value = "o"
  precondition {
    condition     = module.b.id != ""
    error_message = "no"
  }
}
"""
    + call("a", "box", **{"in": '"1"'})
    + call("b", "box", **{"in": '"good"'})
    + data(
        "r",
        "input = var.v",
        'lifecycle {\n precondition {\n condition = module.b.out != "x"\n error_message = "x"\n}\n}',
    ),
    box=BOX,
)
_PROVISIONERS = root(
    call("a", "box", **{"in": '"1"'})
    + data(
        "p", "input = 1", "triggers_replace = module.a.out",
        'provisioner "local-exec" {\n command = "test -n \\"$V\\""\n environment = { V = module.a.id }\n}',
        'provisioner "local-exec" {\n when = destroy\n command = "true ${self.output}"\n}',
    ),
    box=BOX,
)  # fmt: skip
_NESTED = root(
    call("a", "outer", value='"1"') + call("b", "outer", value="module.a.inner.out"),
    outer='variable "value" {}\nmodule "inner" {\n source = "../box"\n in = var.value\n}\n'
    'module "later" {\n source = "../box"\n in = module.inner.id\n}\noutput "inner" { value = module.inner }\n',
    box=BOX,
)
_UNREAD = root(call("a", "box", **{"in": '"1"'}) + call("b", "box", **{"in": "module.a.const"}), box=BOX)
_TYPES = root(call("a", "any", value='"1"') + call("b", "box", **{"in": "module.a.value"}) + output("o", "module.a.value"),
              any='variable "value" { type = any }\noutput "value" { value = var.value }\n', box=BOX)  # fmt: skip
_IGNORED = root(
    call("a", "box", **{"in": '"1"'}) + data("r", "input = module.a.out", "lifecycle { ignore_changes = [input] }"),
    box=BOX,
)
_FORCED = root(
    call("a", "box", **{"in": '"1"', "force": '"1"'}) + call("b", "box", **{"in": "module.a.out"}), box=BOX_FIRST
)
_CHECKS = root(call("a", "checks", **{"in": '"1"'}) + data("r", "input = module.a.out"),
               checks='variable "in" {}\ncheck "c" {\n  assert {\n    condition     = var.in != ""\n    error_message = "no"\n  }\n}\n'
               'output "out" { value = var.in }\n')  # fmt: skip

# Who reads all of a module goes, who reads a part of it stays and changes: the whole is recorded, the part is not.
_WHOLE = output("all", "module.a", "sensitive = true")
_WHOLE_GOES = root(
    call("a", "parts", **{"in": '"1"'}) + call("b", "box", **{"in": "module.a.out"}) + call("c", "box", **{"in": "module.a.deep"}) + _WHOLE,
    box=BOX, parts=BOX + output("deep", '{ hidden = sensitive("h"), open = [var.in] }'),
)  # fmt: skip
_CHECK = 'check "c" {\n  assert {\n    condition     = module.a.out != "x"\n    error_message = "no"\n  }\n}\n'
_CHECK_GOES = root(call("a", "box", **{"in": '"1"'}) + call("b", "box", **{"in": '"2"'}) + _CHECK, box=BOX)

CASES: list[Case] = [
    case("chain of modules", "§3 edges", _CHAIN, edited(_CHAIN, '"1"', '"2"'), edited(_CHAIN, "module.b.out", "module.b.id")),
    case("through locals and variables", "§3 edges pass through locals", _LOCALS, edited(_LOCALS, '"dev"', '"prod"')),
    case("counted and keyed", "§3 references with indices", _COUNTED, edited(_COUNTED, "n = 2", "n = 3"),
         edited(_COUNTED, '["k", "l m"]', '["k", "n"]'), edited(_COUNTED, "n = 2", "n = 1")
         | {"main.tf": edited(_COUNTED, "n = 2", "n = 1")["main.tf"]}),
    case("depends_on, old form too", "§3 depends_on", _WAITS, edited(_WAITS, '"1"', '"2"')),
    case("resources of the root", "§3 grouping", _ROOT, edited(_ROOT, '"1"', '"2"'), edited(_ROOT, '"x"', '"y"')),
    case("circle of modules", "§3 circles", _CIRCLE, edited(_CIRCLE, '"1"', '"9"')),
    case("replace_triggered_by", "§3 forced together", _TRIGGERED, edited(_TRIGGERED, '"o"', '"p"'),
         edited(_TRIGGERED, '"1"', '"2"')),
    case("names that shadow", "§3 scopes", _SHADOWS, edited(_SHADOWS, '"1"', '"2"')),
    case("names that nearly collide", "§4 generated names", _NAMES, edited(_NAMES, '"3"', '"5"')),
    case("conditions and checks", "§10 validations belong to outputs", _CONDITIONS, edited(_CONDITIONS, '"good"', '"bad"'),
         edited(_CONDITIONS, '"1"', '"2"')),
    case("who reads the whole goes", "§3 what others read is kept", _WHOLE_GOES, edited(_WHOLE_GOES, _WHOLE, ""),
         edited(edited(_WHOLE_GOES, _WHOLE, ""), "module.a.out", "[module.a.out]")),
    case("who reads the whole goes, who reads a part changes", "§3 what others read is kept", _WHOLE_GOES,
         edited(edited(edited(_WHOLE_GOES, _WHOLE, ""), "module.a.out", "[module.a.out]"), "module.a.deep", "[module.a.deep]")),
    case("a check goes", "§11 check_results", _CHECK_GOES, edited(edited(_CHECK_GOES, _CHECK, ""), '"2"', '"3"'), _CHECK_GOES),
    case("a module of checks alone", "§11 check_results", _CHECKS,
         edited(_CHECKS, "module.a.out", "module.b.out")
         | {"main.tf": str(_CHECKS["main.tf"]).replace('"a"', '"b"').replace("module.a.out", "module.b.out").replace('"1"', '"2"')}),
    case("provisioners", "§3 references of provisioners", _PROVISIONERS, edited(_PROVISIONERS, '"1"', '"2"')),
    case("nested modules", "§3 module tree", _NESTED, edited(_NESTED, '"1"', '"2"'),
         edited(_NESTED, "var.value\n}", 'var.value\n force = "f"\n}', "outer/main.tf"),
         edited(_NESTED, "var.value\n}", 'var.value\n force = "g"\n}', "outer/main.tf")),
    case("an output nobody reads", "§3 what others read is kept", _UNREAD, edited(_UNREAD, '"1"', '"2"'),
         edited(edited(_UNREAD, '"1"', '"2"'), '"c"', '"d"', "box/main.tf")),
    case("the type of an output changes", "§5 exact types", _TYPES, edited(_TYPES, '"1"', "1"), edited(_TYPES, '"1"', "[1, null]"),
         edited(_TYPES, '"1"', "null"), edited(_TYPES, '"1"', 'tolist(["x"])'), edited(_TYPES, '"1"', 'toset(["x"])')),
    case("ignore_changes", "§3 ignore_changes is no reference", _IGNORED, edited(_IGNORED, '"1"', '"2"')),
    case("create before destroy", "§9", _FORCED, edited(_FORCED, 'force = "1"', 'force = "2"')),
]  # fmt: skip

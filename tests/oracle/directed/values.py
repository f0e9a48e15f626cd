"""Values handed from unit to unit: unknown, sensitive, ephemeral, exotic. engine.md §4 and §7, engine-facts §6."""

from oracle.cases import Case, Step, case, root
from oracle.directed.written import BOX, call, data, edited, output

_ANY = 'variable "value" {}\nresource "terraform_data" "k" { input = 1 }\noutput "value" { value = var.value }\n'
_EXOTIC = """
locals {
  values = {
    unicode  = "é ü 漢 \\u2028 \\U0001F600"
    template = "$${x} %%{ if } ${"$"}{y}"
    quotes   = "\\"'\\\\ \\n \\r\\n \\t"
    big      = 123456789012345678901234567890
    digits   = 0.1234567890123456789012345678901234567891
    huge     = 1e300
    over     = 18446744073709551617
    tenth    = 0.1
    negative = -0.5
    nothing  = null
    lists    = [[], {}, [null], [[1], "2", true]]
    sets     = toset(["b", "a"])
    objects  = toset([{ a = 1, b = null }, { a = 2, b = "x" }])
    keys     = { "a b" = 1, "$${c}" = 2, "é" = 3, "" = 4 }
    maps     = tomap({ x = [1], y = [] })
    empty    = tolist([])
  }
}
"""
_HANDED = root(
    _EXOTIC
    + call("a", "any", value="local.values")
    + call("b", "box", **{"in": "module.a.value"})
    + call("c", "box", **{"in": "[for key, one in module.a.value : jsonencode(one)]"})
    + call("d", "box", **{"in": "[module.a.value.big, module.a.value.sets, module.a]"})
    + output("o", "module.a.value"),
    any=_ANY,
    box=BOX,
)
_SENSITIVE = root(
    'variable "secret" {\n  default   = "s3"\n  sensitive = true\n}\n'
    + call("a", "parts", secret="var.secret")
    + call("b", "box", **{"in": "module.a.object"})
    + call("c", "box", **{"in": "module.a.whole"})
    + call("d", "box", **{"in": "[for key, one in module.a.keyed : key]"})
    + call("e", "box", **{"in": "nonsensitive(module.a.whole)"})
    + data("r", "input = module.a.list", "triggers_replace = issensitive(module.a.object.open)")
    + output("o", "module.b.out", "sensitive = true")
    + output("open", "module.a.object.open")
    + output(
        "are", "[issensitive(module.a.object), issensitive(module.a.object.hidden), issensitive(module.a.list[1])]"
    ),
    parts="""
variable "secret" { sensitive = true }
resource "terraform_data" "k" { input = var.secret }
output "object" { value = { open = "o", hidden = sensitive("h"), none = null } }
output "whole" {
  value     = terraform_data.k.output
  sensitive = true
}
output "keyed" { value = { a = sensitive("1"), b = "2" } }
output "list" { value = ["x", sensitive("y"), sensitive(null)] }
""",
    box=BOX,
)
_UNKNOWN = root(
    call("a", "made", **{"in": '"1"'})
    + call("b", "box", **{"in": 'module.a.id != null ? "there" : "not"'})
    + call("c", "box", **{"in": "{ known = module.a.const, unknown = module.a.object }"})
    + call("d", "box", "for_each = module.a.map", **{"in": "each.value"})
    + call("e", "box", "count = length(module.a.list)", **{"in": "module.a.list[count.index]"})
    + call("f", "box", "count = module.a.id != null ? 1 : 0", **{"in": "1"})
    + call("g", "box", **{"in": "module.a.set"})
    + call("h", "box", 'count = startswith(module.a.prefixed, "pre-") ? 1 : 0', **{"in": "module.a.prefixed"})
    + output("o", "[module.b.out, module.f[0].id]"),
    made=BOX.replace("output", "output", 1)
    + """
output "object" { value = { id = terraform_data.x.id, n = 1 } }
output "map" { value = { k = terraform_data.x.id, l = "2" } }
output "list" { value = [terraform_data.x.id, "x"] }
output "set" { value = toset([terraform_data.x.id, "x"]) }
output "prefixed" { value = "pre-${terraform_data.x.id}" }
""",
    box=BOX,
)
_DEFERRED = root(
    call("a", "box", **{"in": '"2"'})
    + call("b", "box", "count = tonumber(module.a.out)", **{"in": "count.index"})
    + call("c", "box", **{"in": "module.b[*].out"})
    + call("d", "box", **{"in": '"free"'}),
    box=BOX,
)
_EPHEMERAL = root(
    'variable "token" {\n  default   = "tok"\n  ephemeral = true\n}\n'
    + call("a", "vault", token="var.token")
    + call("b", "user", token="module.a.token")
    + call("c", "box", **{"in": "module.b.id"}),
    vault='variable "token" { ephemeral = true }\nresource "terraform_data" "x" { input = 1 }\n'
    'output "token" {\n  value     = "${var.token}${length(terraform_data.x.id) > 0 ? "!" : ""}"\n  ephemeral = true\n}\n',
    user='variable "token" { ephemeral = true }\nresource "terraform_data" "x" {\n  input = 1\n'
    '  provisioner "local-exec" {\n    command = "test \\"$TOK\\" = \'tok!\'"\n    environment = { TOK = var.token }\n  }\n}\n'
    'output "id" { value = terraform_data.x.id }\n',
    box=BOX,
)
_DEFAULTS = root(
    call("a", "box", **{"in": '{ name = "x" }'})
    + call("b", "optional", value="module.a.out")
    + call("n", "optional", value="null"),
    box=BOX,
    optional='variable "value" {\n  type = object({ name = string, size = optional(number, 3), tags = optional(map(string), {}) })\n'
    '  default  = { name = "d" }\n  nullable = false\n}\nresource "terraform_data" "x" { input = var.value }\n'
    'output "out" { value = terraform_data.x.output }\n',
)
_NULLS = root(
    call("a", "any", value="null")
    + call("b", "optional", value="module.a.value")
    + call("c", "box", **{"in": "[module.a.value, module.a]"}),
    any=_ANY,
    box=BOX,
    optional='variable "value" {\n  default  = "d"\n  nullable = false\n}\nresource "terraform_data" "x" { input = var.value }\n'
    'output "out" { value = terraform_data.x.output }\n',
)
_NONE_OF_THEM = root(
    call("a", "box", "count = 0", **{"in": "1"})
    + call("k", "box", "for_each = {}", **{"in": "1"})
    + call(
        "b", "box", **{"in": "[module.a, module.k, module.a[*].id, try(module.a[0].id, null), one(module.a[*].out)]"}
    ),
    box=BOX,
)

CASES: list[Case] = [
    case("exotic values", "§4 values never enter HCL text", _HANDED, edited(_HANDED, "0.1\n", "0.10000000000000000001\n"),
         edited(_HANDED, "nothing  = null", "")),
    case("sensitive in parts", "§4 sensitivity", _SENSITIVE, edited(_SENSITIVE, '"s3"', '"s4"'),
         edited(_SENSITIVE, 'hidden = sensitive("h")', 'hidden = "h"', "parts/main.tf")
         | {"main.tf": str(_SENSITIVE["main.tf"]).replace('output "o" {\n  value = module.b.out\n  sensitive = true', 'output "o" {\n  value = module.b.out\n  sensitive = true')}),
    case("known and unknown", "§7 planned exports", _UNKNOWN, edited(_UNKNOWN, 'in = "1"', 'in = "2"\n  force = "f"')),
    case("count of an unknown", "§7 deferred", Step(_DEFERRED, targets=("module.a", "module.d"))),
    case("ephemeral", "§3 ephemeral values cannot be handed over", _EPHEMERAL,
         edited(_EPHEMERAL, "input = 1\n  prov", "input = 2\n  triggers_replace = 1\n  prov", "user/main.tf")),
    case("optional attributes", "engine-facts §6", _DEFAULTS, edited(_DEFAULTS, 'name = "x"', 'name = "y"')),
    case("null is not absent", "§5", _NULLS, edited(_NULLS, "value = null", 'value = "v"'), _NULLS),
    case("none of them", "engine-facts §6", _NONE_OF_THEM, edited(_NONE_OF_THEM, "count = 0", "count = 1")),
]  # fmt: skip

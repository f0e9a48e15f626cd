"""Forms of files, and what is not cut: engine.md §10, engine-facts §8."""

from oracle.cases import Case, Files, Step, case, root
from oracle.directed.written import BOX, call, data, edited, merged, output

_PLAIN = root(
    call("a", "box", **{"in": "var.v"})
    + call("b", "box", **{"in": "module.a.id"})
    + 'variable "v" { default = "1" }\n',
    box=BOX,
)
_MAIN = _PLAIN["main.tf"]
_BYTES: Files = {
    **_PLAIN,
    "main.tf": ("\ufeff# é\r\n/* module.none */ // x\n" + _MAIN.replace("\n", "\r\n") + 'resource terraform_data "bare" { input = module.a.out }').encode(),
    "more.tf": b'\t\tlocals{one=1}\n\n\n\nmodule "c"{\n\tsource="./box" # ]}\n\tin=<<-"E"\n' b"\t\t${module.b.id}\n\tE\n}\n".replace(b'"E"', b"E"),
    ".hidden.tf": b"this is no HCL {",
    "main.tf~": b"neither {",
    "#main.tf#": b"nor {",
    "empty.tf": b"",
}  # fmt: skip
_VARIABLES: Files = merged(
    root('variable "a" {}\nvariable "b" { default = "b" }\nvariable "c" { default = "c" }\nvariable "d" {\n  type = list(number)\n}\n'
         + call("a", "box", **{"in": "[var.a, var.d]"}) + call("b", "box", **{"in": "var.b"}) + call("c", "box", **{"in": "var.c"}), box=BOX),
    {"terraform.tfvars": 'a = "1"\nundeclared = 1\n', "x.auto.tfvars": "d = [1, 2.50]\n", "y.auto.tfvars.json": '{"b": "bb"}'},
)  # fmt: skip
_OVERRIDE = merged(_PLAIN, {"over_override.tf": 'module "a" {\n  in = "over"\n}\n'})
_JSON = merged(_PLAIN, {"more.tf.json": '{"output": {"o": {"value": "${module.b.out}"}}}'})
_CHILD_JSON = merged(
    root(call("a", "json", **{"in": '"1"'}) + call("b", "box", **{"in": "module.a.id"}), box=BOX),
    {"json/main.tf.json": '{"variable": {"in": {}}, "resource": {"terraform_data": {"x": {"input": "${var.in}"}}},'
     ' "output": {"id": {"value": "${terraform_data.x.id}"}}}'},
)  # fmt: skip
_BACKEND = {**_PLAIN, "backend.tf": 'terraform {\n  required_version = ">= 1.0"\n  backend "local" {}\n}\n'}
_OWN = merged(
    _PLAIN,
    {
        "own.tf": 'data "terraform_remote_state" "me" {\n  backend = "local"\n  config  = { path = "terraform.tfstate" }\n}\n'
    },
)
_OUTPUTS = {**_PLAIN, "out.tf": output("o", "module.b.out") + output("p", "1")}
_LINES = root(call("a", "box", **{"in": '"1"'}) + data("r", "input = (module\n    .a\n    .out)"), box=BOX)
_SHARED = merged(
    {"main.tf": call("a", "outer") + call("b", "outer", **{"in": "module.a.id"})},
    {"outer/main.tf": 'variable "in" { default = 0 }\nmodule "s" {\n  source = "../shared/box"\n  in     = [var.in, path.module]\n}\noutput "id" { value = module.s.id }\n',
     "shared/box/main.tf": BOX},
)  # fmt: skip
_BESIDE = merged(
    {"main.tf": call("a", "../beside") .replace("./../", "../") + data("r", 'input = [file("${path.module}/../beside/f.txt"), module.a.path]')},
    {"../beside/main.tf": 'resource "terraform_data" "x" { input = file("${path.module}/f.txt") }\noutput "path" { value = "${path.module} ${path.root}" }\n',
     "../beside/f.txt": "beside"},
)  # fmt: skip

CASES: list[Case] = [
    case("bytes of all kinds", "engine-facts §8", _BYTES, {**_BYTES, "main.tf": bytes(_BYTES["main.tf"]).replace(b'"1"', b'"2"')}),  # type: ignore[arg-type]
    case("variables from files", "§4 one var-file", _VARIABLES, Step(_VARIABLES, variables=("c=given",)),
         {**_VARIABLES, "terraform.tfvars": 'a = "2"\n'}, {**_VARIABLES, "y.auto.tfvars.json": '{"b": "b3"}'}),
    case("override files", "§10 override-files", Step(_OVERRIDE, whole="override-files")),
    case("JSON in the root", "§10 json-files", Step(_JSON, whole="json-files")),
    case("JSON in a module", "§10 json-files", _CHILD_JSON, edited(_CHILD_JSON, '"1"', '"2"')),
    case("syntax", "§10 syntax", Step({"main.tf": 'resource "terraform_data" "x" {}\n'}),
         Step({"main.tf": 'resource "terraform_data" "x" {\n'}, fails="Unclosed")),
    case("a missing output", "bad input", Step(edited(_PLAIN, "module.a.id", "module.a.none"), whole="invalid", fails="Unsupported attribute")),
    case("its own state", "§10 own-remote-state", _PLAIN, Step(_OWN, whole="own-remote-state")),
    case("a backend block", "§4 backend is blanked", _BACKEND, edited(_BACKEND, '"1"', '"2"')),
    case("outputs alone", "§1 outputs", _PLAIN, _OUTPUTS, edited(_OUTPUTS, "value = 1", "value = 2", "out.tf"), _PLAIN),
    case("a reference over lines", "engine-facts §8", _LINES, edited(_LINES, '"1"', '"2"')),
    case("a module beside the root", "§4 a folder beside the root", Step(_BESIDE, restless=True)),
    case("modules that share", "engine-facts §8", _SHARED),
]  # fmt: skip

"""Forms that an expression can take in Terraform, each with what it refers to, for the tests of the engine's reading."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """An expression and the nodes it reads, in the order of the text; a module's with the output, `*` for all of it."""

    name: str
    text: str
    reads: tuple[str, ...]


def _form(name: str, text: str, *reads: str) -> Form:
    return Form(name, text, reads)


LEAVES = ("terraform_data.a", "terraform_data.b", "terraform_data.c", "var.v", "var.w", "local.l")
"""What the forms refer to, besides the modules `m` and `n` with their output `o`."""

FORMS = (
    _form("plain", "terraform_data.a.output", "terraform_data.a"),
    _form("long", "resource.terraform_data.a.output", "terraform_data.a"),
    _form("whole", "terraform_data.a", "terraform_data.a"),
    _form("variable", "var.v", "var.v"),
    _form("local", "local.l", "local.l"),
    _form("module", "module.m.o", "module.m.o"),
    _form("module whole", "module.m", "module.m.*"),
    _form("module key", 'module.n["x"].o', "module.n.o"),
    _form("module number", "[for k in [1] : module.n[0].o]", "module.n.o"),
    _form("module legacy index", "module.n.0.o", "module.n.o"),
    _form("module dynamic index", "module.n[var.v].o", "module.n.*", "var.v"),
    _form("module splat", "module.n[*].o", "module.n.*"),
    _form("module legacy splat", "module.n.*.o", "module.n.*"),
    _form("module in parentheses", "(module.m).o", "module.m.*"),
    _form("module by template key", 'module.n["${var.v}"].o', "module.n.*", "var.v"),
    _form("index in index", "terraform_data.a[local.l[var.v]].output", "terraform_data.a", "local.l", "var.v"),
    _form("splat", "terraform_data.a[*].output", "terraform_data.a"),
    _form("legacy splat", "terraform_data.a.*.output", "terraform_data.a"),
    _form("legacy index", "terraform_data.a.0.output", "terraform_data.a"),
    _form("index after splat", "terraform_data.a[*].output[var.v]", "terraform_data.a", "var.v"),
    _form("arithmetic", "-var.v + var.w * 2 % 3", "var.v", "var.w"),
    _form("logic", "!var.v && (var.w || terraform_data.a.output == 1)", "var.v", "var.w", "terraform_data.a"),
    _form(
        "conditional",
        "var.v ? terraform_data.a.id : terraform_data.b.id",
        "var.v",
        "terraform_data.a",
        "terraform_data.b",
    ),
    _form("call", "upper(lower(var.v))", "var.v"),
    _form("call expanded", "max(var.v...)", "var.v"),
    _form("call over lines", "max(\n  var.v, # one\n  var.w,\n)", "var.v", "var.w"),
    _form("provider function", "provider::terraform::encode_tfvars(var.v)", "var.v"),
    _form("tuple", "[var.v, [var.w]]", "var.v", "var.w"),
    _form("object", "{ a = var.v, b : var.w }", "var.v", "var.w"),
    _form("object bare key", "{ terraform_data = var.v, local = 1 }", "var.v"),
    _form("object key in parentheses", "{ (var.v) = var.w }", "var.v", "var.w"),
    _form("object key template", '{ "${var.v}" = var.w }', "var.v", "var.w"),
    _form("object key quoted", '{ "var.v" = var.w }', "var.w"),
    _form("object over lines", "{\n  a = var.v # c\n\n  b = var.w\n}", "var.v", "var.w"),
    _form("for", "[for v in var.v : v.id]", "var.v"),
    _form("for two", "[for k, v in var.v : [k, v, var.w]]", "var.v", "var.w"),
    _form("for object", "{ for k, v in var.v : k => v... if v != var.w }", "var.v", "var.w"),
    _form("for shadows", "[for terraform_data in var.v : terraform_data.a]", "var.v"),
    _form("for shadows a module", "[for module in var.v : module.m.o]", "var.v"),
    _form("for shadow ends", "[[for local in var.v : local.l], local.l]", "var.v", "local.l"),
    _form("for in for", "[for v in var.v : [for w in v : [v, w, terraform_data.a]]]", "var.v", "terraform_data.a"),
    _form("for over its own name", "[for var in [var.v] : var.w]", "var.v"),
    _form("template", '"a ${var.v} b ${var.w}"', "var.v", "var.w"),
    _form("template nested", '"a ${"b ${var.v}"}"', "var.v"),
    _form("template escapes", '"$${var.v} %%{if var.w} ${var.v}"', "var.v"),
    _form("template strip", '"a ${~ var.v ~} b"', "var.v"),
    _form("template if", '"%{ if var.v }${var.w}%{ else }x%{ endif }"', "var.v", "var.w"),
    _form("template for", '"%{ for x in var.v }${x.id}%{ endfor }"', "var.v"),
    _form(
        "template for shadows", '"%{ for k, local in var.v }${local.l}${k}%{ endfor }${local.l}"', "var.v", "local.l"
    ),
    _form("template dollar before directive", '"a$%{ if var.v }b%{ endif }"', "var.v"),
    _form("template percent before value", '"a%${var.v}"', "var.v"),
    _form("template dollars", '"a$$${var.v} ${var.w}"', "var.w"),
    _form("template percents", '"a%%%{var.v} ${var.w}"', "var.w"),
    _form("template quotes", '"${join("\\", \\"", var.v)}"', "var.v"),
    _form("heredoc", "<<E\n  a ${var.v}\nE", "var.v"),
    _form("heredoc indented", "<<-E\n  a %{ for x in var.v ~}\n  ${x} ${var.w}\n  %{ endfor ~}\n  E", "var.v", "var.w"),
    _form("heredoc with quotes", '<<E\n"${var.v}" # no ${var.w} comment\nE', "var.v", "var.w"),
    _form("heredoc in a call", "upper(<<E\n${var.v}\nE\n)", "var.v"),
    _form("comment inside", "terraform_data /* x */ . /* y */ a.id", "terraform_data.a"),
    _form("comments around", "[ # var.w\n  var.v, // var.w\n  /* var.w\n */ 1 ]", "var.v"),
    _form("lines inside", "(\n  var\n  .v\n)", "var.v"),
    _form("numbers", "[1e3, 1.5e-3, 2E+2][0] + var.v", "var.v"),
    _form("deep", "(" * 150 + "var.v" + ")" * 150, "var.v"),
    _form("deep tuples", "[" * 150 + "var.v" + "]" * 150, "var.v"),
    _form("builtin", "[path.module, terraform.workspace, path.cwd]"),
    _form("unicode", '"ünïcödé ${var.v} 漢字" == "\u2028" ? var.w : 1', "var.v", "var.w"),
    _form("literals", '[true, null, "var.v", 1, ""]'),
    _form("same twice", "var.v == var.v", "var.v", "var.v"),
)

"""Roots with one form of reference each, as files by path; all of them are accepted by Terraform."""

Files = dict[str, str]

LEAF = 'variable "in" {\n}\nresource "terraform_data" "r" {\n  input = var.in\n}\noutput "out" {\n  value = terraform_data.r.output\n}\n'
TWO_WAYS = """
variable "left" {}
variable "right" {}
resource "terraform_data" "l" { input = var.left }
resource "terraform_data" "r" { input = var.right }
output "left" { value = terraform_data.l.output }
output "right" { value = terraform_data.r.output }
"""
START = 'resource "terraform_data" "a" { input = 1 }\n'
CALL_A = 'module "a" {\n  source = "./leaf"\n  in = 1\n}\n'
CALL_MANY = 'module "a" {\n  source = "./leaf"\n  count = 2\n  in = count.index\n}\n'


def _b(text: str, start: str = START) -> Files:
    """A root with `terraform_data.a` (or calls) and `terraform_data.b`, of which `text` is the body."""
    return {"main.tf": f'{start}resource "terraform_data" "b" {{\n{text}\n}}\n', "leaf/main.tf": LEAF}


CASES: dict[str, Files] = {
    "plain": _b("  input = terraform_data.a.output"),
    "long form": _b("  input = resource.terraform_data.a.output"),
    "index": _b("  input = terraform_data.a[0].output", START.replace("input = 1", "\n  count = 2\n")),
    "splat": _b("  input = terraform_data.a[*].output"),
    "quoted template": _b('  input = "x${terraform_data.a.output}y"'),
    "heredoc": _b("  input = <<-EOT\n    %{ if terraform_data.a.output == 1 }x%{ endif }\n  EOT"),
    "for": _b("  input = [for terraform_data in [terraform_data.a.output] : terraform_data]"),
    "no reference": _b("  input = { terraform_data = [for x in [{ a = 1 }] : x.a] } # terraform_data.a.id"),
    "dynamic key": _b("  input = { (jsonencode(terraform_data.a.output)) = 1 }"),
    "legacy splat": _b("  input = terraform_data.a.*.output"),
    "count": _b("  count = length([terraform_data.a.output])"),
    "for_each": _b("  for_each = { k = terraform_data.a.output }\n  input = each.value"),
    "depends_on": _b("  depends_on = [terraform_data.a]"),
    "quoted depends_on": _b('  depends_on = ["terraform_data.a"]'),
    "triggers": _b("  triggers_replace = [terraform_data.a.id]"),
    "replace_triggered_by": _b("  lifecycle {\n    replace_triggered_by = [terraform_data.a]\n  }"),
    "precondition": _b(
        '  lifecycle {\n    precondition {\n      condition = terraform_data.a.output != 2\n      error_message = "no"\n    }\n  }'
    ),
    "error message": _b(
        '  lifecycle {\n    postcondition {\n      condition = self.input != 2\n      error_message = "no ${terraform_data.a.id}"\n    }\n  }'
    ),
    "provisioner": _b(
        '  provisioner "local-exec" {\n    command = "true"\n    environment = { A = terraform_data.a.id }\n  }'
    ),
    "connection": _b(
        '  provisioner "remote-exec" {\n    inline = ["true"]\n    connection {\n      host = terraform_data.a.id\n    }\n  }'
    ),
    "connection of the resource": _b("  connection {\n    host = terraform_data.a.id\n  }"),
    "ignore_changes": _b("  input = 1\n  lifecycle {\n    ignore_changes = [input]\n  }"),
    "locals": _b("  input = local.y", START + "locals {\n  x = [terraform_data.a.output]\n  y = { k = local.x }\n}\n"),
    "data source": _b(
        "  input = data.terraform_remote_state.s.outputs",
        START + 'data "terraform_remote_state" "s" {\n  backend = "local"\n  defaults = { x = terraform_data.a.id }\n'
        '  config = { path = "none" }\n}\n',
    ),
    "validated variable": _b(
        "  input = var.v",
        START + 'variable "v" {\n  default = 1\n  validation {\n    condition = var.v != terraform_data.a.id\n'
        '    error_message = "no"\n  }\n}\n',
    ),
    "variables that validate each other's way": _b(
        "  input = var.v",
        START + 'variable "w" {\n  default = 1\n  validation {\n    condition = var.w != terraform_data.a.id\n'
        '    error_message = "no"\n  }\n}\n'
        'variable "v" {\n  default = 1\n  validation {\n    condition = var.v != var.w\n    error_message = "no"\n  }\n}\n',
    ),
    "module output": _b("  input = module.a.out", CALL_A),
    "module of many": _b("  input = module.a[0].out", CALL_MANY),
    "module of many, dynamic": _b("  input = module.a[length([])].out", CALL_MANY),
    "modules splat": _b("  input = module.a[*].out", CALL_MANY),
    "whole module": _b("  input = module.a", CALL_A),
    "depends_on a module": _b("  depends_on = [module.a]", CALL_A),
    "import": _b("  input = 1", START)
    | {"import.tf": 'import {\n  to = terraform_data.b\n  id = "x${length(terraform_data.a)}"\n}\n'},
    "check": _b(
        "  input = 1",
        START + 'check "c" {\n  data "terraform_remote_state" "s" {\n    backend = "local"\n'
        "    config = { path = terraform_data.a.id }\n  }\n  assert {\n    condition = data.terraform_remote_state.s.outputs != 1\n"
        '    error_message = "no"\n  }\n}\n',
    ),
    "arguments of a module": {
        "main.tf": START + 'module "b" {\n  source = "./leaf"\n  in = terraform_data.a.id\n}\n',
        "leaf/main.tf": LEAF,
    },
    "count, for_each and depends_on of modules": {
        "main.tf": START
        + 'module "b" {\n  source = "./leaf"\n  count = length([terraform_data.a.id])\n  in = 1\n}\n'
        + 'module "c" {\n  source = "./leaf"\n  for_each = { k = terraform_data.a.id }\n  in = 1\n}\n'
        + 'module "d" {\n  source = "./leaf"\n  depends_on = [terraform_data.a]\n  in = 1\n}\n'
        + 'module "e" {\n  source = "./leaf"\n  in = module.d.out\n}\n',
        "leaf/main.tf": LEAF,
    },
    "an output that nobody makes": {
        "main.tf": START
        + CALL_A
        + 'module "b" {\n  source = "./fixed"\n  in = module.a.out\n}\n'
        + 'resource "terraform_data" "c" {\n  input = module.b.out\n}\n',
        "leaf/main.tf": LEAF,
        "fixed/main.tf": 'variable "in" {\n}\noutput "out" {\n  value = 1\n}\n',
    },
    "depends_on and precondition of an output": {
        "main.tf": CALL_A.replace("leaf", "late") + 'resource "terraform_data" "b" {\n  input = module.a.out\n}\n',
        "late/main.tf": 'variable "in" {\n}\n'
        + START
        + 'resource "terraform_data" "x" {\n}\nresource "terraform_data" "y" {\n}\noutput "out" {\n  value = 1\n'
        "  depends_on = [terraform_data.a]\n  precondition {\n    condition = terraform_data.x.id != 1\n"
        '    error_message = "no"\n  }\n}\n',
    },
    "a check inside a module": {
        "main.tf": CALL_A.replace("leaf", "checked")
        + 'resource "terraform_data" "b" {\n  depends_on = [module.a]\n}\n',
        "checked/main.tf": LEAF
        + START
        + 'check "c" {\n  assert {\n    condition = terraform_data.a.id != 1\n    error_message = "no"\n  }\n}\n',
    },
    "nested modules": {
        "main.tf": START
        + 'module "outer" {\n  source = "./outer"\n  in = terraform_data.a.id\n}\n'
        + 'resource "terraform_data" "b" {\n  input = module.outer.out\n}\n',
        "outer/main.tf": 'variable "in" {\n}\nlocals {\n  x = var.in\n}\n'
        'module "inner" {\n  source = "../leaf"\n  for_each = { k = local.x }\n  in = each.value\n}\n'
        'resource "terraform_data" "side" {\n}\noutput "out" {\n  value = module.inner["k"].out\n}\n',
        "leaf/main.tf": LEAF,
    },
    "validation inside a module": {
        "main.tf": CALL_A.replace("leaf", "strict"),
        "strict/main.tf": 'variable "in" {\n  validation {\n    condition = var.in != terraform_data.first.id\n'
        '    error_message = "no"\n  }\n}\nresource "terraform_data" "first" {\n}\n'
        'resource "terraform_data" "then" {\n  input = var.in\n}\n',
    },
    "modules in a circle": {
        "main.tf": 'module "a" {\n  source = "./two"\n  left = 1\n  right = module.b.right\n}\n'
        'module "b" {\n  source = "./two"\n  left = module.a.left\n  right = 2\n}\n'
        'resource "terraform_data" "c" {\n  input = module.a.right\n}\n',
        "two/main.tf": TWO_WAYS,
    },
    "a module that reads itself": {
        "main.tf": 'module "a" {\n  source = "./two"\n  left = 1\n  right = local.x\n}\nlocals {\n  x = module.a.left\n}\n',
        "two/main.tf": TWO_WAYS,
    },
    "provider aliases through modules": {
        "main.tf": 'terraform {\n  required_providers {\n    terraform = {\n      source = "terraform.io/builtin/terraform"\n    }\n  }\n}\n'
        'provider "terraform" {\n  alias = "west"\n}\n'
        'resource "terraform_data" "a" {\n  provider = terraform.west\n}\n'
        'module "b" {\n  source = "./passing"\n  providers = {\n    terraform.far = terraform.west\n  }\n  in = terraform_data.a.id\n}\n',
        "passing/main.tf": 'terraform {\n  required_providers {\n    terraform = {\n      source = "terraform.io/builtin/terraform"\n'
        "      configuration_aliases = [terraform.far]\n    }\n  }\n}\n"
        'variable "in" {\n}\nresource "terraform_data" "r" {\n  provider = terraform.far\n  input = var.in\n}\n',
    },
}

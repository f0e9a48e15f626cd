"""Cut roots: exact bytes, what is added, and that real Terraform makes of the pieces what it makes of the whole."""

from pathlib import Path

from stackly_engine import exact, exports
from stackly_engine.cutting import cut
from stackly_engine.exports import Recorded
from stackly_engine.graph import Graph
from terraform_roots import VARIABLES, Place, graph_of, modules_json

GIVING = """variable "in" {
  type    = any
  default = null
}
resource "terraform_data" "it" { input = var.in }
output "id" { value = terraform_data.it.id }
output "in" { value = terraform_data.it.output }
"""
MAIN = """terraform {
  backend "local" { path = "x.tfstate" }
  required_version = ">= 1.0"
}

variable "size" { default = 3 }
variable "unused" { default = 4 }

locals {
  one   = "${module.vpc.id}-${var.size}" # stays
  other = 2
  long  = <<EOT
    ${module.vpc.in}
  EOT
}

module "vpc" {
  source = "./m"
  in     = "v"
}

module "many" {
  source   = "./m"
  for_each = toset(["a", "b"])
  in       = each.key
}

/* a comment */ module "app" {
  source = "./m"
  in = [
    local.one, module.many["a"].id, [for k, m in module.many : m.in],
    { (module.vpc.id) = module.vpc.in, vpc = (module /* here */
      .vpc
      .id
    ) },
    { for vpc in ["module.vpc.id"] : vpc => vpc },
    terraform_data.single.output, resource.terraform_data.single.id, terraform_data.counted[*].output,
  ]
  depends_on = [module.vpc, terraform_data.alone]
}

resource "terraform_data" "single" { input = module.vpc.in }

resource "terraform_data" "counted" {
  count = 2
  input = "${module.vpc.in}${count.index}"
}

resource "terraform_data" "alone" {
  lifecycle {
    precondition {
      condition     = module.app.in != null
      error_message = "none"
    }
  }
}

output "app" { value = module.app.in }
output "long" { value = local.long }
"""
MAIN = MAIN.replace("[module.vpc, terraform_data.alone]", "[module.vpc, module.many]")
ROOT = {"main.tf": MAIN, "m/main.tf": GIVING}


def all_unknown(graph: Graph) -> Recorded:
    return exports.unknown_of(graph, graph.units)


def lines(data: bytes) -> list[str]:
    return data.decode().split("\n")


def by_units(tmp_path: Path, root: dict[str, str]) -> dict[str, Place]:
    """Each unit applied by itself, upstream first; its cut validates."""
    graph = graph_of(root)
    recorded: Recorded = {}
    places = {}
    for number, unit in enumerate(graph.order()):
        place = Place(tmp_path / str(number)).cut(root, cut(graph, {unit}, recorded))
        place.run("validate", "-no-color")
        recorded.update(exports.recorded(graph, {unit}, place.apply(VARIABLES)))
        places[unit] = place
    return places


def test_what_is_kept_keeps_its_bytes_and_lines() -> None:
    graph = graph_of(ROOT)
    made = cut(graph, {"module.app"}, all_unknown(graph))
    text, source = lines(made.files["main.tf"]), lines(MAIN.encode())
    assert len(text) == len(source)
    changed = [(old, new) for old, new in zip(source, text, strict=True) if old != new and new.strip()]
    up = "local.stackly_up__"
    assert changed == [
        ('  one   = "${module.vpc.id}-${var.size}" # stays', f'  one   = "${{{up}module__vpc__id}}-${{var.size}}" # stays'),
        (
            '    local.one, module.many["a"].id, [for k, m in module.many : m.in],',
            f'    local.one, {up}module__many["a"].id, [for k, m in {up}module__many : m.in],',
        ),
        (
            "    { (module.vpc.id) = module.vpc.in, vpc = (module /* here */",
            f"    {{ ({up}module__vpc__id) = {up}module__vpc__in, vpc = ({up}module__vpc__id",
        ),
        (
            "    terraform_data.single.output, resource.terraform_data.single.id, terraform_data.counted[*].output,",
            f"    {up}terraform_data__single__output, {up}terraform_data__single__id, "
            f"{up}terraform_data__counted[*].output,",
        ),
        ("  depends_on = [module.vpc, module.many]", "  depends_on = []"),
    ]


def test_units_applied_one_by_one_leave_nothing_to_do_for_the_whole_root(tmp_path: Path) -> None:
    places = by_units(tmp_path, ROOT)
    resources = [resource for place in places.values() for resource in place.state()["resources"]]
    state = {**places["outputs"].state(), "resources": resources}
    state = exports.without_generated(state)
    whole = Place(tmp_path / "whole").write({**ROOT, ".terraform/modules/modules.json": modules_json(ROOT)})
    graph = graph_of(ROOT)
    whole.cut(ROOT, cut(graph, set(graph.units), {}, record=False)).write({"terraform.tfstate": exact.dumps(state)})
    assert "No changes" in whole.run("plan", "-no-color")

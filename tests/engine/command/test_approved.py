"""The command applies what was shown: a batch that reads something else than it was shown with is not applied."""

import json
import os
from pathlib import Path

from stackly_engine.command import showing
from stackly_engine.command.inspection import Options
from stackly_engine.command.running import session
from stackly_engine.command.tool import Processes, find
from stackly_engine.driving.carrying import Apply, Ended
from terraform_cli import Terraform

_MAKES = """
resource "terraform_data" "x" {}
output "id" { value = terraform_data.x.id }
"""
_GIVES = """
variable "id" {}
resource "terraform_data" "x" { input = var.id }
output "id" { value = terraform_data.x.id }
output "word" { value = file("${path.module}/word.txt") }
"""
_HIDES = """
variable "id" {}
variable "word" {}
variable "file" {}
resource "terraform_data" "x" {
  input = var.id
  provisioner "local-exec" {
    command = "echo ${var.word} >> ${var.file}"
  }
}
"""
_ROOT = """
variable "file" {}
module "a" { source = "./a" }
module "b" {
  source = "./b"
  id     = module.a.id
}
module "c" {
  source = "./c"
  id     = module.b.id
  word   = module.b.word
  file   = var.file
}
"""


def test_what_is_read_and_came_out_otherwise_is_not_applied(tmp_path: Path) -> None:
    """The plan of `c` shows nothing of the word that it is given; the next round shows it anew, and applies it."""
    root = Terraform(tmp_path / "root")
    files = {"a/main.tf": _MAKES, "b/main.tf": _GIVES, "b/word.txt": "planned", "c/main.tf": _HIDES}
    heard = tmp_path / "heard.txt"
    root.write({"main.tf": _ROOT, "terraform.tfvars.json": json.dumps({"file": str(heard)}), **files})
    outer = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    said: list[str] = []

    def tell(one: Ended) -> None:
        said.append(showing.ended(one))
        if one.units == ("module.a",):
            (root.folder / "b/word.txt").write_text("other")

    with session(root.folder, find("terraform"), Processes(), outer=outer) as local:
        for good, told in ((False, [_DONE.format("a"), _DONE.format("b"), _LEFT]), (True, [_DONE.format("c")])):
            known, chain = local.plan(Options(apart=True))
            work = Apply(known, chain, tell)
            assert (work.run(), work.asks, work.progressed) == (good, not good, True)
            chain.close(known.hands, work.begun)
            assert [one for one in said if one.startswith("module.")][-len(told) :] == told
            assert heard.exists() == good
    assert heard.read_text() == "other\n"
    assert "No changes." in root.run("plan")


_DONE = "module.{}: applied\n"
_LEFT = "module.c: not covered\n  module.b.word: this batch reads it, and it came out otherwise than was approved\n"

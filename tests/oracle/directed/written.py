"""Pieces that directed roots are written from."""

from collections.abc import Mapping

from oracle.cases import Files

# One resource that keeps what it is given; `id` is unknown before it is made, `const` known always.
BOX = """
variable "in" { default = null }
variable "force" { default = null }
resource "terraform_data" "x" {
  input            = var.in
  triggers_replace = var.force
}
output "out" { value = terraform_data.x.output }
output "id" { value = terraform_data.x.id }
output "const" { value = "c" }
output "length" { value = length(jsonencode(var.in)) }
"""
# The same in the test cloud.
THING = """
variable "name" {}
variable "size" { default = null }
variable "force" { default = null }
variable "refs" { default = null }
variable "delay" { default = null }
variable "fail" { default = null }
resource "testcloud_thing" "x" {
  name  = var.name
  size  = var.size
  force = var.force
  refs  = var.refs
  delay = var.delay
  fail  = var.fail
}
output "id" { value = testcloud_thing.x.id }
output "out" { value = testcloud_thing.x.out }
output "named" { value = testcloud_thing.x.name }
"""
FIRST = "lifecycle { create_before_destroy = true }"
THING_FIRST = THING.replace("  fail  = var.fail\n", f"  fail  = var.fail\n  {FIRST}\n")
BOX_FIRST = BOX.replace("var.force\n}", f"var.force\n  {FIRST}\n}}")


def call(name: str, source: str, meta: str = "", /, **arguments: str) -> str:
    """A module block; arguments are expressions as written."""
    lines = [f'  source = "./{source}"', f"  {meta}", *(f"  {key} = {value}" for key, value in arguments.items())]
    return f'module "{name}" {{\n' + "\n".join(line for line in lines if line.strip()) + "\n}\n"


def data(name: str, *lines: str) -> str:
    """A `terraform_data` block."""
    return f'resource "terraform_data" "{name}" {{\n' + "\n".join(f"  {line}" for line in lines) + "\n}\n"


def thing(name: str, *lines: str) -> str:
    return (
        f'resource "testcloud_thing" "{name}" {{\n  name = "{name}"\n'
        + "\n".join(f"  {line}" for line in lines)
        + "\n}\n"
    )


def output(name: str, value: str, *more: str) -> str:
    return f'output "{name}" {{\n  value = {value}\n' + "\n".join(f"  {line}" for line in more) + "\n}\n"


def edited(files: Files, old: str, new: str, file: str = "main.tf") -> dict[str, str | bytes]:
    """The files with one text in one of them replaced; it must be there."""
    text = files[file]
    assert isinstance(text, str)
    assert old in text, f"{old!r} is not in {file}"
    return {**files, file: text.replace(old, new)}


def without(files: Files, *names: str) -> dict[str, str | bytes]:
    return {name: text for name, text in files.items() if name not in names}


def merged(*files: Mapping[str, str | bytes]) -> dict[str, str | bytes]:
    return {name: text for one in files for name, text in one.items()}

"""Bad code, odd values and wrong variables: what a user of the command is told, in whose words."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.command.asking import CHAIN, MODULE, Asked, asked, call
from provider.cloud import Cloud
from provider.serving import REQUIRED, installed

Make = Callable[..., Asked]

TWO_WAYS = """
variable "l" { default = 1 }
variable "r" { default = 1 }
resource "terraform_data" "l" { input = var.l }
resource "terraform_data" "r" { input = var.r }
output "l" { value = terraform_data.l.output }
output "r" { value = terraform_data.r.output }
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def of(text: str, **files: str) -> Asked:
        more = {f"{name}/main.tf": code for name, code in files.items()}
        return asked(tmp_path / "root", {"main.tf": text, "m/main.tf": MODULE, **more})

    return of


# --- code


def test_modules_in_a_circle_are_one_unit(make: Make) -> None:
    engine = make(
        'module "a" {\n  source = "./two"\n  r = module.b.l\n}\nmodule "b" {\n  source = "./two"\n  r = module.a.l\n}\n'
        'module "c" {\n  source = "./two"\n  l = module.b.r\n}\n',
        two=TWO_WAYS,
    )
    assert "together: module.a, module.b" in engine("graph").stdout
    assert "<title>module.a\nmodule.a\nmodule.b</title>" in engine("graph", "--format", "svg").stdout
    engine("apply", "--yes")
    assert engine.in_sync()
    assert engine.runs() == set()


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_real_cycle_is_told_by_terraform_with_its_nodes(make: Make, command: str) -> None:
    engine = make(call("a", "module.b.out") + call("b", "module.a.out") + call("c"))
    said = engine(command, code=1).stdout
    assert "module.a cannot be planned:\nError: Cycle: " in said
    cycle = said[said.index("Error: Cycle: ") :].partition("\n")[0]
    assert "module.a.terraform_data.x" in cycle
    assert "module.b.terraform_data.x" in cycle
    assert not engine.state.exists()


def test_locals_in_a_circle_are_told_by_terraform(make: Make) -> None:
    said = make("locals {\n  a = local.b\n  b = local.a\n}\n" + call("m", "local.a"))("plan", code=1).stdout
    assert "Error: Cycle: local." in said


@pytest.mark.parametrize(
    ("read", "reason", "words"),
    [
        ("module.zz.out", "main.tf:3: module.zz is not declared", 'No module call named "zz" is declared'),
        ("module.b.nope", "main.tf:3: module.b has no output nope", 'does not have an attribute named "nope"'),
        (
            "local.nope",
            "main.tf:3: local.nope is not declared",
            'A local value with the name "nope" has not been declared',
        ),
        ("terraform_data.no.id", "main.tf:3: terraform_data.no is not declared", 'resource "terraform_data" "no"'),
        (
            "var.nope",
            "main.tf:3: var.nope is not declared",
            'An input variable with the name "nope" has not been declared',
        ),
    ],
)
def test_a_reference_to_nothing_is_told_by_terraform(make: Make, read: str, reason: str, words: str) -> None:
    engine = make(call("a", read) + call("b"))
    said = " ".join(engine("plan", code=1).stdout.split())
    assert f"runs whole: invalid: {reason}" in said
    assert "on main.tf line 3" in said
    assert words in said
    assert f"this root is not cut\nruns whole: invalid: {reason}" in engine("graph", code=1).stderr


@pytest.mark.parametrize(
    ("read", "line", "words"),
    [
        ("module.a.out.nope", "in = module.a.out.nope", "module.a.out is a number"),
        ("module.a.obj.nope", "in = module.a.obj.nope", "module.a.obj is a"),
        ('tonumber("q${module.a.out}")', 'in = tonumber("q${module.a.out}")', "module.a.out is 1"),
        ("terraform_data.my_own-one.output.x", "in = terraform_data.my_own-one.output.x", "terraform_data.my_own-one"),
    ],
)
def test_a_wrong_use_of_another_unit_is_told_in_the_words_of_the_code(
    make: Make, read: str, line: str, words: str
) -> None:
    """Though Terraform reads another text: values of other units come from elsewhere, by names that nobody wrote."""
    more = MODULE + "output obj {\n  value = { a = var.in }\n}\n"
    engine = make(
        call("a") + call("b", "[module.a.obj.a, terraform_data.my_own-one.output]")
        + 'resource "terraform_data" "my_own-one" {\n  input = 7\n}\n'
    )  # fmt: skip
    engine.root.write({"m/main.tf": more})
    engine("apply", "--yes")
    engine.root.write({"main.tf": (engine.folder / "main.tf").read_text().replace("[module.a.obj.a, ", f"[{read}, ")})
    said = engine("plan", code=1).stdout
    assert "stackly_" not in said
    assert 'on main.tf line 7, in module "b":' in said
    assert line.replace("in = ", "in = [") in said
    assert words in " ".join(said.split())


def test_a_key_of_a_module_that_has_none_is_told_by_terraform(make: Make) -> None:
    said = make(call("a") + call("b", 'module.a["k"].out'))("plan", code=1).stdout
    assert "runs whole: invalid: main.tf:7: module.a has no count or for_each" in said
    assert "Error: Invalid index" in said or "Error: Unsupported attribute" in said, said


@pytest.mark.parametrize("place", ["main.tf", "m/main.tf"])
def test_a_file_that_cannot_be_parsed_is_told_by_terraform(make: Make, place: str) -> None:
    engine = make(call("a"))
    engine("plan")
    engine.root.write({place: (engine.folder / place).read_text() + 'resource "terraform_data" {\n'})
    line = (engine.folder / place).read_text().count("\n")
    said = engine("plan", code=1)
    assert f"on {place} line {line}" in said.stdout + said.stderr


@pytest.mark.parametrize("source", ["./nowhere", "git::file:///nowhere/x.git?ref=v1"])
def test_a_module_that_cannot_be_fetched_is_told_by_terraform(make: Make, source: str) -> None:
    said = make(call("a", source=source))("plan", code=1).stderr
    assert "Error: Unreadable module directory" in said or "Could not download module" in " ".join(said.split())


def test_a_provider_that_nobody_has_is_told_by_terraform(make: Make) -> None:
    """Not even in the lock file."""
    engine = make(
        'terraform {\n  required_providers {\n    x = { source = "local/x" }\n  }\n}\nresource "x_y" "z" {}\n'
    )
    engine.root.write({".terraform.lock.hcl": "# nothing\n"})
    assert "local/x" in engine("plan", code=1).stderr


def test_a_lock_file_without_the_provider_is_completed_and_a_wrong_one_told(tmp_path: Path) -> None:
    code = REQUIRED + 'resource "testcloud_thing" "t" {\n  name = "t"\n}\n' + CHAIN
    environment = installed(tmp_path / "cloud", Cloud(tmp_path / "cloud.db"))
    engine = asked(tmp_path / "root", {"main.tf": code, "m/main.tf": MODULE}, **environment)
    engine("apply", "--yes")
    lock = engine.folder / ".terraform.lock.hcl"
    whole = lock.read_text()
    lock.write_text("# nothing\n")
    assert engine.runs() == set()
    assert "local/testcloud" in lock.read_text()
    lock.write_text(re.sub(r'"h1:[^"]*"', '"h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="', whole))
    said = engine("plan", code=1).stderr
    assert "local/testcloud" in said
    assert "checksum" in said
    lock.unlink()
    assert engine.runs() == set()


def test_a_root_without_code(make: Make) -> None:
    engine = make("")
    engine("plan")
    (engine.folder / "main.tf").unlink()
    assert "Error: No configuration files" in engine("plan", code=1).stdout
    assert "is no folder" in engine("plan", code=1, folder=engine.folder / "none").stderr


# --- values


def test_an_output_may_change_its_type(make: Make) -> None:
    engine = make(CHAIN.replace("in = 1", 'in = "x"', 1))
    engine("apply", "--yes")
    for value in ('["x", "y"]', "{ x = 1 }", "[[1], {}]", "null"):
        engine.root.write({"main.tf": CHAIN.replace("in = 1", f"in = {value}", 1)})
        assert {"module.a", "module.b"} <= engine.runs()
        engine("apply", "--yes")
        assert engine.in_sync()


def test_names_that_look_alike_stay_apart(make: Make) -> None:
    names = ("a-b", "a_b", "a__b", "a-_b", "ü", "stackly_up__a")
    read = ", ".join(f"module.{name}.out" for name in names)
    engine = make(
        "".join(call(name, f'"{name}"') for name in names)
        + call("z", f"[{read}]")
        + "output o {\n  value = module.z.out\n}\n"
    )
    engine("apply", "--yes")
    assert engine.outputs()["o"]["value"] == list(names)
    engine.root.write({"more.tf": call("last", f"[{read}]") + "output p {\n  value = module.last.out\n}\n"})
    engine("apply", "--yes")
    assert engine.outputs()["p"]["value"] == list(names)
    assert engine.in_sync()


def test_no_value_is_code_and_no_digit_is_lost(make: Make) -> None:
    """Values cross units through variables: once as planned, once as recorded."""
    text = '"ünï ${1 + 1} $${x} %%{if} \\u2028 \\" \\n {"'
    digits = "1234567890123456789012345678901234567890"
    fraction = "0.1234567890123456789012345678901234567891"
    values = f"[module.t.out, module.n.out, {fraction}]"
    engine = make(
        call("t", text) + call("n", digits) + call("all", values) + "output o {\n  value = module.all.out\n}\n"
    )
    engine("apply", "--yes")
    engine.root.write({"more.tf": call("again", "module.all.out") + "output p {\n  value = module.again.out\n}\n"})
    assert "module.all" not in engine.runs()
    engine("apply", "--yes")
    assert engine.in_sync()
    written = engine.root.run("output", "-json")
    assert written.count(digits) == written.count(fraction) == 2
    assert engine.outputs()["p"]["value"][0] == 'ünï 2 ${x} %{if} \u2028 " \n {'


# --- variables

NEEDS = 'variable "need" { type = string }\nvariable "n" {\n  type    = number\n  default = 1\n}\n'


def test_a_variable_that_is_missing_is_told_by_terraform_once(make: Make) -> None:
    said = make(NEEDS + call("a", "var.need") + call("b", "var.n"))("plan", code=1).stdout
    assert "module.a, outputs cannot be planned:\nError: No value for required variable\n\n  on main.tf line 1:" in said
    assert said.count("No value for required variable") == 1


def test_variables_that_are_wrong(make: Make) -> None:
    engine = make(NEEDS + call("a", "var.need") + call("b", "var.n"))
    given = ("--var", "need=x")
    assert "does not declare the variable 'nope'" in engine("plan", *given, "--var", "nope=1", code=1).stderr
    assert "wants NAME=VALUE, not 'need'" in engine("plan", "--var", "need", code=1).stderr
    assert "a number is required" in engine("plan", *given, "--var", "n=abc", code=1).stdout
    assert engine.runs(*given) == {"module.a", "module.b", "outputs"}


def test_a_file_of_variables_that_is_not_there(make: Make) -> None:
    said = make(CHAIN)("plan", "--var-file", "/nowhere/x.tfvars", code=1).stderr
    assert said == "stackly-engine: the variables file /nowhere/x.tfvars cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("bad.tfvars", "need = {{\n"), ("bad.tfvars.json", '{"need": '), ("list.tfvars.json", '["need"]')],
)
def test_a_file_of_variables_that_is_not_understood_is_told_by_terraform(make: Make, name: str, text: str) -> None:
    engine = make(NEEDS + call("a", "var.need"))
    engine("apply", "--yes", "--var", "need=x")
    engine.root.write({name: text})
    said = engine("plan", "--var", "need=x", "--var-file", str(engine.folder / name), code=1).stdout
    assert f"runs whole: variables: {engine.folder / name}" in said
    assert "Error: " in said


def test_a_file_that_is_read_by_itself_and_not_understood(make: Make) -> None:
    engine = make(NEEDS + call("a", "var.need"))
    engine.root.write({"x.auto.tfvars": "need = ["})
    said = engine("plan", code=1).stdout
    assert "x.auto.tfvars line 1" in said

"""stackly-engine as its user sees it: what is printed, what Terraform is started for, what plain Terraform says after."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terraform_cli import Terraform

_MODULE = """
variable "name" { type = string }
variable "up" {
  type    = any
  default = null
}
resource "terraform_data" "x" { input = "${var.name}-${jsonencode(var.up)}" }
output "id" { value = terraform_data.x.output }
output "length" { value = length(var.name) }
"""
_ROOT = """
variable "env" { default = "dev" }
module "a" {
  source = "./m"
  name   = "a-${var.env}"
}
module "b" {
  source = "./m"
  name   = "b"
  up     = module.a.length
}
module "c" {
  source = "./m"
  name   = "c"
}
output "all" { value = [module.a.id, module.b.id, module.c.id] }
"""

Engine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Terraform:
    one = Terraform(tmp_path / "root")
    one.write({"main.tf": _ROOT, "m/main.tf": _MODULE})
    return one


@pytest.fixture
def engine(root: Terraform) -> Engine:
    def run(command: str, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            _argv(command, root, *arguments),
            env=_environment(root),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def _argv(command: str, root: Terraform, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "stackly_engine", command, *arguments, str(root.folder)]


def _environment(root: Terraform) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(root.folder.parent)}


def _in_sync(root: Terraform) -> bool:
    return "No changes." in root.run("plan")


def _ran(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Units that run for a reason of their own; in a root this small others ride along, that is cheaper."""
    units = json.loads(done.stdout)["units"].items()
    return {unit for unit, told in units if told["run"] and not told["reasons"][0].startswith("together")}


def test_what_changed_runs_and_the_rest_is_skipped(root: Terraform, engine: Engine) -> None:
    first = engine("apply", "--yes")
    assert "3 to add, 0 to change, 0 to destroy" in first.stdout
    assert _in_sync(root)
    assert _ran(engine("plan", "--json")) == set()
    root.write({"main.tf": _ROOT.replace('name   = "c"', 'name   = "c2"')})
    planned = engine("plan", "--json")
    assert _ran(planned) == {"module.c", "outputs"}
    assert json.loads(planned.stdout)["units"]["module.c"]["reasons"] == ["code: main.tf"]
    engine("apply", "--yes")
    assert _in_sync(root)


def test_an_output_that_comes_out_equal_stops_the_run_there(root: Terraform, engine: Engine) -> None:
    engine("apply", "--yes")
    root.write({"m/main.tf": _MODULE, "main.tf": _ROOT.replace('"a-${var.env}"', '"A-${var.env}"')})
    assert _ran(engine("plan", "--json")) == {"module.a", "outputs"}  # b reads the length only
    engine("apply", "--yes")
    assert _in_sync(root)


def test_comments_and_blanks_move_nothing_and_a_variable_does(root: Terraform, engine: Engine) -> None:
    engine("apply", "--yes")
    root.write({"main.tf": "# new\n" + _ROOT.replace('name   = "c"', 'name = "c" // here')})
    assert _ran(engine("plan", "--json")) == set()
    planned = engine("plan", "--json", "--var", "env=prod")
    assert json.loads(planned.stdout)["units"]["module.a"]["reasons"][0] == "variable: env"


def test_a_change_by_hand_is_seen(root: Terraform, engine: Engine) -> None:
    engine("apply", "--yes")
    root.run("apply", "-auto-approve", "-replace=module.c.terraform_data.x")
    planned = json.loads(engine("plan", "--json").stdout)
    assert planned["units"]["module.c"]["reasons"] == ["state: module.c"]


def test_it_says_why(root: Terraform, engine: Engine) -> None:
    assert "module.a: runs, new" in engine("why").stdout
    engine("apply", "--yes")
    assert "module.b: skipped, unchanged" in engine("why").stdout
    assert (
        "no unit of this root"
        in subprocess.run(
            [*_argv("why", root), "module.zz"], env=_environment(root), capture_output=True, text=True, check=False
        ).stderr
    )


def test_a_count_that_is_not_known_yet_is_planned_after_its_upstream(root: Terraform, engine: Engine) -> None:
    counted = 'resource "terraform_data" "n" { count = length(module.a.id) }\n'
    root.write({"main.tf": _ROOT.replace("output ", counted + "output ")})
    first = engine("apply", "--yes")
    assert "planned after what it needs is applied" in first.stdout
    assert _in_sync(root)


def test_terraforms_own_words_for_code_that_cannot_be_cut(root: Terraform, engine: Engine) -> None:
    root.write({"bad.tf": 'output "bad" { value = module.nope.id }\n'})
    done = engine("plan", code=1)
    assert "runs whole: invalid: bad.tf:1" in done.stdout
    assert 'No module call named "nope" is declared in the root module.' in done.stdout


def test_a_root_with_override_files_runs_whole_and_is_cut_again_later(root: Terraform, engine: Engine) -> None:
    root.write({"main_override.tf": 'module "c" {\n  name = "other"\n}\n'})
    assert "runs whole: override-files" in engine("apply", "--yes").stdout
    assert _in_sync(root)
    (root.folder / "main_override.tf").unlink()
    engine("apply", "--yes")
    assert _in_sync(root)


def test_state_that_is_kept_elsewhere_is_refused(root: Terraform, engine: Engine) -> None:
    root.write({"backend.tf": 'terraform {\n  backend "s3" {}\n}\n'})
    assert "backend.tf: the state is kept by 'backend s3'" in engine("plan", code=1).stderr


def test_an_instance_to_replace_must_exist(root: Terraform, engine: Engine) -> None:
    engine("apply", "--yes")
    assert _ran(engine("plan", "--json", "--replace", "module.b.terraform_data.x")) >= {"module.b"}
    assert "module.b.terraform_data.y" in engine("plan", "--replace", "module.b.terraform_data.y", code=1).stderr


def test_no_workers_are_too_few(engine: Engine) -> None:
    assert "argument --workers: at least 1" in engine("plan", "--workers", "0", code=2).stderr


def test_nothing_is_left_beside_the_root(root: Terraform, engine: Engine) -> None:
    engine("apply", "--yes")
    engine("plan")
    assert [entry.name for entry in root.folder.parent.iterdir()] == ["root"]


# --- a process that dies

_SLOW = """
resource "terraform_data" "one" {
  provisioner "local-exec" { command = "echo one >> ${abspath(path.root)}/../ledger; sleep 3" }
}
resource "terraform_data" "two" {
  depends_on = [terraform_data.one]
  provisioner "local-exec" { command = "echo two >> ${abspath(path.root)}/../ledger" }
}
"""


@pytest.fixture
def slow(root: Terraform) -> Iterator[tuple[Terraform, subprocess.Popen[str]]]:
    """An apply that has just begun its first resource."""
    root.write({"main.tf": 'module "s" {\n  source = "./s"\n}\n', "s/main.tf": _SLOW})
    process = subprocess.Popen(
        _argv("apply", root, "--yes"),
        env=_environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    _until(lambda: _ledger(root) == ["one"])
    with process:
        yield root, process
        process.kill()


def _ledger(root: Terraform) -> list[str]:
    path = root.folder.parent / "ledger"
    return path.read_text().split() if path.exists() else []


def _until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_ctrl_c_lets_terraform_finish_what_it_began(
    slow: tuple[Terraform, subprocess.Popen[str]], engine: Engine
) -> None:
    root, process = slow
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Terraform finishes what it has begun" in output
    assert "module.s.terraform_data.one" in root.run(
        "state", "list"
    )  # Terraform ends a provisioner at once: it is tainted
    assert "module.s.terraform_data.one: (tainted)" in root.run("show")
    engine("apply", "--yes")
    assert _ledger(root) == ["one", "one", "two"]
    assert _in_sync(root)


def test_a_killed_engine_loses_nothing(slow: tuple[Terraform, subprocess.Popen[str]], engine: Engine) -> None:
    root, process = slow
    process.kill()
    process.wait()
    assert "still works in" in engine("plan", code=1).stderr  # its Terraform lives on
    _until(lambda: not [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if _names(entry, root)])
    engine("apply", "--yes")
    assert _ledger(root) == ["one", "two"]
    assert _in_sync(root)


def _names(cmdline: Path, root: Terraform) -> bool:
    try:
        return f"-chdir={root.folder.parent}/".encode() in cmdline.read_bytes()
    except OSError:
        return False


def test_one_at_a_time(slow: tuple[Terraform, subprocess.Popen[str]], engine: Engine) -> None:
    assert "another stackly-engine works on" in engine("plan", code=1).stderr

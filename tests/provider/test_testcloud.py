"""The test provider under real Terraform, in both ways of serving it."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from provider.cloud import Cloud
from provider.serving import REQUIRED, installed, reattached
from stackly_engine import exact

ROOT = (
    REQUIRED
    + """
provider "testcloud" {
  caller = "east"
}
provider "testcloud" {
  alias  = "west"
  caller = "west"
}
variable "size" { default = 1 }
variable "below" { default = "a" }
variable "above" { default = "a" }
variable "fail" {
  type    = list(string)
  default = []
}
resource "testcloud_thing" "below" {
  name  = "below"
  force = var.below
}
resource "testcloud_thing" "above" {
  provider = testcloud.west
  name     = "above"
  size     = var.size
  force    = var.above
  refs     = [testcloud_thing.below.id]
  fail     = var.fail
}
data "testcloud_find" "below" {
  name       = "below"
  depends_on = [testcloud_thing.below]
}
output "found" { value = data.testcloud_find.below.ids == [testcloud_thing.below.id] }
output "above" { value = testcloud_thing.above.out }
"""
)


class Runs:
    """Terraform in one folder with the provider."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, environment
        (folder / "main.tf").write_text(ROOT)
        self.cloud = Cloud(folder / "cloud.db")
        assert self("init").returncode == 0

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), **self.environment}
        command = ["terraform", *arguments, "-no-color"]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def apply(self, *arguments: str) -> str:
        done = self("apply", "-auto-approve", *arguments)
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    def operations(self) -> list[str]:
        """Changes of the cloud, with who made them."""
        made = {"create": "+", "update": "~", "delete": "-"}
        return [
            f"{made[entry.operation]}{entry.name} {entry.caller}{'' if entry.good else ' refused'}"
            for entry in self.cloud.ledger
            if entry.operation in made
        ]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with reattached(Cloud(tmp_path / "cloud.db")) as environment:
        yield Runs(tmp_path, environment)


def test_things_are_made_and_changed_and_replaced_in_order(runs: Runs) -> None:
    assert runs.apply().startswith("0\n")
    assert runs.operations() == ["+below east", "+above west"]
    assert runs("plan", "-detailed-exitcode").returncode == 0
    assert runs.apply("-var=size=2.5").startswith("0\n")
    assert exact.loads((runs.folder / "terraform.tfstate").read_bytes())["outputs"]["above"]["value"] == "above:2.5"
    assert runs.apply("-var=size=2.5", "-var=above=b", "-var=below=b").startswith("0\n")
    replaced = ["-above west", "-below east", "+below east", "+above west"]
    assert runs.operations()[2:] == ["~above west", *replaced]


def test_a_thing_in_use_is_not_deleted(runs: Runs) -> None:
    assert runs.apply().startswith("0\n")
    said = runs.apply("-var=below=b")
    assert "uses it" in said
    assert "-below east refused" in runs.operations()


def test_it_fails_when_it_is_told_to(runs: Runs) -> None:
    assert "create of above was made to fail" in runs.apply('-var=fail=["create@1"]')
    assert runs.apply('-var=fail=["create@1"]').startswith("0\n")
    assert runs.apply("-destroy").startswith("0\n")
    assert "then something failed" in runs.apply('-var=fail=["created"]')
    above = exact.loads((runs.folder / "terraform.tfstate").read_bytes())["resources"][1]
    assert above["instances"][0]["status"] == "tainted"


def test_what_changes_outside_is_seen(runs: Runs) -> None:
    assert runs.apply().startswith("0\n")
    above = next(name for name, thing in runs.cloud.things.items() if thing["name"] == "above")
    runs.cloud.change(above, size=7)
    assert runs("plan", "-detailed-exitcode").returncode == 2
    runs.cloud.lose(above)
    assert "1 to add" in runs("plan").stdout


def test_it_is_installed_from_a_mirror_as_real_providers_are(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    cloud = Cloud(tmp_path / "root" / "cloud.db")
    runs = Runs(tmp_path / "root", installed(tmp_path, cloud, start_seconds=0.1))
    assert runs.apply().startswith("0\n")
    assert {one.split()[0] for one in runs.operations()} == {"+below", "+above"}

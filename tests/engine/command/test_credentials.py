"""Tokens for providers under real Terraform: a provider that plays google gives another token at each reading."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tf.schema import Attribute, Schema
from tf.types import String

from provider import testcloud
from provider.cloud import Cloud
from provider.serving import reattached
from provider.testcloud import State, Thing
from stackly_engine import exact

_ROOT = """
data "google_client_config" "c" { name = module.base.out }
provider "google" {
  alias  = "fed"
  caller = data.google_client_config.c.access_token
}
module "base" {
  source = "./m"
  name   = "base"
}
module "a" {
  source    = "./m"
  name      = "a"
  providers = { google = google.fed }
}
module "b" {
  source    = "./m"
  name      = "b"
  providers = { google = google.fed }
}
"""
_MODULE = """
variable "name" {}
resource "google_thing" "t" {
  name = var.name
  size = 1
}
output "out" { value = google_thing.t.out }
"""


@dataclass
class Google(testcloud.TestCloud):
    """The test provider by the name of one whose data source is a credential."""

    tokens: Iterator[int] = field(default_factory=itertools.count)

    def get_model_prefix(self) -> str:
        return "google_"

    def full_name(self) -> str:
        return "registry.terraform.io/hashicorp/google"

    def get_data_sources(self) -> list[Any]:
        return [ClientConfig]

    def get_resources(self) -> list[Any]:
        return [Thing]


@dataclass(frozen=True)
class ClientConfig:
    provider: Google

    @classmethod
    def get_name(cls) -> str:
        return "client_config"

    @classmethod
    def get_schema(cls) -> Any:
        attributes = [Attribute("name", String(), required=True), Attribute("access_token", String(), computed=True)]
        return Schema(version=0, attributes=attributes)

    def validate(self, diagnostics: Any, type_name: str, config: State) -> None:
        """The schema says enough."""

    def read(self, _: Any, config: State) -> State:
        return {"name": config["name"], "access_token": f"{config['name']}#{next(self.provider.tokens)}"}


@dataclass
class Root:
    folder: Path
    cloud: Cloud
    environment: Mapping[str, str]

    def run(self, *argv: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder.parent), **self.environment}
        done = subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def engine(self, command: str, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "stackly_engine", command, str(self.folder), *arguments)

    def callers(self, operation: str) -> list[str]:
        return [entry.caller for entry in self.cloud.ledger if entry.operation == operation]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    cloud, folder = Cloud(tmp_path / "cloud.db"), tmp_path / "root"
    (folder / "m").mkdir(parents=True)
    (folder / "main.tf").write_text(_ROOT)
    (folder / "m" / "main.tf").write_text(_MODULE)
    with reattached(cloud, Google(cloud)) as environment:
        yield Root(folder, cloud, environment)


def _change(root: Root, old: str, new: str) -> None:
    main = root.folder / "main.tf"
    main.write_text(main.read_text().replace(old, new))


def _data(root: Root) -> list[dict[str, Any]]:
    state = exact.loads((root.folder / "terraform.tfstate").read_bytes())
    return [one for one in state["resources"] if one["mode"] == "data"]


def test_each_batch_reads_its_own_token_and_one_unit_keeps_it(root: Root) -> None:
    root.engine("apply", "--yes")
    assert len(_data(root)) == 1
    assert "No changes." in root.run("terraform", "plan", "-no-color")
    assert "0 batches" in root.engine("plan")
    before = _data(root)
    _change(root, 'name   = "base"\n}', 'name   = "base"\n}\n# nothing')
    _change(root, 'name      = "a"', 'name      = "a2"')
    told = json.loads(root.engine("plan", "--json"))
    runs = {unit for unit, decision in told["units"].items() if decision["run"]}
    assert runs == {"module.a"}
    root.engine("apply", "--yes")
    updated = root.callers("update")
    assert len(updated) == 1
    assert updated[0].startswith("base:1#")  # the provider was configured, with a token that is
    assert updated[0] != before[0]["instances"][0]["attributes"]["access_token"]  # no old one
    assert _data(root) == before  # the batch that only copied it left the owner's alone
    assert "No changes." in root.run("terraform", "plan", "-no-color")


def test_what_is_gone_from_the_code_is_destroyed_with_a_fresh_token(root: Root) -> None:
    root.engine("apply", "--yes")
    main = root.folder / "main.tf"
    text = main.read_text()
    main.write_text(text[: text.index('module "b"')])
    root.engine("apply", "--yes")
    deleted = root.callers("delete")
    assert len(deleted) == 1
    assert deleted[0].startswith("base:1#")
    assert len(_data(root)) == 1
    assert "No changes." in root.run("terraform", "plan", "-no-color")
    assert b"access_token" not in b"".join(path.read_bytes() for path in (root.folder / ".stackly").glob("engine.db*"))

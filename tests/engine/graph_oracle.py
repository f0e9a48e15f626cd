"""What Terraform itself says of a root: its graph of a plan, as edges between top-level nodes and between resources."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from stackly_engine.configuration import Configuration, configure
from stackly_engine.ordering import reachable
from terraform_cli import Terraform

Steps = dict[str, set[str]]
_STEP = re.compile(r'^\s*"\[root\] (.*)" -> "\[root\] (.*)"\s*$', re.MULTILINE)
_NODE = re.compile(r'^\s*"\[root\] (.*)" \[label', re.MULTILINE)
_KIND = re.compile(r" \((\w+)(?:, \w+)?\)$")
_DROPPED = re.compile(r"(?:provider\[.*\](?:\.\w+)?|ephemeral\..*) \(close\)$|^root$|^\(execute checks\)")
_MODULES = re.compile(r"(?:module\.[^.\[]+\.?)*")
_RESOURCE = re.compile(r"(?:(?:module\.[^.]+\.)*)((?:data\.|ephemeral\.)?[\w-]+\.[\w-]+)")
_OTHER = ("var", "local", "output", "check", "provider", "module", "action")


def configuration_of(terraform: Terraform) -> Configuration:
    """The configuration of an initialised folder."""
    modules = terraform.folder / ".terraform/modules/modules.json"
    document = modules.read_bytes() if modules.exists() else b'{"Modules":[]}'
    folders = {entry["Dir"] for entry in json.loads(document)["Modules"]} | {"."}
    return configure({folder: files_of(terraform.folder / folder) for folder in folders}, document)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def steps_of(terraform: Terraform) -> Steps:
    """The nodes of `terraform graph -type=plan` with what they wait for, by name without `(expand)`.

    The closing nodes of providers and ephemeral resources are left out: nothing that is declared waits for them.
    """
    text = terraform.run("graph", "-type=plan").replace('\\"', '"')
    steps: Steps = {_named(name): set() for name in _NODE.findall(text) if not _DROPPED.search(name)}
    for user, needed in _STEP.findall(text):
        if not _DROPPED.search(user) and not _DROPPED.search(needed):
            steps.setdefault(_named(user), set()).add(_named(needed))
            steps.setdefault(_named(needed), set())
    return steps


def closure(steps: Mapping[str, set[str]], chosen: set[str]) -> dict[str, set[str]]:
    """For each chosen node the other chosen ones that it comes to."""
    return {name: reachable(steps, [name]) & chosen - {name} for name in chosen}


def top_level(steps: Steps) -> dict[str, set[str]]:
    """The closure of the root's real nodes: all that is in a module counts as that module."""
    folded: Steps = {}
    for name, needed in steps.items():
        folded.setdefault(_top(name), set()).update(_top(other) for other in needed)
    return closure(folded, {name for name in folded if name.startswith("module.") or is_resource(name)})


def by_resource(steps: Steps) -> dict[str, set[str]]:
    """The closure of all resources and data sources of the whole tree."""
    return closure(steps, {name for name in steps if is_resource(name)})


def is_resource(name: str) -> bool:
    found = _RESOURCE.fullmatch(name)
    return found is not None and found.group(1).split(".")[0] not in _OTHER


def _named(name: str) -> str:
    kind = _KIND.search(name)
    bare = _KIND.sub("", name)
    return f"{bare}.(close)" if kind is not None and kind.group(1) == "close" else bare


def _top(name: str) -> str:
    return ".".join(name.split(".")[:2]) if name.startswith("module.") else name

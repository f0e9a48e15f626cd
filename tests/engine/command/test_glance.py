"""The quickest answer is given when every byte that decides is as it was, and only then."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from stackly_engine.command import executable
from stackly_engine.command.executable import Version
from stackly_engine.command.glance import Glance, settled
from stackly_engine.command.store import Begun, Store
from stackly_engine.command.tool import ToolError, find
from stackly_engine.driving.ports import Share

VERSION = ("terraform", "1.11.4")
ENV = {"TF_VAR_size": "1", "AWS_REGION": "eu-west-1", "PATH": "/bin"}
CALLS = {"Modules": [{"Key": "", "Source": "", "Dir": "."}, {"Key": "m", "Source": "../m", "Dir": "../m"}]}
FILES = {
    "root/main.tf": 'module "m" {}\n',
    "root/files/motd.txt": "hello\n",
    "root/terraform.tfvars": "size = 1\n",
    "root/terraform.tfstate": '{"serial": 1}\n',
    "root/terraform.tfstate.d/blue/terraform.tfstate": '{"serial": 7}\n',
    "root/.terraform.lock.hcl": "# 1\n",
    "root/.terraform/modules/modules.json": json.dumps(CALLS),
    "root/.terraform/providers/registry/a/b/1.0.0/linux/provider": "binary\n",
    "m/main.tf": 'resource "x" "y" {}\n',
    "given.tfvars": "size = 2\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    Store(tmp_path / "root").close()
    glance(tmp_path / "root").leave(3, VERSION)
    return tmp_path / "root"


def glance(
    root: Path, version: Version | None = VERSION, size: str = "1", env: Mapping[str, str] = MappingProxyType({})
) -> Glance:
    items = (("var", f"size={size}"), ("var-file", str(root.parent / "given.tfvars")))
    return Glance(str(root), version, items, {**ENV, **env})


def same_size(path: Path) -> None:
    """Another content of the same length and times."""
    at = path.stat()
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))


def replaced(path: Path) -> None:
    path.with_name("new").write_text(path.read_text())
    path.with_name("new").replace(path)


def begun(root: Path) -> None:
    store = Store(root)
    store.begin(Begun(root / "x", root / "y", Share(frozenset(), outputs=False, prefix="p")), ["module.m"])
    store.close()


CHANGES: dict[str, Callable[[Path], object]] = {
    "code": lambda root: same_size(root / "main.tf"),
    "code of a module elsewhere": lambda root: same_size(root.parent / "m/main.tf"),
    "a file that code may read": lambda root: same_size(root / "files/motd.txt"),
    "a new file": lambda root: (root / "files/new").write_text(""),
    "a file that is gone": lambda root: (root / "files/motd.txt").unlink(),
    "automatic variables": lambda root: same_size(root / "terraform.tfvars"),
    "a file of variables": lambda root: same_size(root.parent / "given.tfvars"),
    "the state": lambda root: same_size(root / "terraform.tfstate"),
    "no state": lambda root: (root / "terraform.tfstate").unlink(),
    "the lock file": lambda root: same_size(root / ".terraform.lock.hcl"),
    "the list of modules": lambda root: (root / ".terraform/modules/modules.json").write_text(json.dumps(CALLS) + " "),
    "a provider": lambda root: replaced(root / ".terraform/providers/registry/a/b/1.0.0/linux/provider"),
    "the workspace": lambda root: (root / ".terraform/environment").write_text("blue"),
    "an apply that was begun": begun,
    "nothing is remembered": lambda root: (root / ".stackly/engine.db").unlink(),
    "the mark": lambda root: Path(settled(str(root))).write_text("[]"),
    "a mark of half a length": lambda root: Path(settled(str(root))).write_text('["00", "'),
    "no mark": lambda root: Path(settled(str(root))).unlink(),
}


def test_as_it_was(root: Path) -> None:
    assert glance(root).skipped() == 3
    assert glance(root, env={"PWD": "/elsewhere", "SHLVL": "3"}).skipped() == 3
    (root / ".stackly-batch-1").mkdir()
    (root / ".stackly-batch-1/main.tf").write_text("")
    assert glance(root).skipped() == 3


@pytest.mark.parametrize("name", CHANGES)
def test_changed(root: Path, name: str) -> None:
    CHANGES[name](root)
    assert glance(root).skipped() is None


@pytest.mark.parametrize("env", [{"TF_VAR_size": "2"}, {"AWS_REGION": "x"}, {"NEW": ""}, {"TF_WORKSPACE": "blue"}])
def test_another_environment(root: Path, env: dict[str, str]) -> None:
    assert glance(root, env=env).skipped() is None


def test_another_version_or_variable(root: Path) -> None:
    assert glance(root, ("terraform", "1.11.5")).skipped() is None
    assert glance(root, ("tofu", "1.11.4")).skipped() is None
    assert glance(root, None).skipped() is None
    assert glance(root, size="2").skipped() is None


def test_a_change_after_the_first_look_is_not_in_the_mark(root: Path) -> None:
    Path(settled(str(root))).unlink()
    one = glance(root)
    assert one.skipped() is None
    same_size(root / "terraform.tfstate")
    one.leave(3, VERSION)
    assert glance(root).skipped() is None


def test_secrets_do_not_lie_in_the_mark_and_others_cannot_read_it(root: Path) -> None:
    mark = Path(settled(str(root)))
    assert mark.stat().st_mode & 0o077 == 0
    first = mark.read_text()
    glance(root).leave(3, VERSION)
    assert mark.read_text() != first  # each with a key of its own


def test_what_cannot_be_read_is_left_to_others(root: Path) -> None:
    (root.parent / "given.tfvars").unlink()
    (root.parent / "given.tfvars").mkdir()
    assert glance(root).skipped() is None
    glance(root).leave(3, VERSION)
    assert glance(root).skipped() is None


# --- the program


def program(path: Path, version: str, words: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho asked >>{path.parent}/asked\necho Terraform v{version}\n# {words}\n")
    path.chmod(0o755)


def asked(path: Path, root: Path) -> str:
    """The version, by a run that remembers as one of the command does."""
    found = find(str(path), root)
    executable.remember(str(root), found.identity, found.said)
    return found.version


def times(path: Path) -> int:
    return len((path.parent / "asked").read_text().splitlines())


def test_terraform_itself_is_asked_once(root: Path, tmp_path: Path) -> None:
    path, words = tmp_path / "bin/terraform", "path\tgithub.com/hashicorp/terraform"
    program(path, "1.11.4", words)
    assert [asked(path, root), asked(path, root), times(path)] == ["1.11.4", "1.11.4", 1]
    program(path, "1.11.5", words)  # in its place
    assert [asked(path, root), times(path)] == ["1.11.5", 2]
    program(path.with_name("other"), "1.12.0", words)
    path.with_name("other").replace(path)
    assert [asked(path, root), times(path)] == ["1.12.0", 3]
    path.unlink()
    program(tmp_path / "bin/elsewhere", "1.13.0", words)
    path.symlink_to(tmp_path / "bin/elsewhere")
    assert asked(path, root) == "1.13.0"


def test_what_may_be_a_shim_is_asked_each_time(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "bin/terraform"
    program(path, "1.11.4", "path\tgithub.com/tofuutils/tenv")
    assert [asked(path, root), asked(path, root), times(path)] == ["1.11.4", "1.11.4", 2]


def test_the_first_on_path_that_can_be_run(tmp_path: Path) -> None:
    env = {"PATH": f":{tmp_path}/no:{tmp_path}/a:{tmp_path}/b"}
    (tmp_path / "a/terraform").mkdir(parents=True)
    program(tmp_path / "b/terraform", "1.11.4", "")
    assert executable.found("", env) == f"{tmp_path}/b/terraform"
    program(tmp_path / "b/tofu", "1.11.4", "")
    (tmp_path / "b/terraform").chmod(0o644)
    assert executable.found("", env) == f"{tmp_path}/b/tofu"
    assert executable.found("x", env) is None
    with pytest.raises(ToolError, match="nowhere is not there"):
        find("nowhere")

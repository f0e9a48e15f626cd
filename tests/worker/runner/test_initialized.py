"""When an init may be left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from stackly_engine import slices
from stackly_worker.runner import init_reads
from stackly_worker.runner.initialized import Initialization, covered, light, pinned, portable
from stackly_worker.runner.shelf import Shelf
from stackly_worker.runner.terraform import Engine, Mirrors, Settings

NULL = "registry.terraform.io/hashicorp/null"
LOCK = f'provider "{NULL}" {{\n  version = "3.2.4"\n}}\n'
ENGINE = Engine(("/usr/bin/terraform",), "terraform", "1.11.4")


def _state(*providers: str) -> bytes:
    resources = [{"provider": f'provider["{name}"]', "type": "a", "name": "b", "instances": []} for name in providers]
    return json.dumps({"version": 4, "serial": 1, "lineage": "l", "outputs": {}, "resources": resources}).encode()


def _read(*providers: str) -> dict[str, Any]:
    return slices.parse(_state(*providers))


def _modules(folder: Path, *sources: str) -> Path:
    (folder / "modules").mkdir()
    listed = [{"Key": "", "Source": "", "Dir": "."}]
    listed += [{"Key": str(at), "Source": source, "Dir": "x"} for at, source in enumerate(sources)]
    (folder / "modules" / "modules.json").write_text(json.dumps({"Modules": listed}))
    return folder


@pytest.mark.parametrize(
    ("sources", "lock", "locked", "good"),
    [
        ((), "", False, True),
        (("./a", "../b"), "", False, True),
        (("./a", "registry.terraform.io/x/y/z"), "", False, False),
        (("git::https://host/x.git",), LOCK, True, False),
        (("./a",), LOCK, True, True),
        (("./a",), LOCK, False, False),  # the next init might choose a newer provider
    ],
)
def test_pinned_only_when_nothing_can_move(
    tmp_path: Path, sources: tuple[str, ...], lock: str, locked: bool, good: bool
) -> None:
    file = tmp_path / ".terraform.lock.hcl"
    if lock:
        file.write_text(lock)
    assert pinned(_modules(tmp_path, *sources), file, locked=locked) is good


def test_a_provider_that_only_the_state_knows_asks_for_an_init(tmp_path: Path) -> None:
    lock = tmp_path / ".terraform.lock.hcl"
    assert covered(None, lock)
    assert covered(_read("terraform.io/builtin/terraform"), lock)
    assert not covered(_read(NULL), lock)
    lock.write_text(LOCK)
    assert covered(_read(NULL), lock)
    assert not covered(_read(NULL, "registry.terraform.io/hashicorp/local"), lock)


def test_any_other_circumstance_is_another_initialization(tmp_path: Path) -> None:
    lock = tmp_path / ".terraform.lock.hcl"

    def made(**other: str) -> str:
        mirrors = Mirrors(direct=other.get("mirrors") is None)
        settings = Settings(root=tmp_path, home=tmp_path / "home", mirrors=mirrors)
        engine = Engine(ENGINE.command, "terraform", other.get("engine", "1.11.4"))
        environment = {"TF_CLI_ARGS_init": other.get("environment", "")}
        return Initialization.of(
            other.get("code", "c"), other.get("root", "."), engine, settings, environment, lock
        ).to_text()

    base = made()
    assert made() == base
    for name in ("mirrors", "engine", "environment", "code", "root"):
        assert made(**{name: "another"}) != base
    lock.write_text(LOCK)
    assert made() != base


def test_what_is_light_and_what_is_good_elsewhere(tmp_path: Path) -> None:
    lock = tmp_path / ".terraform.lock.hcl"
    assert portable(lock)
    assert light(None, lock)
    assert not light(b" " * (1024**2 + 1), lock)
    lock.write_text(LOCK)
    assert not portable(lock)
    assert not light(None, lock)


def _made(folder: Path, code: str) -> Initialization:
    settings = Settings(root=folder, home=folder / "home")
    environment = {"HOME": str(folder), "TF_DATA_DIR": str(folder / "data")}
    return Initialization.of(code, ".", ENGINE, settings, environment, folder / ".terraform.lock.hcl")


def test_the_code_of_a_tree_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "text").write_text('resource "a" "b" {}\n')
    (tmp_path / "app" / "link.tf").symlink_to("../text")
    seen = {init_reads.digest(tmp_path)}
    for name, text in (("text", 'resource "c" "b" {}\n'), ("app/main.tf", 'module "x" {\n  source = "./x"\n}\n')):
        (tmp_path / name).write_text(text)
        seen.add(init_reads.digest(tmp_path))
    (tmp_path / "other").symlink_to("app")
    assert len({*seen, init_reads.digest(tmp_path)}) == 4
    for name in (".terraform/modules/a/main.tf", ".stackly-1/main.tf", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert init_reads.digest(tmp_path) not in seen
    assert len({*seen, init_reads.digest(tmp_path)}) == 4


def test_an_initialization_is_laid_into_another_place(tmp_path: Path) -> None:
    shelf, one, other = Shelf(tmp_path / "shelf"), tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    _modules(one, "./a")
    (one / "terraform.tfstate").write_text('{"backend": {}}')
    assert not shelf.lay(_made(other, "c"), other)
    shelf.put(_made(one, "c"), one)
    assert not shelf.lay(_made(other, "d"), other)
    assert shelf.lay(_made(other, "c"), other)
    for name in ("terraform.tfstate", "modules/modules.json"):
        assert (other / name).read_text() == (one / name).read_text()


def test_a_shelf_keeps_the_newest_and_minds_no_torn_file(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    (tmp_path / "terraform.tfstate").write_text("{}")
    for number in range(120):
        shelf.put(_made(tmp_path, str(number)), tmp_path)
    assert len(list(shelf.folder.iterdir())) == 100
    assert shelf.lay(_made(tmp_path, "119"), tmp_path)
    for file in shelf.folder.iterdir():
        file.write_text("[")
    assert not shelf.lay(_made(tmp_path, "119"), tmp_path)

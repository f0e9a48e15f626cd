"""A module from a branch that moves between plan and apply, or plan and plan again: what is applied is what was planned."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from flows.repository import git
from stackly_worker.runner import limits
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.ports import PlanBundle

Make = Callable[..., Batch]
pytestmark = pytest.mark.parametrize("units", [False, True], ids=["whole", "units"])


@dataclass(frozen=True)
class Moving:
    """A repository with a module, whose branch moves. What it says is in its code, or in a file that its code reads.

    Code of a fetched module that reads `path.module` is bound to its place when it is cut.
    """

    folder: Path
    by_file: bool

    def publish(self, word: str) -> None:
        """Its branch is at a module that makes this."""
        self.folder.mkdir(exist_ok=True)
        if not (self.folder / ".git").exists():
            git(self.folder, "init", "--quiet", "--initial-branch=main")
        value = 'file("${path.module}/word")' if self.by_file else f'"{word}"'
        text = f'resource "terraform_data" "x" {{\n  input = {value}\n}}\n'
        (self.folder / "main.tf").write_text(text)
        (self.folder / "word").write_text(word)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--message", word)

    @property
    def code(self) -> str:
        return (
            f'module "m" {{\n  source = "git::file://{self.folder}?ref=main"\n}}\nmodule "l" {{\n  source = "./l"\n}}\n'
        )


@pytest.fixture
def moving(tmp_path: Path, units: bool) -> Moving:
    found = Moving(tmp_path / "origin", by_file=not units)
    found.publish("one")
    return found


def plane_of(moving: Moving) -> MemoryPlane:
    return MemoryPlane({"main.tf": moving.code, "l/main.tf": 'resource "terraform_data" "l" {}\n'})


def made(plane: MemoryPlane) -> Any:
    """What the resource of the moving module holds."""
    state = json.loads(plane.state or b"{}")
    (found,) = (one["instances"][0] for one in state["resources"] if one.get("module") == "module.m")
    return found["attributes"]["input"]["value"]


def digest(plane: MemoryPlane) -> str:
    return sha256(plane.artifact).hexdigest()


async def test_applied_is_what_was_planned_here_and_elsewhere(make_batch: Make, moving: Moving, units: bool) -> None:
    for place in ("stack", "elsewhere"):
        moving.publish(f"planned at {place}")
        plane = plane_of(moving)
        planned = await make_batch(plane, units=units, source_digest=place).plan()
        assert planned.status == "planned", plane.text
        assert plane.plan is not None
        assert plane.plan.artifact == digest(plane)
        moving.publish(f"moved at {place}")
        facts = {"units": units, "source_digest": place, "artifact": digest(plane)}
        applied = await make_batch(plane, place=place, **facts).apply()
        assert applied.status == "applied", plane.text
        assert made(plane) == f"planned at {place}"


async def test_planned_again_is_what_was_planned_first(make_batch: Make, moving: Moving, units: bool) -> None:
    plane = plane_of(moving)
    await make_batch(plane, units=units).plan()
    assert plane.plan is not None
    first = plane.plan
    moving.publish("moved")
    moving.folder.rename(f"{moving.folder}-gone")  # nothing may be fetched any more
    facts = {"units": units, "artifact": digest(plane)}
    for number, place in enumerate(("stack", "elsewhere"), start=2):
        again = await make_batch(plane, place=place, plan_key=f"run-1/{number}/b1", **facts).plan()
        assert again.status == "planned", plane.text
        assert plane.plan.projected == first.projected
        assert plane.plan.artifact == first.artifact
    applied = await make_batch(plane, plan_key="run-1/3/b1", **facts).apply()
    assert applied.status == "applied", plane.text
    assert made(plane) == "one"


async def test_another_run_resolves_anew(make_batch: Make, moving: Moving, units: bool) -> None:
    first, second = plane_of(moving), plane_of(moving)
    await make_batch(first, units=units).plan()
    moving.publish("two")
    await make_batch(second, units=units, plan_key="run-2/1/b1").plan()
    assert digest(first) != digest(second)


async def test_modules_of_the_tree_alone_are_not_sent(make_batch: Make, moving: Moving, units: bool) -> None:
    plane = plane_of(moving)
    plane.files = {"main.tf": 'module "l" {\n  source = "./l"\n}\n', "l/main.tf": plane.files["l/main.tf"]}
    await make_batch(plane, units=units).plan()
    assert plane.plan is not None
    assert (plane.artifact, plane.plan.artifact, PlanBundle.unpack(plane.plan.bundle).lock) == (b"", "", b"")


async def test_too_much_fails_the_plan_in_words(
    make_batch: Make,
    moving: Moving,
    monkeypatch: pytest.MonkeyPatch,
    units: bool,
) -> None:
    monkeypatch.setattr(limits, "ARTIFACT_BYTES", 10)
    plane = plane_of(moving)
    outcome = await make_batch(plane, units=units).plan()
    assert outcome.status == "failed"
    assert outcome.reason == (
        "the modules that were fetched have more than 10 bytes of different files: most in module.m (0 KiB)"
    )

"""A case of the oracle: a root module through a sequence of edits, with what is to be held against Terraform."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provider.cloud import Cloud
from provider.serving import REQUIRED

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Place:
    """Where an event happens: the root's folder, the cloud of its provider, and a way to run Terraform there."""

    folder: Path
    cloud: Cloud
    terraform: Callable[..., str]


@dataclass(frozen=True)
class Step:
    """One edit and the run after it.

    `event`: what happens before the run, to the state or the cloud. `fails`: what both say when they fail (in the plan or the
    apply); the state is compared all the same. `targets`: the whole root cannot be planned at once, so plain Terraform
    applies these first. `restless`: what always runs, so the second run of the engine is not idle. `whole`: the code of
    the reason for which the engine does not cut. `runs`: units that must run, and say why, though nothing may come of it.
    `ordered`: the order of operations in the cloud is compared.
    `shows`: whether the preview is compared (not after a failed step: the engine may be more careful).
    """

    files: Files
    variables: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    event: Callable[[Place], None] | None = None
    fails: str = ""
    targets: tuple[str, ...] = ()
    restless: bool = False
    whole: str = ""
    ordered: bool = False
    runs: tuple[str, ...] = ()
    shows: bool = True


@dataclass(frozen=True)
class Case:
    """`rule`: the paragraph of engine.md or engine-facts that the case is for."""

    name: str
    rule: str
    steps: tuple[Step, ...]
    cloud: bool = field(default=False)


def case(name: str, rule: str, *steps: Step | Files) -> Case:
    """A case of steps or just their files; the test provider is there when any file speaks of it."""
    made = tuple(step if isinstance(step, Step) else Step(step) for step in steps)
    texts = (text if isinstance(text, str) else text.decode("latin-1") for step in made for text in step.files.values())
    cloud = any("testcloud" in text for text in texts)
    return Case(name, rule, tuple(_provided(step) for step in made) if cloud else made, cloud)


def _provided(step: Step) -> Step:
    """Modules and root say where the test provider is from."""
    from dataclasses import replace

    folders = {
        name.rpartition("/")[0]
        for name, text in step.files.items()
        if name.endswith(".tf") and "testcloud" in str(text)
    }
    added = {f"{folder}/required.tf".lstrip("/"): REQUIRED for folder in folders | {""}}
    said = any("required_providers" in str(text) for text in step.files.values())
    return step if said else replace(step, files={**added, **step.files})


def root(text: str, **modules: str) -> dict[str, str]:
    """A root of one file and its modules: `source = "./name"` finds the code of the argument `name`."""
    return {"main.tf": text, **{f"{name}/main.tf": code for name, code in modules.items()}}

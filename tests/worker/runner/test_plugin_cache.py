"""A provider cache that places share: one `init` at a time, and nobody waits who does not use it."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.control_plane import MemoryPlane
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.plugin_cache import VARIABLE, held
from stackly_worker.runner.terraform import Engine

CODE = 'resource "terraform_data" "one" {}\n'
NOTING = """#!/bin/sh
if [ "$1" = init ]; then echo begin >> {notes}; {terraform} "$@"; rc=$?; echo end >> {notes}; exit $rc; fi
exec {terraform} "$@"
"""


class StopError(Exception):
    """What a wait may be ended by."""


async def stop() -> None:
    raise StopError


async def test_a_held_cache_is_waited_for_and_others_are_free(tmp_path: Path) -> None:
    cache = {VARIABLE: str(tmp_path / "cache")}
    async with held(cache, stop):
        async with held({}, stop), held({VARIABLE: str(tmp_path / "other")}, stop):
            pass
        with pytest.raises(StopError):
            async with held(cache, stop):
                raise AssertionError("two at a time")
    async with held(cache, stop):
        pass


async def test_places_initialize_one_after_another(
    make_batch: Callable[..., Batch], tmp_path: Path, engine: Engine
) -> None:
    notes, program = tmp_path / "notes", tmp_path / "noting"
    program.write_text(NOTING.format(notes=notes, terraform=shutil.which("terraform")))
    program.chmod(0o700)
    noting = Engine((str(program),), engine.product, engine.version)
    planes = [MemoryPlane({"main.tf": CODE}) for _ in range(3)]
    batches = [
        replace(make_batch(plane, f"place-{at}", environment={VARIABLE: str(tmp_path / "cache")}), engine=noting)
        for at, plane in enumerate(planes)
    ]
    outcomes = await asyncio.gather(*(batch.plan() for batch in batches))
    assert [outcome.status for outcome in outcomes] == ["planned"] * 3, planes[0].text
    assert notes.read_text().split() == ["begin", "end"] * 3

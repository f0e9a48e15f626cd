"""What the runner's tests share: a fresh place, the real Terraform, batches over a plane in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import MemoryPlane
from stackly_worker.runner.batch import Batch
from stackly_worker.runner.batch_spec import BatchSpec
from stackly_worker.runner.place import Place
from stackly_worker.runner.terraform import Engine, find_engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find_engine()


@pytest.fixture
def make_batch(tmp_path: Path, engine: Engine) -> Callable[..., Batch]:
    """Batches of one stack; each call a new folder."""
    counter = iter(range(1000))

    def make(plane: MemoryPlane, place: str = "stack", **spec: Any) -> Batch:
        facts = {"plan_key": "run-1/1/b1", "root": ".", "source_digest": "s", "hash_key": b"k"} | spec
        folder = tmp_path / f"batch-{next(counter)}"
        return Batch(BatchSpec(**facts), Place(tmp_path / place), folder, engine, plane)

    return make

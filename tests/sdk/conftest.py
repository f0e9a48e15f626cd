"""A fake Stackly for each test, and an environment without a user's settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.stackly_world import FakeStackly


@pytest.fixture
def api() -> Iterator[FakeStackly]:
    """Running, on a free port, plain on loopback."""
    fake = FakeStackly()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME is empty, and nothing of STACKLY_* is set."""
    for name in [name for name in os.environ if name.startswith(("STACKLY_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path

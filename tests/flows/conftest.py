"""One platform for all flows, and a fresh repository for each test."""

import tempfile
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from flows.job import Job
from flows.platform import Platform, started
from stackly_sdk import AsyncStackly


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed flow shows the end of what each program said."""
    report = yield
    platform = item.funcargs.get("platform") or getattr(item.funcargs.get("job"), "platform", None)
    if report.failed and isinstance(platform, Platform):
        report.sections += [(f"end of {name}", text) for name, text in platform.last_words()]
    return report


@pytest.fixture(scope="session")
async def platform() -> AsyncIterator[Platform]:
    """All programs as real processes; a test that kills one sees to it that it is back."""
    with tempfile.TemporaryDirectory(prefix="stackly-flow-", ignore_cleanup_errors=True) as folder:
        found = await started(Path(folder) / "home")
        yield found
        assert found.stop() == 0


@pytest.fixture(scope="session")
async def owner(platform: Platform) -> AsyncIterator[AsyncStackly]:
    async with platform.client() as client:
        yield client


@pytest.fixture
async def job(platform: Platform, owner: AsyncStackly, tmp_path: Path) -> Job:
    """Pushes and runs of this test, in a repository of its own."""
    return Job(platform, owner, await platform.repository(owner), tmp_path)

"""One resident reader for all tests of HCL."""

from collections.abc import AsyncIterator

import pytest

from stackly_server.hcl.reader import HclReader


@pytest.fixture(scope="session")
async def reader() -> AsyncIterator[HclReader]:
    """The real child process."""
    reader = HclReader()
    yield reader
    await reader.close()

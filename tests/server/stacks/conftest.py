"""One resident reader for all tests of HCL."""

from collections.abc import AsyncIterator

import pytest

from pushing import hcl_reader, world
from stackly_server.hcl.reader import HclReader

__all__ = ["hcl_reader", "world"]


@pytest.fixture(scope="session")
async def reader() -> AsyncIterator[HclReader]:
    """The real child process."""
    reader = HclReader()
    yield reader
    await reader.close()

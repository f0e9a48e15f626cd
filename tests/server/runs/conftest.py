"""The runs room with everything below it."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from pushing import World, hcl_reader, world
from server.runs.desk import Desk, sit_down

if TYPE_CHECKING:
    from stackly_server.app import Ground

__all__ = ["hcl_reader", "world"]


@pytest.fixture
async def desk(ground: "Ground", world: World) -> AsyncIterator[Desk]:
    from stackly_server.app import rooms

    async with rooms(ground) as into:
        yield await sit_down(world, into)

"""A look in one trip that is broken off or fails leaves no connection that others stumble over."""

import asyncio
from random import Random

import psycopg
import pytest

from server.runs.desk import Desk

SLOW = "SELECT pg_sleep(0.01), %(n)s::int"


async def test_looks_that_are_canceled_at_any_moment_leave_the_pool_usable(desk: Desk) -> None:
    database, tenant, random = desk.world.ground.database, desk.me.tenant, Random(7)
    for _ in range(30):
        looks = [asyncio.create_task(database.glance(tenant, SLOW, {"n": n})) for n in range(4)]
        await asyncio.wait(looks, timeout=random.uniform(0, 0.02))
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
        async with database.read(tenant) as conn:
            cursor = await conn.execute("SELECT current_setting('stackly.account')")
            assert await cursor.fetchone() == (str(tenant),)


async def test_a_look_that_fails_leaves_the_pool_usable_and_sees_one_account(desk: Desk) -> None:
    database, tenant = desk.world.ground.database, desk.me.tenant
    with pytest.raises(psycopg.errors.DivisionByZero):
        await database.glance(tenant, "SELECT 1 / %(n)s::int", {"n": 0})
    for _ in range(20):
        assert await database.glance(tenant, "SELECT current_setting('stackly.account'), %(n)s::int", {"n": 1}) == [
            (str(tenant), 1)
        ]

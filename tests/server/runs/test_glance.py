"""A look in one trip that is broken off or fails leaves no connection that others stumble over."""

import asyncio
from random import Random

import psycopg
import pytest

from server.runs.desk import Desk

STATEMENTS = ("SELECT 0, %(n)s::int", "SELECT 1, %(n)s::int", "SELECT 2, %(n)s::int", "SELECT 3, %(n)s::int")
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


async def test_a_look_finds_its_statement_again_after_a_rollback(desk: Desk) -> None:
    database, tenant = desk.world.ground.database, desk.me.tenant
    for turn in range(3):
        for _ in range(20):
            assert await database.glance(tenant, "SELECT %(n)s::int", {"n": turn}) == [(turn,)]
        for _ in range(20):  # each connection of the pool
            with pytest.raises(psycopg.errors.DivisionByZero):
                await _rolled_back(desk)


async def test_looks_and_rollbacks_in_any_order_find_their_statements(desk: Desk) -> None:
    database, tenant, random = desk.world.ground.database, desk.me.tenant, Random(11)
    for _ in range(300):
        if random.random() < 0.2:
            with pytest.raises(psycopg.errors.DivisionByZero):
                await _rolled_back(desk)
        n = random.randrange(4)
        assert await database.glance(tenant, STATEMENTS[n], {"n": n}) == [(n, n)]


async def _rolled_back(desk: Desk) -> None:
    """Psycopg forgets all that is prepared when it rolls back, if it prepared something itself."""
    async with desk.world.ground.database.read(desk.me.tenant) as conn:
        await conn.execute("SELECT 1", prepare=True)
        await conn.execute("SELECT 1 / 0")


@pytest.mark.parametrize("word", ["it's", "a\\'b", "%(n)s", "$1; SELECT 2 --", "ä\n"])
async def test_a_look_asks_with_any_word(desk: Desk, word: str) -> None:
    asked = desk.world.ground.database.glance(desk.me.tenant, "SELECT %(word)s::text, %(word)s::text", {"word": word})
    assert await asked == [(word, word)]


async def test_a_look_refuses_a_word_that_postgres_cannot_hold(desk: Desk) -> None:
    with pytest.raises(psycopg.DataError):
        await desk.world.ground.database.glance(desk.me.tenant, "SELECT %(word)s::text", {"word": "a\0b"})

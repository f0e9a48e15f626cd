"""Refresh tokens as a state machine: whatever order they are used in, a thief and the owner cannot both go on."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import FreshDatabase, Tenant
from stackly_server.access import Kind, Subject
from stackly_server.accounts import key_store
from stackly_server.accounts.model import Family
from stackly_server.app import Ground


@dataclass
class Model:
    """What a family should do: `counter` is its newest token, `rotated` when it became so."""

    counter: int = 1
    rotated: float = 0.0
    dead: bool = False
    now: float = 0.0

    def use(self, counter: int) -> int | None:
        if self.dead:
            return None
        if counter == self.counter:
            self.counter, self.rotated = counter + 1, self.now
            return self.counter
        if counter == self.counter - 1 and self.now - self.rotated < 30:
            return self.counter
        self.dead = True
        return None


steps = st.lists(
    st.one_of(st.tuples(st.just("use"), st.integers(1, 5)), st.tuples(st.just("pass"), st.sampled_from([10, 40])))
)


@pytest.fixture
async def api_key_id(dev: Tenant) -> UUID:
    return UUID(dev.api_key.split("_")[1])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_like_the_model(
    ground: Ground, dev: Tenant, api_key_id: UUID, fresh_database: FreshDatabase, steps: list[tuple[str, int]]
) -> None:
    family = Family(dev.account_id, uuid4(), 1, ground.clock.now() + timedelta(days=1))
    subject = Subject(Kind.SYSTEM, dev.account_id, actor="system")
    async with ground.database.transaction(subject) as tx:
        await key_store.insert_family(tx.conn, family, "ann", api_key_id)
    model = Model()
    for step, number in steps:
        if step == "pass":
            model.now += number
            await _age(fresh_database, family.id, number)
            continue
        wanted = model.use(number)
        async with ground.database.transaction(subject) as tx:
            found = await key_store.rotate_family(tx.conn, family.id, number, 30)
            if found is None:
                await key_store.revoke_family(tx.conn, family.id)
        assert (found.counter if found else None) == wanted


async def _age(database: FreshDatabase, family_id: UUID, seconds: int) -> None:
    def age() -> Any:
        statement = "UPDATE token_families SET rotated_at = rotated_at - make_interval(secs => %s) WHERE id = %s"
        with psycopg.connect(database.super_url, autocommit=True) as conn:
            return conn.execute(statement, (seconds, family_id))

    await asyncio.to_thread(age)

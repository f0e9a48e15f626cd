"""The relay: at least once, in order, given up aloud; and exactly one workflow when it dies between call and mark."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import pytest

from api import FreshDatabase, Tenant
from stackly_server.access import system
from stackly_server.dev.parts.temporal import Temporal as TemporalServer
from stackly_server.errors import Unavailable
from stackly_server.limits import OUTBOX_ATTEMPTS_MAX
from stackly_server.outside.temporal import Temporal
from stackly_server.relay import Handler, Relay, backoff
from waiting import until

if TYPE_CHECKING:
    from stackly_server.app import Ground


@asynccontextmanager
async def running(ground: "Ground", handlers: Mapping[str, Handler], relays: int = 1) -> AsyncIterator[None]:
    made = [Relay(ground.database, ground.hub, handlers, Random(1)) for _ in range(relays)]
    tasks = [asyncio.create_task(relay.run()) for relay in made]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(relay.finish(5) for relay in made))


async def send(ground: "Ground", tenant: Tenant, *lines: tuple[str, str, int]) -> None:
    async with ground.database.transaction(system(tenant.account_id)) as tx:
        for kind, key, number in lines:
            tx.send(kind, key, {"number": number})


def open_lines(database: FreshDatabase) -> int:
    with psycopg.connect(database.super_url, autocommit=True) as conn:
        row = conn.execute("SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL").fetchone()
    assert row is not None
    return int(row[0])


async def clear(database: FreshDatabase) -> None:
    """Founding an account leaves a line of its own."""
    with psycopg.connect(database.super_url, autocommit=True) as conn:
        conn.execute("DELETE FROM outbox")


async def test_lines_of_a_key_keep_their_order_while_relays_compete(
    ground: "Ground", dev: Tenant, fresh_database: FreshDatabase
) -> None:
    await clear(fresh_database)
    heard: list[tuple[str, int]] = []
    busy: set[str] = set()

    async def note(_account_id: UUID, payload: Mapping[str, Any]) -> None:
        key = "a" if payload["number"] < 100 else "b"
        assert key not in busy
        busy.add(key)
        await asyncio.sleep(0)
        heard.append((key, payload["number"]))
        busy.discard(key)

    async with running(ground, {"note": note}, relays=3):
        await send(ground, dev, *(("note", "a", number) for number in range(10)))
        await send(ground, dev, *(("note", "b", 100 + number) for number in range(10)))
        await until(lambda: len(heard) == 20)
    assert [number for key, number in heard if key == "a"] == list(range(10))
    assert [number for key, number in heard if key == "b"] == list(range(100, 110))
    assert open_lines(fresh_database) == 0


async def test_a_failed_call_is_made_again_before_those_after_it(
    ground: "Ground", dev: Tenant, fresh_database: FreshDatabase
) -> None:
    await clear(fresh_database)
    heard: list[int] = []

    async def note(_account_id: UUID, payload: Mapping[str, Any]) -> None:
        heard.append(payload["number"])
        if heard == [1]:
            raise Unavailable("TEMPORAL_UNAVAILABLE", "not now")

    async with running(ground, {"note": note}):
        await send(ground, dev, ("note", "a", 1), ("note", "a", 2))
        await until(lambda: len(heard) == 3)
    assert heard == [1, 1, 2]


async def test_a_line_of_an_unknown_kind_waits_for_a_relay_that_knows_it(
    ground: "Ground", dev: Tenant, fresh_database: FreshDatabase
) -> None:
    await clear(fresh_database)
    heard: list[int] = []

    async def note(_account_id: UUID, payload: Mapping[str, Any]) -> None:
        heard.append(payload["number"])

    await send(ground, dev, ("newer", "a", 1), ("note", "b", 2))
    async with running(ground, {"note": note}):
        await until(lambda: heard == [2])
    assert open_lines(fresh_database) == 1
    async with running(ground, {"note": note, "newer": note}):
        await until(lambda: heard == [2, 1])


async def test_a_line_that_never_succeeds_is_given_up_aloud(
    ground: "Ground", dev: Tenant, fresh_database: FreshDatabase
) -> None:
    await clear(fresh_database)
    heard: list[int] = []

    async def note(_account_id: UUID, payload: Mapping[str, Any]) -> None:
        heard.append(payload["number"])
        if payload["number"] == 1:
            raise ValueError("a secret text of a driver")

    await send(ground, dev, ("note", "a", 1), ("note", "a", 2))
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE outbox SET attempts = %s WHERE payload = '{\"number\": 1}'", (OUTBOX_ATTEMPTS_MAX - 1,))
        async with running(ground, {"note": note}):
            await until(lambda: heard == [1, 2])
        dead = conn.execute("SELECT attempts, last_error FROM outbox WHERE dead_at IS NOT NULL").fetchall()
        told = conn.execute("SELECT subject, facts FROM events WHERE type = 'outbox.abandoned'").fetchall()
    assert dead == [(OUTBOX_ATTEMPTS_MAX, "ValueError")]
    assert told == [("accounts/dev", {"line": "note", "key": "a", "attempts": str(OUTBOX_ATTEMPTS_MAX)})]


async def test_a_lease_that_is_over_lets_another_relay_take_the_line(
    ground: "Ground", dev: Tenant, fresh_database: FreshDatabase
) -> None:
    await clear(fresh_database)
    await send(ground, dev, ("note", "a", 1))
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE outbox SET attempts = 1, claimed_until = now() + interval '1 hour'")
        heard: list[int] = []

        async def note(_account_id: UUID, payload: Mapping[str, Any]) -> None:
            heard.append(payload["number"])

        async with running(ground, {"note": note}):
            await send(ground, dev, ("note", "b", 2))
            await until(lambda: heard == [2])
            conn.execute("UPDATE outbox SET claimed_until = now() WHERE key = 'a'")
            await until(lambda: heard == [2, 1])


def test_the_back_off_doubles_and_ends() -> None:
    random = Random(7)
    for attempts in range(1, OUTBOX_ATTEMPTS_MAX + 1):
        middle = min(120.0, 0.1 * 2 ** (attempts - 1))
        assert middle / 2 <= backoff(attempts, random) <= middle * 1.5


@pytest.mark.parametrize("point", ["relay.after_claim", "relay.after_call"])
async def test_a_relay_killed_in_the_middle_leaves_exactly_one_workflow(
    point: str,
    ground: "Ground",
    dev: Tenant,
    namespace: str,
    sealed: Temporal,
    temporal: TemporalServer,
    fresh_database: FreshDatabase,
) -> None:
    await clear(fresh_database)
    await send(ground, dev, ("start", "run/1", 1))
    program = Path(__file__).with_name("start_once.py")
    killed = await asyncio.create_subprocess_exec(
        sys.executable, str(program), fresh_database.app_url, temporal.address, namespace,
        env={"STACKLY_CRASH": point, "PATH": ""}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert await killed.wait() == -signal.SIGKILL
    assert open_lines(fresh_database) == 1
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE outbox SET claimed_until = now()")

    async def start(account_id: UUID, payload: Mapping[str, Any]) -> None:
        await sealed.start(account_id, namespace, "EchoWorkflow", "word", f"run/{payload['number']}/plan/1")

    async with running(ground, {"start": start}):
        await until(lambda: open_lines(fresh_database) == 0)
    client = await sealed.client(namespace, dev.account_id)
    found: list[str] = []
    for _ in range(500):  # visibility follows
        found = [each.id async for each in client.list_workflows("WorkflowType = 'EchoWorkflow'")]
        if found:
            break
        await asyncio.sleep(0.01)
    assert found == ["run/1/plan/1"]

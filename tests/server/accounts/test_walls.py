"""Between accounts: row security on every table, and the chain of the audit log."""

import hashlib
import json

import psycopg
import pytest
from psycopg import sql

from api import FreshDatabase, Tenant
from stackly_server.accounts.model import temporal_namespace
from stackly_server.app import Ground


def tables(url: str) -> list[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return [name for (name,) in rows if name != "schema_migrations"]


async def test_another_account_sees_no_row(
    ground: Ground, dev: Tenant, rival: Tenant, fresh_database: FreshDatabase
) -> None:
    filled = 0
    for table in tables(fresh_database.super_url):
        rows = sql.SQL("SELECT count(*) FROM {} WHERE account_id = %s").format(sql.Identifier(table))
        with psycopg.connect(fresh_database.super_url) as conn:
            filled += bool((conn.execute(rows, (dev.account_id,)).fetchone() or (0,))[0])
        async with ground.database.read(dev.account_id) as conn_dev:
            own = await (
                await conn_dev.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            ).fetchone()
        async with ground.database.read(rival.account_id) as conn_rival:
            seen = await (await conn_rival.execute(rows, (dev.account_id,))).fetchone()
        assert own is not None
        assert seen == (0,), table
    assert filled >= 9  # accounts, heads, routes, members, keys, api keys, namespaces, events, audit, outbox


async def test_without_a_tenant_nothing_is_read(dev: Tenant, fresh_database: FreshDatabase) -> None:
    for table in set(tables(fresh_database.super_url)) - {"routes", "outbox"}:
        with psycopg.connect(fresh_database.app_url) as conn, pytest.raises(psycopg.Error):
            conn.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
    with psycopg.connect(fresh_database.app_url) as conn:
        for table in ("routes", "outbox"):
            assert conn.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall() == []


async def test_a_row_cannot_be_written_for_another_account(ground: Ground, dev: Tenant, rival: Tenant) -> None:
    statement = "INSERT INTO routes (kind, key, account_id) VALUES ('account', 'stolen', %s)"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with ground.database.transaction(rival.subject()) as tx:
            await tx.conn.execute(statement, (dev.account_id,))
    async with ground.database.transaction(rival.subject()) as tx:
        await tx.conn.execute(statement, (rival.account_id,))


async def test_the_audit_chain(ground: Ground, dev: Tenant, fresh_database: FreshDatabase) -> None:
    for number in range(3):
        async with ground.database.transaction(dev.subject()) as tx:
            tx.tell("member.updated", f"accounts/dev/members/m{number}", roles="viewer")
    with psycopg.connect(fresh_database.super_url) as conn:
        entries = conn.execute(
            "SELECT sequence, hash, body FROM audit_entries WHERE account_id = %s ORDER BY sequence", (dev.account_id,)
        ).fetchall()
        head = conn.execute(
            "SELECT audit_sequence, audit_hash FROM account_heads WHERE account_id = %s", (dev.account_id,)
        ).fetchone()
    assert [entry[0] for entry in entries] == [1, 2, 3, 4, 5, 6]
    before = b"\x00"
    for sequence, link, body in entries:
        before = hashlib.sha256(before + sequence.to_bytes(8, "big") + body).digest()
        assert before == link
        assert json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == body
    assert head == (6, before)
    assert json.loads(entries[-1][2])["actor"] == "accounts/dev/members/ann"


async def test_the_app_role_cannot_rewrite_the_log(ground: Ground, dev: Tenant) -> None:
    for statement in ("UPDATE audit_entries SET body = ''", "DELETE FROM audit_entries", "DELETE FROM events"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with ground.database.transaction(dev.subject()) as tx:
                await tx.conn.execute(statement)


async def test_the_temporal_namespace_follows_from_the_ids(ground: Ground, dev: Tenant) -> None:
    namespace = await ground.namespaces.by_name(dev.subject())
    assert namespace.id == dev.namespace_id
    assert namespace.temporal_namespace == temporal_namespace(dev.account_id, dev.namespace_id)
    digest = hashlib.sha256(dev.account_id.bytes + dev.namespace_id.bytes).hexdigest()
    assert namespace.temporal_namespace == f"s-{digest[:12]}"
    assert await ground.routes.find("namespace", namespace.temporal_namespace) == dev.account_id
    assert await ground.routes.account_by_name("dev") == dev.account_id
    assert await ground.routes.account_by_name("nobody") is None

"""Data keys: wrapped by OpenBao, kept in Postgres, bound to account, purpose and place."""

import psycopg
import pytest

from api import FreshDatabase, Tenant
from stackly_server.accounts.keys import PURPOSES, Keys
from stackly_server.app import Ground
from stackly_server.errors import NotNow, Unavailable
from stackly_server.outside.vault import Vault
from stackly_server.sealing import BrokenSealError


async def test_sealed_for_one_place(ground: Ground, dev: Tenant, rival: Tenant) -> None:
    keys = ground.keys
    sealed = await keys.seal(dev.account_id, "state", "state/1/7", b"secret")
    assert b"secret" not in sealed
    assert await keys.open(dev.account_id, "state", "state/1/7", sealed) == b"secret"
    for account, purpose, place in (
        (rival.account_id, "state", "state/1/7"),
        (dev.account_id, "log", "state/1/7"),
        (dev.account_id, "state", "state/1/8"),
    ):
        with pytest.raises(BrokenSealError):
            await keys.open(account, purpose, place, sealed)
    with pytest.raises(BrokenSealError):
        await keys.open(dev.account_id, "state", "state/1/7", sealed[:-1] + bytes([sealed[-1] ^ 1]))


async def test_each_purpose_has_its_key(ground: Ground, dev: Tenant, rival: Tenant) -> None:
    found = [await ground.keys.current(tenant.account_id, each) for tenant in (dev, rival) for each in PURPOSES]
    assert {key.version for key in found} == {1}
    assert len({key.key for key in found}) == 2 * len(PURPOSES)


async def test_rotation_keeps_what_was_sealed(ground: Ground, dev: Tenant) -> None:
    keys, elsewhere = ground.keys, Keys(ground.database, ground.vault, ground.clock)
    old = await keys.seal(dev.account_id, "log", "log/1", b"before")
    await elsewhere.current(dev.account_id, "log")  # holds version 1 only
    assert await keys.rotate(dev.account_id, "log") == 2
    new = await keys.seal(dev.account_id, "log", "log/1", b"after")
    assert [key.version for key in await keys.all(dev.account_id, "log")] == [2, 1]
    for opener in (keys, elsewhere):  # the other process looks again when it meets a version it does not know
        assert await opener.open(dev.account_id, "log", "log/1", old) == b"before"
        assert await opener.open(dev.account_id, "log", "log/1", new) == b"after"


async def test_a_key_that_is_gone(ground: Ground, dev: Tenant, fresh_database: FreshDatabase) -> None:
    sealed = await ground.keys.seal(dev.account_id, "plan", "plan/1", b"x")
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("DELETE FROM account_keys WHERE purpose = 'plan'")
    with pytest.raises(NotNow) as caught:
        await Keys(ground.database, ground.vault, ground.clock).open(dev.account_id, "plan", "plan/1", sealed)
    assert caught.value.reason == "KEY_VERSION_GONE"


async def test_a_wrapped_key_opens_in_its_own_account_only(
    ground: Ground, dev: Tenant, rival: Tenant, fresh_database: FreshDatabase
) -> None:
    """Whoever can write our database cannot make another account's key its own."""
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute(
            """
            UPDATE account_keys AS mine SET wrapped = theirs.wrapped FROM account_keys AS theirs
            WHERE mine.account_id = %s AND theirs.account_id = %s
                AND mine.purpose = 'state' AND theirs.purpose = 'state'
            """,
            (rival.account_id, dev.account_id),
        )
    with pytest.raises(Exception, match=r"cipher|decrypt|authentication"):
        await ground.keys.current(rival.account_id, "state")
    await ground.keys.current(dev.account_id, "state")


async def test_without_vault(ground: Ground, dev: Tenant) -> None:
    settings = ground.settings
    away = Vault("http://127.0.0.1:9", settings.vault_role_id, settings.vault_secret_id_file)
    with pytest.raises(Unavailable) as caught:
        await away.open()
    assert (caught.value.reason, caught.value.retry_after) == ("VAULT_UNAVAILABLE", 1.0)
    await away.close()

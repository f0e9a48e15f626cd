"""Making an account: `stackly-server admin account create`."""

from dataclasses import dataclass, field
from uuid import UUID

from stackly_server.access import ROLES, system
from stackly_server.accounts import store
from stackly_server.accounts.keys import Keys, keep_first_keys
from stackly_server.accounts.model import ID, LABEL, temporal_namespace
from stackly_server.accounts.namespaces import DEFAULT
from stackly_server.accounts.service import keep_api_key, mint
from stackly_server.clock import Clock, uuid7
from stackly_server.database import Database
from stackly_server.errors import Invalid


@dataclass(frozen=True, slots=True)
class Founded:
    """A new account: its id, that of its namespace `default`, and the first API key, which is kept nowhere."""

    account_id: UUID
    namespace_id: UUID
    api_key: str = field(repr=False)


async def found(database: Database, keys: Keys, clock: Clock, name: str, owner: str) -> Founded:
    """Makes an account with its owner, data keys, first API key and the namespace `default` (PROVISIONING).

    AlreadyExists when an account has the name; Invalid when a name has not the shape of one.
    """
    if not LABEL.fullmatch(name) or not ID.fullmatch(owner):
        raise Invalid("VALIDATION_FAILED", "Names begin with a letter and hold lower-case letters, digits and hyphens.")
    account_id, namespace_id = uuid7(), uuid7()
    wrapped = await keys.make(account_id)
    key, secret = mint(owner, "first key of the owner", tuple(sorted(ROLES["owner"])), clock.now(), None)
    temporal = temporal_namespace(account_id, namespace_id)
    async with database.transaction(system(account_id, name, "admin.account.create")) as tx:
        await store.insert_account(tx.conn, account_id, name, name)
        await store.insert_route(tx.conn, "account", name, account_id)
        await store.insert_member(tx.conn, account_id, uuid7(), owner, ["owner"], [])
        await keep_first_keys(tx.conn, account_id, wrapped)
        await store.insert_namespace(tx.conn, account_id, namespace_id, DEFAULT, temporal)
        await store.insert_route(tx.conn, "namespace", temporal, account_id)
        await keep_api_key(tx, key, secret)
        tx.send("namespace", f"namespace/{namespace_id}", {"namespace_id": str(namespace_id)})
        tx.tell("account.created", f"accounts/{name}", owner=owner)
        tx.tell("member.added", f"accounts/{name}/members/{owner}", roles="owner")
        tx.tell("api_key.created", f"accounts/{name}/apiKeys/{key.id.hex}", member=owner)
    return Founded(account_id, namespace_id, secret)

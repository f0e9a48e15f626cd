"""Namespaces for other rooms, found by name or id."""

from uuid import UUID

from stackly_server.access import Subject
from stackly_server.accounts import store
from stackly_server.accounts.model import Namespace
from stackly_server.database import Connection, Database
from stackly_server.errors import NotFound

DEFAULT = "default"


class Namespaces:
    """For rooms that hold a name or an id of a namespace of their caller's account."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def by_name(self, subject: Subject, name: str = DEFAULT) -> Namespace:
        """The namespace of that short name (`default`)."""
        async with self._db.read(subject.tenant) as conn:
            found = await store.find_namespace(conn, name)
        if found is None:
            raise NotFound("namespace", f"accounts/{subject.account}/namespaces/{name}")
        return found

    async def by_id(self, account_id: UUID, namespace_id: UUID) -> Namespace:
        """The namespace of that id."""
        async with self._db.read(account_id) as conn:
            return await namespace_in(conn, namespace_id)


async def namespace_in(conn: Connection, namespace_id: UUID) -> Namespace:
    """The namespace, read inside a transaction that is there already."""
    found = await store.find_namespace_by_id(conn, namespace_id)
    if found is None:
        raise NotFound("namespace", str(namespace_id))
    return found


async def account_name(conn: Connection) -> str:
    """The name of the account whose transaction this is."""
    return (await store.account(conn)).name

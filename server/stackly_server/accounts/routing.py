"""Finding the tenant of what comes from outside: an account's name, an API key, a repository, a namespace."""

from uuid import UUID

from stackly_server.accounts import store
from stackly_server.database import Database


class Routes:
    """Look-ups made before the tenant is known. Kinds: account, api_key, repository, join_token, worker, run_token, namespace."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def find(self, kind: str, key: str) -> UUID | None:
        """The account that the key belongs to."""
        async with self._db.scope("routing") as conn:
            return await store.find_route(conn, kind, key)

    async def account_by_name(self, name: str) -> UUID | None:
        """The account of that name."""
        return await self.find("account", name)

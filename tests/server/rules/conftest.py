"""Two accounts, lived in, on one running server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api import database_of_its_own, settings_on
from server.rules.account import Street, lived_in
from server.rules.place import free_address, open_place
from stackly_server.dev.home import Home
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.postgres import Postgres


@pytest.fixture(scope="module")  # not longer: a join token lasts ten minutes, and all tests together last more
async def built(
    postgres: Postgres,
    migrated_template: str,
    openbao: OpenBao,
    parts_home: Home,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Street]:
    folder: Path = tmp_path_factory.mktemp("rules")
    with database_of_its_own(postgres, migrated_template) as database:
        settings = settings_on(database, openbao, parts_home, folder, free_address())
        async with open_place(settings, database, folder / "repositories") as place:
            a = await lived_in(place, "acme", "ann-of-acme", 1)
            b = await lived_in(place, "bolt", "bob-of-bolt", 2)
            yield Street(place, a, b)


@pytest.fixture
def street(built: Street) -> Iterator[Street]:
    yield built
    built.put_back()

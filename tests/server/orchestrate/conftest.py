"""Temporal behind sealed clients, and a namespace made in it."""

from typing import TYPE_CHECKING

import pytest

from api import Tenant
from stackly_server.dev.parts.temporal import Temporal as TemporalServer
from stackly_server.outside.temporal import Temporal

if TYPE_CHECKING:
    from stackly_server.app import Ground


@pytest.fixture
def sealed(ground: "Ground", temporal: TemporalServer) -> Temporal:
    """The control plane's adapter, with the account's keys."""
    return Temporal(temporal.address, ground.keys)


@pytest.fixture
async def namespace(ground: "Ground", dev: Tenant, sealed: Temporal) -> str:
    """The Temporal namespace of the account `dev`, made and tried."""
    async with ground.database.read(dev.account_id) as conn:
        cursor = await conn.execute("SELECT temporal_namespace FROM namespaces WHERE id = %s", (dev.namespace_id,))
        row = await cursor.fetchone()
    assert row is not None
    await sealed.provision(dev.account_id, row[0])
    return str(row[0])

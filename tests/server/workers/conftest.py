"""The registry on real Postgres and OpenBao."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from api import Tenant
from machines import PLANT, Registry
from stackly_server.workers.joining import JoinService
from stackly_server.workers.living import LivingService
from stackly_server.workers.service import WorkerService

if TYPE_CHECKING:
    from stackly_server.app import Ground

Registries = Callable[[Tenant], Registry]


@pytest.fixture
def registries(ground: "Ground") -> Registries:
    def make(tenant: Tenant) -> Registry:
        return Registry(
            JoinService(ground.database, ground.vault, PLANT),
            LivingService(ground.database, ground.hub, ground.vault, PLANT),
            WorkerService(ground.database, ground.vault, ground.keys, PLANT.trust_domain),
            tenant,
        )

    return make


@pytest.fixture
def registry(registries: Registries, dev: Tenant) -> Registry:
    return registries(dev)

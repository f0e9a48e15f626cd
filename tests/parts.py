"""Session fixtures of the embedded parts: real ones, started once, in a home of their own, on free ports.

`tests/conftest.py` names this module in `pytest_plugins`, so every test may ask for them.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackly_server.dev.envoy.edge_settings import Address
from stackly_server.dev.home import Home, open_home
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.envoy import Envoy
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.postgres import Postgres
from stackly_server.dev.parts.temporal import Temporal
from stackly_server.dev.ports import LOOPBACK, Ports, free_ports

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def parts_home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="stackly-test-", ignore_cleanup_errors=True) as folder:
        yield open_home(Path(folder))


@pytest.fixture(scope="session")
def parts_ports() -> Ports:
    return free_ports()


@pytest.fixture(scope="session")
def postgres(parts_home: Home) -> Iterator[Postgres]:
    """`postgres.address.url(role, database)`; `postgres.sql(text, database)` as the superuser."""
    part = Postgres(parts_home)
    bring_up(part)
    yield part
    part.stop()


@pytest.fixture(scope="session")
def openbao(parts_home: Home, parts_ports: Ports, postgres: Postgres) -> Iterator[OpenBao]:
    """`openbao.url`, `openbao.approles["api"].role_id` and `.secret_id_file`."""
    part = OpenBao(parts_home, parts_ports, postgres)
    bring_up(part)
    yield part
    part.stop()


@pytest.fixture(scope="session")
def temporal(parts_home: Home, parts_ports: Ports) -> Iterator[Temporal]:
    """`temporal.address`: host:port, plain."""
    part = Temporal(parts_home, parts_ports)
    bring_up(part)
    yield part
    part.stop()


@pytest.fixture(scope="session")
def envoy(parts_home: Home, parts_ports: Ports, openbao: OpenBao, temporal: Temporal) -> Iterator[Envoy]:
    """`envoy.public_url`, `envoy.front_address`, `envoy.ca`; it looks for the API at `envoy.settings.public.upstream_socket`."""
    part = Envoy(
        parts_home,
        parts_ports,
        openbao,
        api_socket=parts_home.socket_dir("api") / "api.sock",
        descriptors=REPOSITORY / "gen/stackly/descriptors.binpb",
        temporal=Address(LOOPBACK, parts_ports.temporal),
    )
    bring_up(part)
    yield part
    part.stop()

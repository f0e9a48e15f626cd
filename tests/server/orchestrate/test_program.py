"""`stackly-server orchestrate` as a process: ready by its file, gone within five seconds of SIGTERM."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psycopg

from api import FreshDatabase, Tenant
from stackly_server.config import Settings
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.parts.temporal import Temporal as TemporalServer
from waiting import until


def environment(settings: Settings, openbao: OpenBao, temporal: TemporalServer, ready: Path) -> dict[str, str]:
    role = openbao.approles["orchestrate"]
    own = settings.model_copy(
        update={
            "temporal_target": temporal.address,
            "vault_role_id": role.role_id,
            "vault_secret_id_file": role.secret_id_file,
            "ready_file": ready,
        }
    )
    told = own.model_dump(mode="json", exclude={"dev_repository_roots"})
    return {f"STACKLY_{name.upper()}": str(value) for name, value in told.items()}


async def test_it_makes_the_namespace_says_it_is_ready_and_stops_when_told(
    settings: Settings,
    openbao: OpenBao,
    temporal: TemporalServer,
    dev: Tenant,
    fresh_database: FreshDatabase,
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready"
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stackly_server", "orchestrate",
        env=environment(settings, openbao, temporal, ready) | {"PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await until(ready.exists)
    assert ready.read_text() == f"{program.pid}\n"
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        await until(lambda: conn.execute("SELECT 1 FROM namespaces WHERE status = 'ACTIVE'").fetchone())
    began = time.monotonic()
    program.send_signal(signal.SIGTERM)
    _, log = await program.communicate()
    assert program.returncode == 0, log.decode()
    assert time.monotonic() - began < 5
    assert not ready.exists()

"""`stackly-server` as its operator calls it: processes of their own on real parts."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from api import FreshDatabase, reason
from stackly.v1 import auth_service_pb2, auth_service_pb2_grpc
from stackly_server.config import Settings
from waiting import until


def environment(settings: Settings) -> dict[str, str]:
    found = {f"STACKLY_{name.upper()}": str(value) for name, value in settings.model_dump(mode="json").items()}
    for name in ("STACKLY_DEV_REPOSITORY_ROOTS", "STACKLY_READY_FILE"):
        found.pop(name, None)
    return {"PATH": os.environ["PATH"], **found}


def run(settings: Settings, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stackly_server", *words],
        env=environment(settings) | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_migrate(settings: Settings, fresh_database: FreshDatabase) -> None:
    done = run(settings, "migrate", STACKLY_DATABASE_OWNER_URL=fresh_database.owner_url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to apply\n", "")
    missing = run(settings, "migrate")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "STACKLY_DATABASE_OWNER_URL" in missing.stderr
    away = run(settings, "migrate", STACKLY_DATABASE_OWNER_URL="postgresql://nobody@127.0.0.1:1/none")
    assert away.returncode == 1
    assert "Traceback" not in away.stderr


def test_account_create(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "key"
    words = ("admin", "account", "create", "dev", "--owner", "ann", "--api-key-file", str(file))
    made = run(settings, *words)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("stk_")
    again = run(settings, *words)  # the file is there
    assert again.returncode == 1
    file.unlink()
    twice = run(settings, *words)
    assert (twice.returncode, file.exists()) == (1, False)
    assert "ALREADY_EXISTS" in twice.stderr
    shown = run(settings, "admin", "account", "create", "other", "--owner", "bob")
    assert shown.stdout.startswith("stk_")
    bad = run(settings, "admin", "account", "create", "No_Good", "--owner", "bob")
    assert (bad.returncode, "VALIDATION_FAILED" in bad.stderr) == (1, True)


async def test_serve_until_sigterm(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "key"
    run(settings, "admin", "account", "create", "dev", "--owner", "ann", "--api-key-file", str(file))
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(  # noqa: ASYNC220  (starting it takes no time; waiting for it is below)
            [sys.executable, "-m", "stackly_server", "serve"], env=environment(settings), stdout=out, stderr=out
        )
    try:
        await until(settings.public_socket.exists)
        async with grpc.aio.insecure_channel(f"unix:{settings.public_socket}") as channel:
            stub = auth_service_pb2_grpc.AuthServiceStub(channel)
            request = auth_service_pb2.ExchangeTokenRequest(api_key=file.read_text().strip())
            answer = await stub.ExchangeToken(request, wait_for_ready=True, timeout=20)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.WhoAmI(auth_service_pb2.WhoAmIRequest())
            assert reason(caught.value) == "TOKEN_MISSING"
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
    text = log.read_text()
    assert '"code": "OK"' in text
    for secret in (file.read_text().strip(), answer.tokens.access_token, answer.tokens.refresh_token):
        assert secret not in text

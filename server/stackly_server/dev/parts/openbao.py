"""OpenBao on our Postgres: sealed by a key file, set up by itself, entered by AppRoles only."""

import json
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from stackly_server.dev import binaries
from stackly_server.dev.home import Home, write_private
from stackly_server.dev.openbao_config import APPROLES, openbao_config
from stackly_server.dev.part import LocalPart
from stackly_server.dev.parts.postgres import OPENBAO, Postgres
from stackly_server.dev.ports import LOOPBACK, Ports
from stackly_server.dev.problems import PartFailed
from stackly_server.dev.process import Command, clean_environment
from stackly_server.dev.vault_client import VaultClient, VaultRefused

_HTTP_OK = b'"sealed":false'
_SEAL_KEY_BYTES = 32
_SET_UP = "set up"


@dataclass(frozen=True, slots=True)
class AppRole:
    """How one program enters OpenBao: the files (0600) hold one bare value each, no newline."""

    role_id_file: Path
    secret_id_file: Path

    @property
    def role_id(self) -> str:
        return self.role_id_file.read_text(encoding="ascii")

    @property
    def secret_id(self) -> str:
        return self.secret_id_file.read_text(encoding="ascii")


class OpenBao(LocalPart):
    """`url` for hvac, `approles["api"]` and so on for the programs; the mounts are `transit/` and `pki/`."""

    needs = ("postgres",)

    def __init__(self, home: Home, ports: Ports, postgres: Postgres, *, trust_domain: str = "stackly.local") -> None:
        super().__init__("openbao", home)
        self._port = ports.openbao
        self._postgres = postgres
        self._trust_domain = trust_domain
        self.url = f"http://{LOOPBACK}:{ports.openbao}"
        self.approles = {
            name: AppRole(home.secrets / f"{name}.role-id", home.secrets / f"{name}.secret-id") for name in APPROLES
        }

    def command(self) -> Command:
        folder = self.home.data("openbao")
        folder.mkdir(mode=0o700, exist_ok=True)
        if not self._is_set_up():
            self._begin_anew()
        elif not self._seal_key.exists():
            raise PartFailed(self.name, f"its data is there, but the key that opens it is not: {self._seal_key}")
        config = openbao_config(
            port=self._port,
            storage_url=self._postgres.address.url(OPENBAO, OPENBAO),
            seal_key=self._seal_key,
            trust_domain=self._trust_domain,
            role_ids={name: role.role_id for name, role in self.approles.items()},
            secret_ids={name: role.secret_id_file for name, role in self.approles.items()},
        )
        write_private(folder / "openbao.json", json.dumps(config, indent=1))
        argv = (str(binaries.find("bao")), "server", "-config", str(folder / "openbao.json"))
        return Command(argv, clean_environment(self.home.root), folder)

    def answers(self) -> bool:
        try:
            return _HTTP_OK in VaultClient(self._port).get("sys/health")
        except VaultRefused:
            return False

    def ready(self) -> None:
        """Unsealed, and each AppRole can log in: `initialize` is over, and over well."""
        super().ready()
        self._postgres.sql(f"COMMENT ON DATABASE {OPENBAO} IS '{_SET_UP}'")

    def settle(self) -> None:
        """The port opens before `initialize` is over, so the last AppRole of the list is what we wait for."""
        self.wait_until(self._can_log_in, 20.0, " (set-up)")

    def client(self, approle: str) -> VaultClient:
        role = self.approles[approle]
        return VaultClient(self._port).login(role.role_id, role.secret_id)

    def anonymous(self) -> VaultClient:
        """For what OpenBao tells everybody: its health, the CA and the revocation list."""
        return VaultClient(self._port)

    @property
    def _seal_key(self) -> Path:
        return self.home.secrets / "openbao-seal.key"

    def _is_set_up(self) -> bool:
        """The mark lies with the data, so that neither can be lost or restored without the other."""
        mark = f"SELECT 1 FROM pg_database WHERE datname = '{OPENBAO}' AND shobj_description(oid, 'pg_database') = '{_SET_UP}'"  # noqa: S608
        return self._postgres.sql(mark) == "1"

    def _can_log_in(self) -> bool:
        try:
            for name in reversed(APPROLES):
                self.client(name).post("auth/token/revoke-self")
        except VaultRefused:
            return False
        return True

    def _begin_anew(self) -> None:
        """Make keys and ids; drop what an interrupted first start left, which nobody can have used yet."""
        write_private(self._seal_key, secrets.token_hex(_SEAL_KEY_BYTES))
        for role in self.approles.values():
            write_private(role.role_id_file, str(uuid.uuid4()))
            write_private(role.secret_id_file, secrets.token_urlsafe(_SEAL_KEY_BYTES))
        self._postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION openbao", database=OPENBAO)

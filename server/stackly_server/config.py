"""Settings of the server's programs, from STACKLY_*. No other file reads the environment."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What `serve` and `orchestrate` need. Every secret comes from a file; there is no default key."""

    model_config = SettingsConfigDict(env_prefix="STACKLY_", frozen=True, extra="ignore")

    database_url: str = Field(description="Postgres as the app role `stackly_app`, which owns nothing.")
    temporal_target: str = Field(description="Temporal for the control plane, host:port, reachable by it alone.")
    temporal_front: str = Field(description="Temporal for workers, host:port: mTLS, one namespace a certificate.")
    vault_url: str = Field(description="Vault or OpenBao, with Transit at `transit/` and PKI at `pki/`.")
    vault_role_id: str = Field(description="The AppRole of this program.")
    vault_secret_id_file: Path = Field(description="The file that holds the AppRole's secret id, mode 0600.")
    blobs_dir: Path = Field(description="The directory of large objects: states, plans, ended logs.")
    mirrors_dir: Path = Field(description="The directory of Git mirrors; may be deleted at any time.")
    public_socket: Path = Field(description="The unix socket of the public gRPC listener, behind Envoy.")
    worker_listen: str = Field(description="Where the worker listener (mTLS) listens, host:port.")
    worker_address: str = Field(description="The worker listener as workers reach it, host:port.")
    public_url: str = Field(description="Envoy as clients reach it, https://host:port.")
    trust_domain: str = Field(default="stackly.local", description="The trust domain in SPIFFE ids of workers.")
    certificate_seconds: int = Field(
        default=3600, ge=20, le=3600, description="Life of a worker's certificate, in seconds."
    )
    lease_seconds: int = Field(
        default=45, ge=5, le=45, description="How long a worker or runner may be silent, in seconds."
    )
    dev_repository_roots: list[Path] = Field(
        default=[], description="Folders below which file:// repositories are allowed."
    )
    ready_file: Path | None = Field(
        default=None, description="Where `orchestrate` writes its pid once its workers poll; gone when it does not."
    )
    drain_seconds: float = Field(
        default=5.0, ge=0, le=60, description="How long `serve` goes on after SIGTERM, for the proxy to turn away."
    )
    reflection: bool = Field(default=True, description="Whether gRPC reflection answers (callers must be signed in).")
    log_level: str = Field(default="info", description="debug, info, warning or error.")


class MigrateSettings(BaseSettings):
    """What `migrate` needs."""

    model_config = SettingsConfigDict(env_prefix="STACKLY_", frozen=True, extra="ignore")

    database_owner_url: SecretStr = Field(description="Postgres as the owner of the schema.")

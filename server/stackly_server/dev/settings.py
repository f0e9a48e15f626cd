"""The settings of `stackly-server dev`: where it lives, its ports, and which parts are somebody else's."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from stackly_server.dev.ports import DEFAULT_PORT_BASE

_HIGHEST_BASE = 65_000


class DevSettings(BaseSettings):
    """From STACKLY_*. An address that is empty means: start the embedded part."""

    model_config = SettingsConfigDict(env_prefix="STACKLY_", frozen=True, extra="ignore")

    home: Path = Field(
        default=Path("~/.local/share/stackly/dev"), description="All that the platform keeps. Delete it to begin anew."
    )
    port_base: int = Field(
        default=DEFAULT_PORT_BASE, ge=1024, le=_HIGHEST_BASE, description="First of seven loopback ports in a row."
    )
    trust_domain: str = Field(default="stackly.local", description="The trust domain of worker certificates.")
    temporal_target: str = Field(default="", description="host:port of a Temporal front end, plain. Empty: start one.")

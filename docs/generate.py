"""Writes docs/configuration.md from the settings classes of the programs: `python docs/generate.py [--check]`."""

import sys
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from stackly_server.config import MigrateSettings, Settings
from stackly_server.dev.settings import DevSettings
from stackly_worker.config import WorkerSettings

PAGE = Path(__file__).with_name("configuration.md")
PROGRAMS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("`stackly-server serve` and `stackly-server orchestrate`", Settings),
    ("`stackly-server migrate`", MigrateSettings),
    ("`stackly-server dev` (`make dev`)", DevSettings),
    ("`stackly-worker run`", WorkerSettings),
)
_HEAD = """# Configuration

Every program takes its settings from environment variables; secrets come from files. Lists and maps are JSON. This page is
generated from the settings classes by `python docs/generate.py`; a test fails when it is not fresh.

The CLI and the SDK read `STACKLY_ENDPOINT`, `STACKLY_API_KEY`, `STACKLY_CA_FILE`, `STACKLY_ACCOUNT` and `STACKLY_PROFILE`, then
the profile that `stackly login` wrote to `STACKLY_CONFIG` (default `~/.config/stackly/config.toml`, mode 0600).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_program(title, settings) for title, settings in PROGRAMS)])


def _program(title: str, settings: type[BaseSettings]) -> str:
    prefix = settings.model_config.get("env_prefix", "")
    rows = [
        f"| `{(prefix + name).upper()}` | {_default(field)} | {field.description} |"
        for name, field in settings.model_fields.items()
    ]
    return "\n".join([f"## {title}", "| variable | default | meaning |", "| --- | --- | --- |", *rows, ""])


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default in ("", None, [], {}):
        return "none"
    return f"`{field.default}`"


def main() -> int:
    """Writes the page, or with --check says whether it is fresh."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

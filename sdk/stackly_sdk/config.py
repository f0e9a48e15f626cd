"""Where the SDK finds the server and its credentials: arguments, then STACKLY_*, then the profile file."""

import contextlib
import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROFILE_KEYS = ("endpoint", "account", "api_key", "ca_file")


class ConfigError(Exception):
    """The settings are wrong. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client needs to connect. Empty: not known. The API key is never shown."""

    endpoint: str = ""
    account: str = ""
    api_key: str = field(default="", repr=False)
    ca_file: Path | None = None

    def over(self, lower: "Settings") -> "Settings":
        """These settings, with what they leave out taken from `lower`.

        Nothing is taken from settings of another server: its key must not go here.
        """
        if self.endpoint and lower.endpoint and self.endpoint.rstrip("/") != lower.endpoint.rstrip("/"):
            return self
        another_key = bool(self.api_key and lower.api_key and self.api_key != lower.api_key)
        return Settings(
            endpoint=self.endpoint or lower.endpoint,
            account=self.account or ("" if another_key else lower.account),
            api_key=self.api_key or lower.api_key,
            ca_file=self.ca_file or lower.ca_file,
        )


def load(profile: str = "", environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the environment and below it the profile. Raises ConfigError when the profile is missing or broken."""
    known = os.environ if environment is None else environment
    ca_file = known.get("STACKLY_CA_FILE", "")
    given = Settings(
        endpoint=known.get("STACKLY_ENDPOINT", ""),
        account=known.get("STACKLY_ACCOUNT", "").removeprefix("accounts/"),
        api_key=known.get("STACKLY_API_KEY", ""),
        ca_file=Path(ca_file) if ca_file else None,
    )
    if given.endpoint and given.api_key:
        return given
    return given.over(read_profile(config_path(known), profile or known.get("STACKLY_PROFILE", "")))


def config_path(environment: Mapping[str, str] | None = None) -> Path:
    known = os.environ if environment is None else environment
    if named := known.get("STACKLY_CONFIG"):
        return Path(named)
    return (
        Path(known.get("XDG_CONFIG_HOME") or Path(known.get("HOME", "~")).expanduser() / ".config")
        / "stackly/config.toml"
    )


def read_profile(path: Path, name: str = "") -> Settings:
    """The named profile, else the default one; empty settings when there is no file and none was named."""
    document = _document(path)
    profiles: dict[str, Any] = document.get("profiles", {})
    chosen = name or document.get("default", "default")
    if chosen not in profiles:
        if name:
            raise ConfigError(f"there is no profile {name!r} in {path}", "Make it with `stackly --profile NAME login`.")
        return Settings()
    values = profiles[chosen]
    wrong = [key for key, value in values.items() if key not in _PROFILE_KEYS or not isinstance(value, str)]
    if wrong:
        raise ConfigError(f"{path}: profile {chosen!r} has unknown or non-text keys: {', '.join(wrong)}")
    ca_file = values.get("ca_file", "")
    return Settings(**{**values, "ca_file": Path(ca_file) if ca_file else None})


def write_profile(path: Path, name: str, settings: Settings) -> None:
    """Adds or replaces a profile and makes it the default. The file is 0600 and replaced as a whole."""
    document = _document(path)
    values = {
        "endpoint": settings.endpoint,
        "account": settings.account,
        "api_key": settings.api_key,
        "ca_file": str(settings.ca_file or ""),
    }
    profiles = {**document.get("profiles", {}), name: {key: value for key, value in values.items() if value}}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = [f"default = {_text(name)}"]
    for each, kept in sorted(profiles.items()):
        lines += ["", f"[profiles.{_text(each)}]", *(f"{key} = {_text(value)}" for key, value in kept.items())]
    _replace(path, "\n".join(lines) + "\n")


def _replace(path: Path, content: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # 0600 from the start
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is no valid TOML: {error}", "Correct it, or delete it and run `stackly login`."
        ) from error


def _text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

"""Where settings come from, and that a key never goes to another server than its own."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_sdk.channel import target_of
from stackly_sdk.config import ConfigError, Settings, config_path, load, read_profile, write_profile
from stackly_sdk.durations import seconds_of

DEV = Settings("https://localhost:8443", "dev", "stk_key", Path("ca.pem"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_profile_is_kept_private_and_read_again(home: Path) -> None:
    write_profile(config_path(), "dev", DEV)
    assert stat.S_IMODE(config_path().stat().st_mode) == 0o600
    assert config_path() == home / ".config/stackly/config.toml"
    assert load() == DEV
    write_profile(config_path(), "prod", Settings("https://stackly.example", "acme", "stk_other"))
    assert load().account == "acme"
    assert load("dev") == DEV


@given(TEXT.filter(bool), TEXT, TEXT)
def test_any_text_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, name: str, account: str, key: str
) -> None:
    path = tmp_path_factory.mktemp("config") / "config.toml"
    settings = Settings("https://h", account, key)
    write_profile(path, name, settings)
    assert read_profile(path, name) == settings


def test_the_environment_goes_first() -> None:
    write_profile(config_path(), "dev", DEV)
    home = {"HOME": str(Path.home()), "STACKLY_ACCOUNT": "accounts/other"}
    assert load(environment=home) == Settings(DEV.endpoint, "other", DEV.api_key, DEV.ca_file)


def test_a_key_stays_with_its_server() -> None:
    write_profile(config_path(), "dev", DEV)
    found = load(environment={"HOME": str(Path.home()), "STACKLY_ENDPOINT": "https://evil.example"})
    assert found == Settings("https://evil.example")
    assert Settings("https://evil.example").over(DEV) == Settings("https://evil.example")
    assert Settings(api_key="stk_mine").over(DEV).account == ""


def test_no_key_is_in_a_repr() -> None:
    assert "stk_key" not in repr(DEV)


@pytest.mark.parametrize("content", ["[profiles.dev", "[profiles.dev]\nendpoint = 3", "[profiles.dev]\nserver = 'x'"])
def test_a_broken_file_is_named(content: str) -> None:
    config_path().parent.mkdir(parents=True)
    config_path().write_text(content)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load("dev")


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(ConfigError, match="nope"):
        load("nope")


@pytest.mark.parametrize(
    ("endpoint", "address", "secure"),
    [
        ("https://stackly.example", "dns:///stackly.example:443", True),
        ("stackly.example:8443", "dns:///stackly.example:8443", True),
        ("https://[::1]:8443/", "dns:///[::1]:8443", True),
        ("http://127.0.0.1:80", "dns:///127.0.0.1:80", False),
        ("unix:/run/stackly.sock", "unix:/run/stackly.sock", False),
    ],
)
def test_addresses(endpoint: str, address: str, secure: bool) -> None:
    target = target_of(endpoint)
    assert (target.address, target.secure) == (address, secure)


@pytest.mark.parametrize(
    "endpoint", ["http://stackly.example", "ftp://x", "https://", "https://x:99999", "https://x/v1", "https://x?a=b"]
)
def test_what_is_no_address_or_not_encrypted_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        target_of(endpoint)


def test_streams_have_a_channel_of_their_own() -> None:
    options = dict(target_of("https://x").options(streams=True))
    assert options["grpc.http2.bdp_probe"] == 0
    assert options["grpc.keepalive_time_ms"] == 30_000
    assert "grpc.http2.bdp_probe" not in dict(target_of("https://x").options(streams=False))


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("1h30m", 5400), ("45s", 45), ("1.5h", 5400), ("7d", 604800)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m30", "1h 30m", "-5s", "soon"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        seconds_of(text)

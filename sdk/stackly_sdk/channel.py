"""Where the server is and how its channels are set: TLS, keepalive, user agent. Nothing is opened here."""

import platform
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stackly_sdk.config import ConfigError
from stackly_sdk.version import VERSION

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORT = 443
MOST_BYTES = 4 * 1024 * 1024

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.primary_user_agent", f"stackly-sdk/{VERSION} python/{platform.python_version()}"),
)
# Without it, gRPC grows its window for a slow reader and the server pushes megabytes into it.
_STREAM_OPTIONS: tuple[tuple[str, int | str], ...] = (("grpc.http2.bdp_probe", 0),)


@dataclass(frozen=True, slots=True)
class Target:
    """Where channels go. `roots` are PEM certificates to trust; None: those that gRPC trusts by default."""

    address: str
    secure: bool
    roots: bytes | None = None
    local: bool = False

    def options(self, *, streams: bool) -> list[tuple[str, int | str]]:
        """Channel arguments. Streams have a channel of their own, so that long ones never block short calls."""
        own = _STREAM_OPTIONS if streams else ()
        proxy = (("grpc.enable_http_proxy", 0),) if self.local else ()
        # Two channels with equal arguments would share one connection.
        pool = (("grpc.use_local_subchannel_pool", 1),) if streams else ()
        return [*_OPTIONS, *own, *proxy, *pool]


def target_of(endpoint: str, ca_file: Path | None = None) -> Target:
    """Reads `https://host:port`, `host:port` (TLS), `http://host:port` (loopback only) or `unix:/path`.

    Raises ConfigError for anything else, and when `ca_file` cannot be read.
    """
    if endpoint.startswith("unix:"):
        return Target(endpoint, secure=False, local=True)
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigError(f"{endpoint!r} is no server address", "Give it as https://host:port.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    local = host in _LOOPBACK
    if parts.scheme == "http" and not local:
        raise ConfigError(f"{endpoint!r} is not encrypted", "Tokens go over TLS only: use https://.")
    port = _port(endpoint, parts.netloc, 80 if parts.scheme == "http" else _DEFAULT_PORT)
    secure = parts.scheme == "https"
    return Target(f"dns:///{host}:{port}", secure=secure, roots=_roots(ca_file) if secure else None, local=local)


def _port(endpoint: str, netloc: str, default: int) -> int:
    try:
        return urlsplit(f"//{netloc}").port or default
    except ValueError as error:
        raise ConfigError(f"{endpoint!r} has no valid port", "Give it as https://host:port.") from error


def _roots(ca_file: Path | None) -> bytes | None:
    if ca_file is None:
        return None
    try:
        return ca_file.expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the CA file {ca_file} cannot be read: {error.strerror}", "Set STACKLY_CA_FILE or ca_file of the profile."
        ) from error

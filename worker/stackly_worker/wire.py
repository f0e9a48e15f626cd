"""The wire to the control plane: secured channels, and what a failed call says."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

CHUNK = 256 * 1024  # bytes of one message in a stream
_STATUS = "grpc-status-details-bin"
_PREFIX = "ERROR_REASON_"
_OPTIONS = (
    # Without these a channel that failed for a while would not look again for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A peer that vanished without a word is noticed; longer than the 20 s of a long poll, so servers see no flood.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
)


@dataclass(frozen=True)
class Identity:
    """A client certificate with its chain and its key, both PEM."""

    chain: bytes
    key: bytes


def address(url: str) -> str:
    """`https://host:port` → `host:port`; ValueError for any other scheme."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{url!r} is no https address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or 443}"


def open_channel(target: str, ca: bytes, identity: Identity | None = None) -> grpc.aio.Channel:
    """A TLS channel to host:port that trusts `ca` (PEM) alone; mTLS with an identity."""
    chain, key = (identity.chain, identity.key) if identity else (None, None)
    credentials = grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=chain)
    return grpc.aio.secure_channel(target, credentials, options=_OPTIONS)


def reason(error: grpc.aio.AioRpcError) -> str:
    """The control plane's word for it, such as `LEASE_LOST`; empty when the error does not come from it."""
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS and isinstance(value, bytes):
            return _reason(value)
    return ""


def _reason(data: bytes) -> str:
    info = ErrorInfo()
    try:
        details = Status.FromString(data).details
    except DecodeError:
        return ""
    for detail in details:
        if detail.Unpack(info):
            return str(info.reason).removeprefix(_PREFIX)
    return ""

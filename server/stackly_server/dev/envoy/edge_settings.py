"""What differs between two Envoys of ours: addresses, names, files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on or to reach."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PublicDoor:
    """The listener of users. `descriptors` is read by Envoy itself, `certificate` is an SDS file (see `tls.py`)."""

    listen: Address
    upstream_socket: Path
    descriptors: Path
    certificate: Path


@dataclass(frozen=True, slots=True)
class TemporalFront:
    """The listener of workers before Temporal; `trusted_workers` is an SDS file with the CA and its revocation list."""

    listen: Address
    upstream: Address
    descriptors: Path
    certificate: Path
    trusted_workers: Path
    trust_domain: str


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """One Envoy. `admin_socket` must lie in a folder that only its owner can enter: the admin interface has no guard."""

    admin_socket: Path
    public: PublicDoor
    front: TemporalFront
    node: str = "stackly-edge"

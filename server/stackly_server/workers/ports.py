"""What the workers room asks of others, and the settings it goes by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from stackly_server.sealing import DataKey


class Certificate(Protocol):
    """A certificate (PEM), those that signed it, and its serial, as `aa:bb:…`."""

    @property
    def certificate(self) -> str: ...
    @property
    def chain(self) -> Sequence[str]: ...
    @property
    def serial(self) -> str: ...


class Issuer(Protocol):
    """Who holds the CA's key. Each method raises Unavailable when it does not answer."""

    async def sign_worker(self, csr: str, spiffe_id: str, seconds: int) -> Certificate:
        """A client certificate for the key of a request, under that name alone."""
        ...

    async def ca_chain(self) -> Sequence[str]:
        """The certificates that sign workers and servers, PEM each."""
        ...

    async def revoke(self, serial: str) -> None:
        """Puts a certificate (`aa:bb:…`) on the list of revoked ones; again, it changes nothing."""
        ...


class Keys(Protocol):
    """The data keys of accounts."""

    async def all(self, account_id: UUID, purpose: str) -> list[DataKey]:
        """Keys of a purpose, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Plant:
    """Where things are, as workers must be told, and for how long they hold. Times in seconds."""

    public_url: str
    worker_address: str
    temporal_front: str
    trust_domain: str
    certificate_seconds: int
    lease_seconds: int

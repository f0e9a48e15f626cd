"""Sealed bytes: AES-256-GCM under a data key of the account, bound to what they are and where they belong.

Format: `S1`, key version (4 bytes, big endian), nonce (12 bytes), ciphertext with tag. The context (purpose, account,
place) is authenticated, so a sealed value pasted elsewhere does not open.
"""

import os
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAGIC = b"S1"
_HEADER = 2 + 4 + 12


class BrokenSealError(Exception):
    """The bytes are not sealed by us, were altered, or belong elsewhere."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key of one account for one purpose (`payload`, `state`, `log`, `plan`, `secret`)."""

    account_id: UUID
    purpose: str
    version: int
    key: bytes = field(repr=False)


def seal(key: DataKey, place: str, data: bytes) -> bytes:
    """Seals bytes for a place, such as `state/<stack state id>/<serial>`."""
    nonce = os.urandom(12)
    head = _MAGIC + key.version.to_bytes(4, "big") + nonce
    return head + AESGCM(key.key).encrypt(nonce, data, _context(key, place))


def unseal(key: DataKey, place: str, sealed: bytes) -> bytes:
    """Opens sealed bytes; BrokenSealError when they are not what the key and place say."""
    try:
        return AESGCM(key.key).decrypt(sealed[6:_HEADER], sealed[_HEADER:], _context(key, place))
    except InvalidTag as error:
        raise BrokenSealError(f"Sealed bytes of {place} do not open.") from error


def version_of(sealed: bytes) -> int:
    """The key version that sealed bytes need."""
    if len(sealed) < _HEADER + 16 or sealed[:2] != _MAGIC:
        raise BrokenSealError("These bytes are not sealed.")
    return int.from_bytes(sealed[2:6], "big")


def _context(key: DataKey, place: str) -> bytes:
    return f"{key.purpose}\0{key.account_id}\0{place}".encode()

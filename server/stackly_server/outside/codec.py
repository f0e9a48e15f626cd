"""Sealing of Temporal payloads: AES-256-GCM under the account's payload key, bound to what they are and where they belong.

Metadata of a sealed payload: `encoding: binary/stackly-aead`, `stackly-key` (version of the key), `stackly-context` (JSON
with account, namespace, workflow, kind), whose exact bytes are authenticated. Data: nonce (12 bytes), then the ciphertext of
the serialized payload. Workers seal in the same form.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from stackly_server.errors import Denied, NotNow
from stackly_server.sealing import BrokenSealError, DataKey

ENCODING = b"binary/stackly-aead"
_NONCE = 12
_TAG = 16


class Keys(Protocol):
    """The data keys of accounts."""

    async def all(self, account_id: UUID, purpose: str) -> list[DataKey]:
        """Keys of a purpose, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """Where a payload belongs. `workflow` is a workflow id, `kind` is `workflow` or `activity`; both empty: unknown."""

    account: str
    namespace: str
    workflow: str = ""
    kind: str = ""

    def to_bytes(self) -> bytes:
        facts = {"account": self.account, "namespace": self.namespace, "workflow": self.workflow, "kind": self.kind}
        return json.dumps(facts, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Context":
        """BrokenSealError when it is no context."""
        try:
            facts = json.loads(data)
            return cls(*(str(facts[name]) for name in ("account", "namespace", "workflow", "kind")))
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenSealError("The context of a payload cannot be read.") from error

    def admits(self, other: "Context") -> bool:
        """Whether a payload of the other context belongs here. A workflow that is not known here admits each of the namespace."""
        if (self.account, self.namespace) != (other.account, other.namespace):
            return False
        return self.workflow in {"", other.workflow} and self.kind in {"", other.kind}


def seal(key: DataKey, context: Context, payload: Payload) -> Payload:
    """Seals a payload for a context."""
    nonce = os.urandom(_NONCE)
    bound = context.to_bytes()
    metadata = {"encoding": ENCODING, "stackly-key": str(key.version).encode(), "stackly-context": bound}
    return Payload(metadata=metadata, data=nonce + AESGCM(key.key).encrypt(nonce, payload.SerializeToString(), bound))


def unseal(keys: Sequence[DataKey], here: Context, sealed: Payload) -> Payload:
    """Opens a payload that belongs here. Denied, when it is another's; NotNow KEY_VERSION_GONE; BrokenSealError."""
    metadata: Mapping[str, bytes] = sealed.metadata
    if metadata.get("encoding") != ENCODING or len(sealed.data) < _NONCE + _TAG:
        raise BrokenSealError("A payload is not sealed.")
    bound = metadata.get("stackly-context", b"")
    if not here.admits(Context.from_bytes(bound)):
        raise Denied("PERMISSION_DENIED", "A payload belongs to another account, namespace or workflow.")
    version = metadata.get("stackly-key", b"").decode("ascii", "replace")
    key = next((key for key in keys if str(key.version) == version), None)
    if key is None:
        raise NotNow("KEY_VERSION_GONE", "The key that sealed a payload is gone.", version=version)
    try:
        plain = AESGCM(key.key).decrypt(sealed.data[:_NONCE], sealed.data[_NONCE:], bound)
    except InvalidTag as error:
        raise BrokenSealError("A payload does not open: it was altered.") from error
    return Payload.FromString(plain)


class SealingCodec(PayloadCodec, WithSerializationContext):
    """Seals all that goes to Temporal in one namespace of one account, and takes nothing from it that is not sealed."""

    def __init__(self, keys: Keys, account_id: UUID, context: Context) -> None:
        self._keys = keys
        self._account_id = account_id
        self._context = context

    def with_context(self, context: SerializationContext) -> "SealingCodec":
        match context:
            case WorkflowSerializationContext():
                kind = "workflow"
            case ActivitySerializationContext():
                kind = "activity"
            case _:
                return self
        bound = replace(self._context, namespace=context.namespace, workflow=context.workflow_id or "", kind=kind)
        return SealingCodec(self._keys, self._account_id, bound)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        keys = await self._keys.all(self._account_id, "payload")
        return [seal(keys[0], self._context, payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        keys = await self._keys.all(self._account_id, "payload")
        return [unseal(keys, self._context, payload) for payload in payloads]


class NamespaceCodec:
    """Seals and opens payloads of a namespace for a person who may see them: which workflow they are of is not known."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def seal(self, account_id: UUID, namespace: str, payloads: Sequence[Payload]) -> list[Payload]:
        """Seals for the namespace; no workflow takes such a payload, as it is bound to none."""
        return await self._of(account_id, namespace).encode(payloads)

    async def open(self, account_id: UUID, namespace: str, payloads: Sequence[Payload]) -> list[Payload]:
        """Opens those that are sealed, and gives the others back as they are. Denied, NotNow or BrokenSealError."""
        codec = self._of(account_id, namespace)
        return [
            (await codec.decode([payload]))[0] if payload.metadata.get("encoding") == ENCODING else payload
            for payload in payloads
        ]

    def _of(self, account_id: UUID, namespace: str) -> SealingCodec:
        return SealingCodec(self._keys, account_id, Context(str(account_id), namespace))

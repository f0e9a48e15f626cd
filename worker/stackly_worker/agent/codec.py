"""Temporal payloads sealed under the account's payload key; the twin of the control plane's codec, same format.

A sealed payload has the metadata `encoding: binary/stackly-aead`, `stackly-key: <version, decimal>` and
`stackly-context: <JSON of account, namespace, workflow, kind>`; its data is a 12-byte random nonce, then the AES-256-GCM
ciphertext (with tag) of the serialized Payload. The exact bytes of `stackly-context` are the authenticated data.
`account` is the account's UUID, `namespace` Temporal's, `workflow` a workflow id, `kind` `workflow` or `activity`.

Under the codec the SDK's default payload converter works: messages of `stackly.worker.v1` travel as `json/protobuf`.
Failures are sealed too (DefaultFailureConverterWithEncodedAttributes).
"""

import dataclasses
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

ENCODING = b"binary/stackly-aead"
_NONCE, _TAG = 12, 16


class SealError(Exception):
    """The payload is not sealed, was altered, belongs elsewhere, or its key is gone."""


@dataclass(frozen=True)
class Key:
    """One payload key of the account; kept in memory only."""

    version: int
    key: bytes = dataclasses.field(repr=False)


class KeyRing:
    """The payload keys, newest first; `fetch` asks the control plane, again when a payload names an unknown key."""

    def __init__(self, fetch: Callable[[], Awaitable[Sequence[Key]]]) -> None:
        self._fetch = fetch
        self._keys: tuple[Key, ...] = ()

    async def refresh(self) -> None:
        self._keys = tuple(await self._fetch())

    async def newest(self) -> Key:
        if not self._keys:
            await self.refresh()
        if not self._keys:
            raise SealError("the control plane gave no payload key")
        return self._keys[0]

    async def find(self, version: str) -> Key:
        found = self._known(version)
        if found is None:
            await self.refresh()
            found = self._known(version)
        if found is None:
            raise SealError(f"the payload key of version {version!r} is gone")
        return found

    def _known(self, version: str) -> Key | None:
        return next((key for key in self._keys if str(key.version) == version), None)


@dataclass(frozen=True)
class Context:
    """Where a payload belongs; an empty `workflow` or `kind` is not known and admits any."""

    account: str
    namespace: str
    workflow: str = ""
    kind: str = ""

    def to_bytes(self) -> bytes:
        return json.dumps(dataclasses.asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Context":
        try:
            facts = json.loads(data)
            return cls(*(str(facts[field.name]) for field in dataclasses.fields(cls)))
        except (ValueError, KeyError, TypeError):
            raise SealError("the context of a payload cannot be read") from None

    def admits(self, other: "Context") -> bool:
        same_place = (self.account, self.namespace) == (other.account, other.namespace)
        return same_place and self.workflow in {"", other.workflow} and self.kind in {"", other.kind}


class SealingCodec(PayloadCodec, WithSerializationContext):
    """Seals all that goes to Temporal and takes nothing from it that is not sealed for this very place."""

    def __init__(self, keys: KeyRing, context: Context) -> None:
        self._keys = keys
        self._context = context

    def with_context(self, context: SerializationContext) -> "SealingCodec":
        if isinstance(context, WorkflowSerializationContext):
            return self._bound(context.namespace, context.workflow_id, "workflow")
        if isinstance(context, ActivitySerializationContext):
            return self._bound(context.namespace, context.workflow_id or "", "activity")
        return self

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        key = await self._keys.newest()
        return [_seal(key, self._context, payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [await self._unseal(payload) for payload in payloads]

    def _bound(self, namespace: str, workflow: str, kind: str) -> "SealingCodec":
        return SealingCodec(self._keys, replace(self._context, namespace=namespace, workflow=workflow, kind=kind))

    async def _unseal(self, sealed: Payload) -> Payload:
        if sealed.metadata.get("encoding") != ENCODING or len(sealed.data) < _NONCE + _TAG:
            raise SealError("a payload is not sealed")
        bound = sealed.metadata.get("stackly-context", b"")
        if not self._context.admits(Context.from_bytes(bound)):
            raise SealError("a payload belongs to another account, namespace or workflow")
        key = await self._keys.find(sealed.metadata.get("stackly-key", b"").decode("ascii", "replace"))
        try:
            plain = AESGCM(key.key).decrypt(sealed.data[:_NONCE], sealed.data[_NONCE:], bound)
        except InvalidTag:
            raise SealError("a payload does not open: it was altered") from None
        return Payload.FromString(plain)


def converter(keys: KeyRing, account: str, namespace: str) -> DataConverter:
    """The data converter of a worker's Temporal client."""
    return replace(
        DataConverter.default,
        payload_codec=SealingCodec(keys, Context(account, namespace)),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def _seal(key: Key, context: Context, payload: Payload) -> Payload:
    nonce, bound = os.urandom(_NONCE), context.to_bytes()
    metadata = {"encoding": ENCODING, "stackly-key": str(key.version).encode(), "stackly-context": bound}
    return Payload(metadata=metadata, data=nonce + AESGCM(key.key).encrypt(nonce, payload.SerializeToString(), bound))

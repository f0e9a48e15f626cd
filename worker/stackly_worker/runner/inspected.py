"""What the engine read of modules, for the next runner that meets the same ones: each by the digest of its files.

A push changes a few modules of many: only those are read anew. The file lies in the stack's place, where whatever Terraform runs
can write: it is believed only under a key of the stack that Terraform never has, and holds classes of the engine alone.
"""

import gc
import hmac
import io
import json
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import stackly_engine
from stackly_engine.source import Module, Product, read_module
from stackly_worker.runner import limits
from stackly_worker.runner.place import write_atomically

_MAC = 32  # bytes
_ENGINE = "stackly_engine."


@dataclass
class Inspections:
    """`read` is a reader of modules for `configure`, within `kept`. `anew` counts those that were really read."""

    file: Path
    key: bytes
    anew: int = 0
    _found: dict[str, bytes] = field(default_factory=dict)
    _used: dict[str, bytes] = field(default_factory=dict)
    _size: int = 0  # bytes of code

    @contextmanager
    def kept(self) -> Iterator["Inspections"]:
        """What is read within is kept for the next time, and what was not met again is dropped."""
        self._found, self._used, self.anew, self._size = self._load(), {}, 0, 0
        with _uncollected():
            yield self
        if self.anew and self._size >= limits.INSPECTED_CODE_BYTES:
            self._store()

    def read(self, files: Mapping[str, bytes], product: Product) -> Module:
        digest = _digest(files, product)
        self._size += sum(map(len, files.values()))
        known = self._used.get(digest) or self._found.get(digest)
        if known is not None:
            self._used[digest] = known
            return _module(known)
        found = read_module(files, product)
        self.anew += 1
        self._used[digest] = pickle.dumps(found, protocol=5)
        return found

    def _load(self) -> dict[str, bytes]:
        """Nothing, when what lies there is not what this engine wrote for this stack."""
        try:
            if self.file.stat().st_size > limits.INSPECTED_BYTES:
                return {}
            data = self.file.read_bytes()
        except FileNotFoundError:
            return {}
        if not hmac.compare_digest(data[:_MAC], self._mac(memoryview(data)[_MAC:])):
            return {}
        head, _, body = data[_MAC:].partition(b"\n")
        return {digest: body[at : at + size] for digest, at, size in json.loads(head)}

    def _store(self) -> None:
        at, index = 0, []
        for digest, data in self._used.items():
            index.append([digest, at, len(data)])
            at += len(data)
        data = b"".join([json.dumps(index).encode(), b"\n", *self._used.values()])
        if len(data) + _MAC <= limits.INSPECTED_BYTES:
            write_atomically(self.file, self._mac(data) + data)

    def _mac(self, data: "bytes | memoryview") -> bytes:
        key = hmac.digest(self.key, f"inspected by {_build()}".encode(), "sha256")
        return hmac.digest(key, data, "sha256")


class _Engine(pickle.Unpickler):
    """Makes nothing but what the engine's classes are."""

    def find_class(self, module: str, name: str) -> Any:
        if not module.startswith(_ENGINE):
            raise pickle.UnpicklingError(f"{module}.{name} is not of the engine")
        return super().find_class(module, name)


def _module(data: bytes) -> Module:
    found = _Engine(io.BytesIO(data)).load()  # under our key, and of the engine's classes alone
    if not isinstance(found, Module):
        raise pickle.UnpicklingError("this is no module")
    return found


def _digest(files: Mapping[str, bytes], product: Product) -> str:
    whole = sha256(f"{product.value}\n".encode())
    for name, data in sorted(files.items()):
        whole.update(f"{name}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()


@cache
def _build() -> str:
    """Of Python and of each file of the engine: another one may read something else, or hold it in another form."""
    folder = Path(stackly_engine.__file__).parent
    files = [(str(path.relative_to(folder)), path.stat()) for path in sorted(folder.rglob("*.py"))]
    facts = [[name, found.st_size, found.st_mtime_ns] for name, found in files]
    return sha256(json.dumps([sys.version, str(folder), facts]).encode()).hexdigest()


@contextmanager
def _uncollected() -> Iterator[None]:
    """A million small things are made and none is dropped: to look for garbage meanwhile takes more time than to make them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

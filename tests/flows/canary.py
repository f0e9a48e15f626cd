"""Canary secrets, and a search that finds them in any form: plain, base64, hex, URL- or JSON-escaped, compressed."""

import base64
import binascii
import math
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_DEEPEST = 3  # gzip in base64 in gzip
_UNPACKED_MOST = 8 * 1024 * 1024
_GZIP = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_BASE64_OF_GZIP = re.compile(rb"H4sI[A-Za-z0-9+/_-]{12,}")


@dataclass(frozen=True)
class Canary:
    """A secret whose `core` (16 hex digits) no escape changes: whoever shows any of the secret shows its core."""

    name: str
    core: str = field(default_factory=lambda: secrets.token_hex(8))
    around: str = '{} "q&<é>/+%\\ z'

    @property
    def value(self) -> str:
        return self.around.format(self.core)

    @property
    def needles(self) -> Mapping[str, bytes]:
        data = self.core.encode()
        found = {"plain": data, "hex": data.hex().encode()}
        for offset in range(3):
            first, last = math.ceil(8 * offset / 6), 8 * (offset + len(data)) // 6
            found[f"base64 at {offset}"] = base64.b64encode(bytes(offset) + data)[first:last]
        return found


def hits(data: bytes, canaries: Iterable[Canary], depth: int = 0) -> set[str]:
    """Which canaries are in the bytes, and as what: `api plain`, `api gzip base64 at 1`."""
    wanted = list(canaries)
    found = {f"{canary.name} {form}" for canary in wanted for form, needle in canary.needles.items() if needle in data}
    if depth < _DEEPEST:
        found |= {hit.replace(" ", " gzip ", 1) for inner in _unpacked(data) for hit in hits(inner, wanted, depth + 1)}
    return found


def _unpacked(data: bytes) -> Iterator[bytes]:
    for start in _GZIP.finditer(data):
        inner = _inflated(data, start.start())
        if len(inner) > len("0123456789abcdef"):
            yield inner
    for run in _BASE64_OF_GZIP.finditer(data):
        text = run.group().replace(b"-", b"+").replace(b"_", b"/")
        try:
            yield base64.b64decode(text[: len(text) // 4 * 4])
        except binascii.Error:
            continue


def _inflated(data: bytes, start: int) -> bytes:
    """What a compressed stream gives until it ends or breaks."""
    engine, out = zlib.decompressobj(wbits=47), b""
    window = 64
    try:
        while not engine.eof and start < len(data) and len(out) < _UNPACKED_MOST:
            out += engine.decompress(data[start : start + window], _UNPACKED_MOST - len(out))
            start, window = start + window, min(window * 4, 1 << 20)
    except zlib.error:
        return out
    return out

"""A streaming redactor: no form of a known secret passes, wherever the stream is cut."""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = b"(sensitive)"
_PERCENT = re.compile("%[0-9A-F]{2}")
SHORTEST = 6  # characters of a secret, of a line of one


class Redactor:
    """Replaces each run of bytes that belongs to a form of a secret by the mask.

    Forms: the text, its lines when it has several, each as it is, JSON-escaped once and twice; and of these base64 and
    base64url at all three alignments (the characters that depend on the secret alone) and URL-escaped. Bytes that could begin a form are held back
    until more come or `finish` is called, at most the length of the longest form less one. Secrets shorter than
    6 characters are not looked for. Secrets may be added at any time; they apply from the bytes held back on.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[bytes] = set()
        self._held = b""
        self._covered = 0  # bytes at the start of `_held` that a mask already written stands for
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            self._forms.update(forms(secret))

    def twin(self) -> "Redactor":
        """For another stream: the same secrets, those added to either included; nothing held back."""
        other = Redactor()
        other._forms = self._forms
        return other

    @property
    def longest(self) -> int:
        """Bytes of the longest form; 0 without any."""
        return max(map(len, self._forms), default=0)

    def feed(self, data: bytes) -> bytes:
        """What may go out after these bytes."""
        return self._pass(self._held + data, last=False)

    def finish(self) -> bytes:
        """What was held back; afterwards the redactor is as new, with its secrets."""
        return self._pass(self._held, last=True)

    def whole(self, text: str) -> str:
        """A text by itself, not part of the stream."""
        data = text.encode("utf-8", "surrogateescape")
        return self._masked(data, len(data), covered=0)[0].decode("utf-8", "replace")

    def _pass(self, data: bytes, *, last: bool) -> bytes:
        end = len(data) if last else len(data) - self._tail(data)
        out, self._covered = self._masked(data, end, covered=self._covered)
        self._held = data[end:]
        return out

    def _masked(self, data: bytes, end: int, *, covered: int) -> tuple[bytes, int]:
        """The data up to `end` with masks, and how many bytes after `end` belong to a mask already written."""
        if not end:
            return b"", covered
        pieces: list[bytes] = []
        at = 0
        for start, stop in _merged([(0, covered), *self._spans(data)]):
            if start >= end:
                break
            pieces += [data[at:start], b"" if start < covered else MASK]
            at = stop
        pieces.append(data[at:end])
        return b"".join(pieces), max(0, at - end)

    def _spans(self, data: bytes) -> list[tuple[int, int]]:
        found = []
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = data.find(form, at + 1)
        return sorted(found)

    def _tail(self, data: bytes) -> int:
        """Length of the longest end of the data that begins some form and does not complete it."""
        longest = 0
        for form in self._forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1))
            while at >= 0 and len(data) - at > longest:
                if form.startswith(data[at:]):
                    longest = len(data) - at
                    break
                at = data.find(form[:1], at + 1)
        return longest


def forms(secret: str) -> Iterator[bytes]:
    """Every form of one secret that is looked for; none when it is too short."""
    lines = [line.strip("\r") for line in secret.split("\n")]
    for text in {secret, *lines}:
        if len(text) < SHORTEST:
            continue
        for written in _written(text):
            data = written.encode("utf-8", "surrogateescape")
            yield data
            yield from _url(data)
            for encoded in _base64(data):
                yield encoded
                yield from _percent(quote(encoded, safe=""))


def _written(text: str) -> set[str]:
    """The text as it is, and as a JSON string writes it, and that again as a JSON string writes it."""
    once = {_json(text, ascii_only=ascii_only) for ascii_only in (True, False)}
    once |= {_go_json(each) for each in once}
    twice = {_json(each, ascii_only=False) for each in once}
    return {text} | once | twice | {_go_json(each) for each in twice}


def _base64(data: bytes) -> Iterator[bytes]:
    for offset in range(3):
        first, last = math.ceil(8 * offset / 6), 8 * (offset + len(data)) // 6
        padded = bytes(offset) + data
        yield base64.b64encode(padded)[first:last]
        yield base64.urlsafe_b64encode(padded)[first:last]


def _url(data: bytes) -> Iterator[bytes]:
    for safe in ("", "/", "$&+=:@", "$&+,/:;=?@"):  # Python's and Go's ideas of what needs no escape
        yield from _percent(quote(data, safe=safe))
    yield from _percent(quote_plus(data))


def _percent(escaped: str) -> Iterator[bytes]:
    yield escaped.encode()
    yield _PERCENT.sub(lambda found: found.group().lower(), escaped).encode()


def _json(text: str, *, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _go_json(escaped: str) -> str:
    """Go's encoder escapes what HTML would take for markup, too."""
    return escaped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Overlapping spans as one; spans that only touch stay two."""
    start, stop = 0, 0
    for left, right in spans:
        if left < stop:
            stop = max(stop, right)
            continue
        if stop > start:
            yield start, stop
        start, stop = left, right
    if stop > start:
        yield start, stop

"""What GitHub sends about a push, and its signature. Pure; what is said here is a hint, never believed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackly_server.git.model import COMMIT

BRANCH = "refs/heads/"

_DELIVERY = re.compile(r"[A-Za-z0-9-]{1,64}")
_EVENT = re.compile(r"[a-z_]{1,64}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REF_CHARACTERS = 300


class PayloadError(ValueError):
    """The delivery is not what GitHub sends; the text says why and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The headers of a delivery."""

    id: str
    event: str
    signature: str


@dataclass(frozen=True, slots=True)
class Push:
    """A branch that moved, as the code host says. `after` is all zeros when it was deleted."""

    ref: str
    before: str
    after: str


def delivery_from(headers: Mapping[str, str]) -> Delivery:
    """The delivery that the headers (lower-case names) speak of. A missing signature is "", which never fits."""
    found = Delivery(
        headers.get("x-github-delivery", ""), headers.get("x-github-event", ""), headers.get("x-hub-signature-256", "")
    )
    if not _DELIVERY.fullmatch(found.id):
        raise PayloadError("the header X-GitHub-Delivery is missing or malformed")
    if not _EVENT.fullmatch(found.event):
        raise PayloadError("the header X-GitHub-Event is missing or malformed")
    return found


def signature_fits(secret: bytes, body: bytes, signature: str) -> bool:
    """Whether X-Hub-Signature-256 is that of the raw body, compared in constant time."""
    expected = b"sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
    return hmac.compare_digest(expected, signature.encode("utf-8", errors="replace"))


def parsed(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise PayloadError("the body is no JSON") from None
    if not isinstance(payload, dict):
        raise PayloadError("the body is no JSON object")
    return payload


def external_id_of(payload: Mapping[str, Any]) -> str:
    """The code host's id of the repository that the delivery is about; "" when it says none."""
    repository = payload.get("repository")
    found = repository.get("id") if isinstance(repository, dict) else None
    text = str(found) if isinstance(found, int | str) and not isinstance(found, bool) else ""
    return text if _EXTERNAL_ID.fullmatch(text) else ""


def push_of(payload: Mapping[str, Any]) -> Push:
    """The push; tags are pushes too, with another ref."""
    ref, before, after = (payload.get(name) for name in ("ref", "before", "after"))
    if not isinstance(ref, str) or not ref.startswith("refs/") or len(ref) > _REF_CHARACTERS or not ref.isprintable():
        raise PayloadError("ref is missing or malformed")
    if not all(isinstance(commit, str) and COMMIT.fullmatch(commit) for commit in (before, after)):
        raise PayloadError("before or after is missing or no commit")
    return Push(ref, str(before), str(after))

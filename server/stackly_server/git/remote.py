"""Addresses of repositories: which are allowed, and in what form git gets them. Pure but for resolving `file://`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stackly_server.git.model import RemoteRefusedError

PROTOCOLS = frozenset({"https", "ssh", "file"})
URL_CHARACTERS = 2048

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PATH = re.compile(r"(/[A-Za-z0-9_~.+@-]+)+/?")


@dataclass(frozen=True, slots=True)
class Remote:
    """An allowed address; make one with `allowed_remote`."""

    url: str
    protocol: str


def allowed_remote(url: str, protocols: Collection[str], file_roots: Sequence[Path]) -> Remote:
    """The remote at an address, if its protocol is one of these; `file://` only under one of the roots.

    Raises:
        RemoteRefusedError: another protocol, a user or password in an https address, git options, a strange path.
    """
    if len(url) > URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise RemoteRefusedError("the address has characters that no repository's address has")
    parts = urlsplit(url)
    if parts.scheme not in PROTOCOLS & set(protocols):
        raise RemoteRefusedError(
            f"an address must begin with one of: {', '.join(f'{p}://' for p in sorted(protocols))}"
        )
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise RemoteRefusedError("an address may have no ? and no #")
    if not _PATH.fullmatch(parts.path) or any(part.startswith("-") or part == ".." for part in parts.path.split("/")):
        raise RemoteRefusedError("the path of the address is not that of a repository")
    if parts.scheme == "file":
        return Remote(_file_url(parts.netloc, parts.path, file_roots), "file")
    return Remote(_network_url(url), parts.scheme)


def _network_url(url: str) -> str:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise RemoteRefusedError("the port of the address is no number") from error
    user = parts.username
    if not _HOST.fullmatch(parts.hostname or ""):
        raise RemoteRefusedError("the host of the address is no host name")
    if parts.password is not None or (user is not None and parts.scheme == "https"):
        raise RemoteRefusedError("an address may hold no password and, with https, no user: give credentials apart")
    if user is not None and not _USER.fullmatch(user):
        raise RemoteRefusedError("the user of the address is no user name")
    return f"{parts.scheme}://{f'{user}@' if user else ''}{parts.hostname}{f':{port}' if port else ''}{parts.path}"


def _file_url(host: str, path: str, roots: Sequence[Path]) -> str:
    if host:
        raise RemoteRefusedError("a file:// address has three slashes and no host")
    real = Path(path).resolve()
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise RemoteRefusedError("file:// repositories are allowed only under the roots named in the settings")
    if not _PATH.fullmatch(str(real)):
        raise RemoteRefusedError("the path of the address is not that of a repository")
    return f"file://{real}"

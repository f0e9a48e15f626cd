"""What a repository's tree holds for us. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from stackly_server import limits

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A full object id; abbreviations are never taken."""


class GitError(Exception):
    """Git could not do what was asked; the text is fit for a person who may see the repository."""


class GitMissingError(GitError):
    """The ref, commit, path or object is not in the mirror or at the remote."""


class RemoteRefusedError(GitError):
    """The address is of a kind that is not allowed here."""


class GitTimeoutError(GitError):
    """Git took too long and was killed."""


class TreeLimitError(GitError):
    """The tree is larger than a limit; the text names the limit and where it was passed."""


class Mode(IntEnum):
    """The modes of a tree's entries that git writes."""

    FOLDER = 0o040000
    FILE = 0o100644
    EXECUTABLE = 0o100755
    LINK = 0o120000
    SUBMODULE = 0o160000


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """Bounds of one walk; passing one stops it at once. Folders count as entries; bytes are those of file contents."""

    entries: int = limits.TREE_ENTRIES
    total_bytes: int = limits.TREE_BYTES
    depth: int = limits.TREE_DEPTH
    path_bytes: int = limits.TREE_PATH_BYTES


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file or link that may reach a worker. `path` from the repository's top, with `/`; `size` in bytes."""

    path: str
    mode: Mode
    object_id: str
    size: int


@dataclass(frozen=True, slots=True)
class TreeFinding:
    """A path that is left out (and why): Terraform or a shell would run or trust it."""

    code: str
    path: str
    message: str


class TreeRefusedError(GitError):
    """The tree holds what no worker may get and what cannot merely be left out; `findings` (at least one) say what."""

    def __init__(self, findings: Sequence[TreeFinding]) -> None:
        super().__init__("; ".join(f"{finding.path}: {finding.message}" for finding in findings[:10]))
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Listing:
    """The allow-listed tree of a commit, sorted by path, with what was left out."""

    commit: str
    entries: tuple[TreeEntry, ...]
    findings: tuple[TreeFinding, ...]

    @property
    def total_bytes(self) -> int:
        """The bytes of all contents."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit. Name, email and subject are its author's words: never trusted, at most 200 characters each."""

    commit: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    subject: str
    authored_at: datetime
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class StackRoot:
    """A folder that holds `stackly.hcl`. `path` "" is the repository's top.

    `digest` (SHA-256, hex) changes when anything in the folder changes, or anything that its Terraform files name by a
    relative path outside (modules, templates), and what those name in turn.
    """

    path: str
    file_id: str
    digest: str

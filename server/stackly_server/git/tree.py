"""Reads a mirror by libgit2: refs, commits, the allow-listed tree, contents. Blocking; call it in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag

from stackly_server.git.model import (
    COMMIT,
    CommitInfo,
    GitMissingError,
    Listing,
    Mode,
    TreeEntry,
    TreeFinding,
    TreeLimits,
    TreeRefusedError,
)
from stackly_server.git.objects import Objects
from stackly_server.git.walk import Walk

WORDS_CHARACTERS = 200
"""Names and subjects are cut after this many characters."""


class TreeReader:
    """Reads one mirror. Each call opens it anew, so any thread may call."""

    def __init__(self, folder: Path, limits: TreeLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or TreeLimits()

    def resolve(self, ref: str) -> str:
        """The commit that a full ref names.

        Raises:
            GitMissingError: no such ref.
        """
        try:
            return str(self._open().references[ref].peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise GitMissingError(f"the mirror has no {ref[:WORDS_CHARACTERS]}") from error

    def has_ref(self, ref: str) -> bool:
        """Whether a full ref is here."""
        return ref in self._open().references

    def has_commit(self, commit: str) -> bool:
        """Whether the commit is here."""
        return bool(COMMIT.fullmatch(commit)) and isinstance(self._open().get(commit), pygit2.Commit)

    def commit_info(self, commit: str) -> CommitInfo:
        """Author, subject and times of a commit.

        Raises:
            GitMissingError: no such commit.
        """
        found = _commit(self._open(), commit)
        return CommitInfo(
            commit=commit,
            parents=tuple(str(parent) for parent in found.parent_ids),
            author_name=_words(found.author.raw_name),
            author_email=_words(found.author.raw_email or b""),
            subject=_words(found.raw_message.strip().split(b"\n", 1)[0]),
            authored_at=_time(found.author.time, found.author.offset),
            committed_at=_time(found.commit_time, found.commit_time_offset),
        )

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether a commit is another's ancestor, or the same.

        Raises:
            GitMissingError: one of them is not here.
        """
        repository = self._open()
        first, second = _commit(repository, ancestor), _commit(repository, descendant)
        return first.id == second.id or bool(repository.descendant_of(second.id, first.id))

    def content(self, object_id: str, limit: int) -> bytes:
        """A file's content of at most `limit` bytes.

        Raises:
            GitMissingError: no such object, or it is no file.
            TreeLimitError: it is larger.
        """
        return Objects(self._open()).content(object_id, limit)

    def contents(self, object_ids: Sequence[str], limit: int) -> dict[str, bytes]:
        """The contents of many files, by object id; see `content`."""
        objects = Objects(self._open())
        return {object_id: objects.content(object_id, limit) for object_id in object_ids}

    def folder(self, commit: str, path: str = "") -> str:
        """The object id of a folder; "" is the top.

        Raises:
            GitMissingError: no such commit or folder.
        """
        repository = self._open()
        objects, current = Objects(repository), str(_commit(repository, commit).tree_id)
        for part in path.split("/") if path else ():
            below = {name: oid for name, mode, oid in objects.entries(current) if mode == Mode.FOLDER}
            if part.encode() not in below:
                raise GitMissingError(f"the commit has no folder {path[:WORDS_CHARACTERS]}")
            current = below[part.encode()]
        return current

    def listing(self, commit: str, path: str = "") -> Listing:
        """What of a commit's tree, or of a folder in it, may reach a worker; links may not leave that folder.

        Raises:
            GitMissingError: no such commit or folder.
            TreeLimitError: larger than the limits.
            TreeRefusedError: hostile names or links, or names that differ by case alone.
        """
        top = self.folder(commit, path)
        walk = Walk(Objects(self._open()), self._limits)
        walk.run(top)
        walk.check_links()
        if walk.refused:
            raise TreeRefusedError(walk.refused)
        below = f"{path}/" if path else ""
        entries = (TreeEntry(below + e.path, e.mode, e.object_id, e.size) for e in walk.entries.values())
        findings = (TreeFinding(f.code, below + f.path, f.message) for f in walk.findings)
        return Listing(commit, tuple(sorted(entries, key=_path)), tuple(sorted(findings, key=_path)))

    def objects(self) -> Objects:
        """The objects of the mirror, for one thread."""
        return Objects(self._open())

    def _open(self) -> pygit2.Repository:
        try:
            return pygit2.Repository(str(self._folder), RepositoryOpenFlag.NO_SEARCH | RepositoryOpenFlag.BARE)
        except pygit2.GitError as error:
            raise GitMissingError("there is no mirror yet") from error


def _commit(repository: pygit2.Repository, commit: str) -> pygit2.Commit:
    found: object = repository.get(commit) if COMMIT.fullmatch(commit) else None
    if not isinstance(found, pygit2.Commit):
        raise GitMissingError(f"the mirror has no commit {commit[:40]}")
    return found


def _words(raw: bytes) -> str:
    text = raw.decode("utf-8", errors="replace")
    return "".join(character if character.isprintable() else " " for character in text)[:WORDS_CHARACTERS]


def _time(seconds: int, offset_minutes: int) -> datetime:
    """Times that no calendar has are those of a forged commit: they become the epoch."""
    try:
        return datetime.fromtimestamp(seconds, timezone(timedelta(minutes=offset_minutes)))
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _path(item: TreeEntry | TreeFinding) -> str:
    return item.path

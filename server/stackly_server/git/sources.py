"""Repositories as the rest of Stackly sees them: mirrors on disk, trees and contents kept in the database."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from stackly_server import limits
from stackly_server.access import system
from stackly_server.database import Database
from stackly_server.errors import NotNow
from stackly_server.git import store
from stackly_server.git.mirror import Mirror
from stackly_server.git.model import CommitInfo, GitMissingError, Listing, StackRoot, TreeLimitError, TreeRefusedError
from stackly_server.git.refusals import told
from stackly_server.git.remote import allowed_remote
from stackly_server.runs.ports import SourceEntry
from stackly_server.stacks.model import CodeFinding

KEPT_BYTES = 8 * 2**20
"""Larger files are read from the mirror each time."""
TREE = "tree-"
"""How the codes of findings begin that are about the whole tree, not about one stack."""
_BATCH_BYTES = 8 * 2**20
_BATCH_ENTRIES = 256
_FINDINGS_MAX = 50
_REMEMBERED = 64


class RepositoryLike(Protocol):
    """What of a repository is read here."""

    @property
    def clone_url(self) -> str:
        """Where it is cloned from."""
        ...


class Repositories(Protocol):
    """Connected repositories."""

    async def by_id(self, account_id: UUID, repository_id: UUID) -> RepositoryLike | None:
        """A connected one, or None."""
        ...


class Sources:
    """One mirror for each repository of each account, below `mirrors_dir`, which may be emptied at any time."""

    def __init__(self, db: Database, repositories: Repositories, mirrors_dir: Path, file_roots: Sequence[Path]) -> None:
        self._db = db
        self._repositories = repositories
        self._folder = mirrors_dir
        self._file_roots = tuple(file_roots)
        self._mirrors: dict[tuple[UUID, UUID], Mirror] = {}
        self._checked: dict[tuple[UUID, str], tuple[CodeFinding, ...]] = {}

    async def head(self, account_id: UUID, repository_id: UUID, ref: str) -> str:
        """Fetches the newest commit of a branch, and keeps it."""
        with told():
            return await (await self._mirror(account_id, repository_id)).fetch_branch(ref)

    async def roots(self, account_id: UUID, repository_id: UUID, commit: str) -> tuple[StackRoot, ...]:
        """The folders of a commit that hold a stack file."""
        mirror = await self._at(account_id, repository_id, commit)
        with told():
            return await mirror.roots(commit)

    async def info(self, account_id: UUID, repository_id: UUID, commit: str) -> CommitInfo:
        """Who made a commit, when and why, by their own words."""
        mirror = await self._at(account_id, repository_id, commit)
        with told():
            return await mirror.info(commit)

    async def not_before(self, account_id: UUID, repository_id: UUID, commits: Sequence[str], head: str) -> list[str]:
        """Those of the commits that are not in the history of a head."""
        mirror = await self._at(account_id, repository_id, head)
        strange = []
        for commit in commits:
            try:
                there = await mirror.is_ancestor(commit, head)
            except GitMissingError:
                there = False
            if not there:
                strange.append(commit)
        return strange

    async def tree(self, account_id: UUID, repository_id: UUID, commit: str) -> tuple[SourceEntry, ...]:
        """The files and links of a commit that may reach a worker, in order of path."""
        async with self._db.read(account_id) as conn:
            kept = await store.find_tree(conn, repository_id, commit)
        if kept is not None:
            return tuple(SourceEntry(*entry) for entry in kept)
        mirror = await self._at(account_id, repository_id, commit)
        with told():
            listing = await mirror.listing(commit)
        return await self._keep(account_id, repository_id, listing)

    async def content(
        self, account_id: UUID, repository_id: UUID, object_id: str, limit: int = limits.TREE_BYTES
    ) -> bytes:
        """The bytes of a file, or the target of a link. Whoever asks has seen the object's id in a tree."""
        return (await self._contents(account_id, repository_id, [object_id], limit))[object_id]

    async def contents(
        self, account_id: UUID, repository_id: UUID, entries: Sequence[SourceEntry]
    ) -> AsyncIterator[tuple[SourceEntry, bytes]]:
        """The entries of a tree with their bytes, in their order, read some at a time."""
        for some in _batches(entries):
            ids = list(dict.fromkeys(entry.object_id for entry in some))
            found = await self._contents(account_id, repository_id, ids, limits.TREE_BYTES)
            for entry in some:
                yield entry, found[entry.object_id]

    async def findings(self, account_id: UUID, repository_id: UUID, commit: str) -> tuple[CodeFinding, ...]:
        """What of a commit stops it from reaching a worker, and what will be left out. The listing is kept with it."""
        key = (repository_id, commit)
        if key not in self._checked:
            if len(self._checked) >= _REMEMBERED:
                self._checked.pop(next(iter(self._checked)))
            self._checked[key] = await self._check(account_id, repository_id, commit)
        return self._checked[key]

    async def _contents(
        self, account_id: UUID, repository_id: UUID, object_ids: list[str], limit: int
    ) -> dict[str, bytes]:
        async with self._db.read(account_id) as conn:
            kept = await store.find_contents(conn, repository_id, object_ids)
        missing = [object_id for object_id in object_ids if object_id not in kept]
        if not missing:
            return kept
        mirror = await self._mirror(account_id, repository_id)
        with told():
            try:
                fresh = await mirror.contents(missing, limit)
            except GitMissingError:  # the mirror was emptied
                await mirror.fetch()
                fresh = await mirror.contents(missing, limit)
        small = {object_id: content for object_id, content in fresh.items() if len(content) <= KEPT_BYTES}
        async with self._db.transaction(system(account_id, method="git.cache")) as tx:
            await store.keep_contents(tx.conn, account_id, repository_id, small)
        return {**kept, **fresh}

    async def _check(self, account_id: UUID, repository_id: UUID, commit: str) -> tuple[CodeFinding, ...]:
        mirror = await self._at(account_id, repository_id, commit)
        try:
            listing = await mirror.listing(commit)
        except TreeRefusedError as error:
            refused = error.findings[:_FINDINGS_MAX]
            return tuple(CodeFinding(f"{TREE}{each.code}", each.message, each.path) for each in refused)
        except TreeLimitError as error:
            return (CodeFinding(f"{TREE}limit", str(error), ""),)
        await self._keep(account_id, repository_id, listing)
        left_out = listing.findings[:_FINDINGS_MAX]
        return tuple(CodeFinding(f"left-out-{each.code}", each.message, each.path, blocking=False) for each in left_out)

    async def _keep(self, account_id: UUID, repository_id: UUID, listing: Listing) -> tuple[SourceEntry, ...]:
        rows = [(entry.path, int(entry.mode), entry.object_id, entry.size) for entry in listing.entries]
        async with self._db.transaction(system(account_id, method="git.cache")) as tx:
            await store.keep_tree(tx.conn, account_id, repository_id, listing.commit, rows)
        return tuple(SourceEntry(*row) for row in rows)

    async def _at(self, account_id: UUID, repository_id: UUID, commit: str) -> Mirror:
        """The mirror, with the commit in it."""
        mirror = await self._mirror(account_id, repository_id)
        with told():
            await mirror.fetch_commit(commit)
        return mirror

    async def _mirror(self, account_id: UUID, repository_id: UUID) -> Mirror:
        found = self._mirrors.get((account_id, repository_id))
        if found is not None:
            return found
        repository = await self._repositories.by_id(account_id, repository_id)
        if repository is None:
            raise NotNow("REPOSITORY_NOT_CONNECTED", "The repository is not connected any more.")
        protocols = {"https", "ssh", *(("file",) if self._file_roots else ())}
        with told():
            remote = allowed_remote(repository.clone_url, protocols, self._file_roots)
        return self._mirrors.setdefault(
            (account_id, repository_id), Mirror(self._folder / str(account_id) / str(repository_id), remote)
        )


def _batches(entries: Sequence[SourceEntry]) -> Iterator[list[SourceEntry]]:
    """Runs of entries, each of at most 256 and of 8 MiB, or of one larger file."""
    some: list[SourceEntry] = []
    size = 0
    for entry in entries:
        if some and (size + entry.size > _BATCH_BYTES or len(some) == _BATCH_ENTRIES):
            yield some
            some, size = [], 0
        some.append(entry)
        size += entry.size
    if some:
        yield some

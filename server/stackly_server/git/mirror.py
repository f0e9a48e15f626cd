"""A bare mirror of one repository: transport by the git program, reading left to `tree`."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from stackly_server.git.command import Access, GitCommand
from stackly_server.git.model import COMMIT, CommitInfo, GitError, GitMissingError, Listing, StackRoot
from stackly_server.git.remote import Remote
from stackly_server.git.roots import find_roots
from stackly_server.git.tree import TreeReader

KEEP = "refs/stackly/keep/"
"""Below it stands one ref for each commit that must not be lost, whatever the remote does to its branches."""
REF_CHARACTERS = 250

_TURN_SECONDS = 0.02
"""How often a process looks whether another one has ended its fetch."""
_FORBIDDEN = frozenset(' ~^:?*[\\"\x7f')


def checked_branch(name: str) -> str:
    """The full ref of a branch, from `main` or `refs/heads/main`.

    Raises:
        GitMissingError: git would not allow such a name.
    """
    short = name.removeprefix("refs/heads/")
    parts = short.split("/")
    bad_part = any(not part or part[0] in ".-" or part.endswith((".lock", ".")) for part in parts)
    bad = _FORBIDDEN & set(short) or ".." in short or "@{" in short or short == "@" or not short.isprintable()
    if bad_part or bad or len(short) > REF_CHARACTERS:
        raise GitMissingError("this is no name of a branch")
    return f"refs/heads/{short}"


def checked_commit(commit: str) -> str:
    """The commit's full id.

    Raises:
        GitMissingError: it is not 40 lower-case hex digits.
    """
    if not COMMIT.fullmatch(commit):
        raise GitMissingError("a commit is named by its 40 hex digits")
    return commit


class Mirror:
    """The mirror in one folder. Safe to use from several tasks and processes; what writes waits for one another."""

    def __init__(
        self, folder: Path, remote: Remote, access: Access | None = None, git: GitCommand | None = None
    ) -> None:
        self._folder = folder.absolute()
        self._remote = remote
        self._access = access or Access()
        self._git = git or GitCommand()
        self._turn = asyncio.Lock()

    @property
    def reader(self) -> TreeReader:
        """Reads what was fetched; its methods block: call them in a thread."""
        return TreeReader(self._folder)

    async def listing(self, commit: str, path: str = "") -> Listing:
        """What of a commit may reach a worker; see `TreeReader.listing`."""
        return await asyncio.to_thread(self.reader.listing, commit, path)

    async def roots(self, commit: str) -> tuple[StackRoot, ...]:
        """The stack roots of a commit; see `find_roots`."""
        return await asyncio.to_thread(find_roots, self.reader, commit)

    async def info(self, commit: str) -> CommitInfo:
        """A commit's author, subject and times; see `TreeReader.commit_info`."""
        return await asyncio.to_thread(self.reader.commit_info, commit)

    async def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether a commit came before another, or is the same; see `TreeReader.is_ancestor`."""
        return await asyncio.to_thread(self.reader.is_ancestor, ancestor, descendant)

    async def content(self, object_id: str, limit: int) -> bytes:
        """A file's content of at most `limit` bytes; see `TreeReader.content`."""
        return await asyncio.to_thread(self.reader.content, object_id, limit)

    async def contents(self, object_ids: Sequence[str], limit: int) -> dict[str, bytes]:
        """The contents of many files at once, each of at most `limit` bytes; see `TreeReader.content`."""
        return await asyncio.to_thread(self.reader.contents, object_ids, limit)

    async def fetch(self) -> None:
        """Brings all branches to where the remote has them; branches gone there go here too. Kept commits stay.

        Raises:
            GitError: the remote did not answer, refused, or sent malformed objects.
        """
        await self._fetch("--prune", refspec="+refs/heads/*:refs/heads/*")

    async def fetch_branch(self, branch: str) -> str:
        """Fetches the head of one branch and keeps it; the head's commit. Branches here are not touched.

        Raises:
            GitMissingError: no such branch at the remote, or no such name.
            GitError: as for `fetch`.
        """
        ref = checked_branch(branch)
        async with self._alone():
            await self._make()
            heads = await self._remote_heads(ref)
        if ref not in heads:
            raise GitMissingError(f"the remote has no branch {ref.removeprefix('refs/heads/')}")
        await self.fetch_commit(heads[ref])
        return heads[ref]

    async def fetch_commit(self, commit: str) -> None:
        """Makes sure that a commit with its whole tree is here, and keeps it; asks the remote only when it is not.

        Raises:
            GitMissingError: the remote does not have the commit or does not hand it out.
        """
        ref = KEEP + checked_commit(commit)
        if await asyncio.to_thread(self.has_commit, commit):
            await self.keep(commit)
            return
        try:
            await self._fetch(refspec=f"+{commit}:{ref}")
        except GitMissingError:
            raise
        except GitError as error:
            if "not our ref" in str(error) or "remote ref" in str(error):
                raise GitMissingError(f"the remote has no commit {commit}") from error
            raise

    def has_commit(self, commit: str) -> bool:
        """Whether the commit is in the mirror."""
        return (self._folder / "HEAD").exists() and self.reader.has_commit(checked_commit(commit))

    async def keep(self, commit: str) -> None:
        """Holds a commit that is here by a ref of ours.

        Raises:
            GitMissingError: it is not here.
        """
        checked_commit(commit)
        if not await asyncio.to_thread(self.has_commit, commit):
            raise GitMissingError(f"the mirror has no commit {commit}")
        if not await asyncio.to_thread(self.reader.has_ref, KEEP + commit):
            async with self._alone():
                await self._git.run(self._folder, "update-ref", "--", KEEP + commit, commit)

    async def _remote_heads(self, pattern: str) -> dict[str, str]:
        answer = await self._ask("ls-remote", "--heads", "--", self._remote.url, pattern)
        pairs = (line.partition("\t") for line in answer.splitlines())
        return {ref: commit for commit, _, ref in pairs if COMMIT.fullmatch(commit)}

    async def _fetch(self, *options: str, refspec: str) -> None:
        async with self._alone():
            await self._make()
            await self._ask(
                *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-gc"),
                *(*options, "--", self._remote.url, refspec),
            )

    async def _ask(self, *arguments: str) -> str:
        return await self._git.run(self._folder, *arguments, remote=self._remote, access=self._access)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One writer at a time: git's own locks fail at once where we would rather wait. A dead process holds nothing."""
        async with self._turn:
            await asyncio.to_thread(self._folder.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
            with self._folder.with_suffix(".lock").open("w") as lock:
                while not _taken(lock.fileno()):  # noqa: ASYNC110  (no event reaches us from another process)
                    await asyncio.sleep(_TURN_SECONDS)
                yield

    async def _make(self) -> None:
        """An empty bare repository without template, so without hooks; only once."""
        if (self._folder / "HEAD").exists():
            return
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        await self._git.run(self._folder, "init", "--quiet", "--bare", "--template=", "--object-format=sha1")


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

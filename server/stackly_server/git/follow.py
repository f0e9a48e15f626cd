"""Follows a branch: what its head asks of the stack codes, and taking that up. Pushes and people share it."""

from dataclasses import dataclass
from uuid import UUID

from stackly_server.access import Subject
from stackly_server.git.model import CommitInfo
from stackly_server.git.push import Change, Known, Scan, decide
from stackly_server.git.sources import TREE, Sources
from stackly_server.stacks.model import STACK_FILE, CodeStatus, Reading, StackCode
from stackly_server.stacks.registry import CodePlace, Registry, WantedRun

FILE_BYTES = 16 * 2**20
"""A stack file is read up to here; from 64 KiB on it is refused for its size."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch of a connected repository; `ref` is its short name."""

    account_id: UUID
    repository_id: UUID
    repository: str
    ref: str


class Follower:
    """Reads first, decides, then writes each stack in its own transaction, guarded by the version it decided on."""

    def __init__(self, sources: Sources, registry: Registry) -> None:
        self._sources = sources
        self._registry = registry

    async def scan(self, subject: Subject, branch: Branch, *, adopt: bool) -> Scan:
        """What the head of a branch asks for. Notes on the way whose applied commit left the branch's history.

        The codes are read before the head is fetched: whoever writes meanwhile makes this scan stale, never wrong.
        """
        codes = await self._registry.of_repository(branch.account_id, branch.repository_id)
        head = await self._sources.head(branch.account_id, branch.repository_id, branch.ref)
        roots = await self._sources.roots(branch.account_id, branch.repository_id, head)
        known = {code.repo_path: known_of(code, digest) for code, digest in codes}
        followed = [code for code, _ in codes if code.ref == branch.ref]
        await self._mark_history(subject, branch, head, followed)
        return Scan(head, decide(roots, known, branch.ref, adopt=adopt))

    async def take(self, subject: Subject, branch: Branch, head: str, change: Change) -> tuple[WantedRun, ...] | None:
        """Takes up one change; None when it was decided on what is no longer so."""
        if not change.file_id:
            code = await self._registry.at(branch.account_id, branch.repository_id, change.path)
            if code is None or code.status is CodeStatus.DEREGISTERED:
                return ()
            return () if code.version == change.seen and await self._registry.deregister(subject, code) else None
        reading = await self.read(branch, head, change)
        return await self._registry.take(subject, self.place(branch, change.path), reading, change.seen)

    async def read(self, branch: Branch, head: str, change: Change) -> Reading:
        """What a stack says at a commit, and what is wrong with it."""
        path = f"{change.path}/{STACK_FILE}".lstrip("/")
        info = await self._sources.info(branch.account_id, branch.repository_id, head)
        tree = await self._sources.findings(branch.account_id, branch.repository_id, head)
        near = [each for each in tree if each.blocking or _below(each.path, change.path)]
        data = await self._sources.content(branch.account_id, branch.repository_id, change.file_id, FILE_BYTES)
        config, found = await self._registry.read_file(data, path)
        return Reading(
            commit=head, digest=change.digest, config=config, findings=(*found, *near), author=_author(info),
            message=info.subject, committed_at=info.committed_at,
        )  # fmt: skip

    @staticmethod
    def place(branch: Branch, path: str) -> CodePlace:
        """Where a stack lies."""
        return CodePlace(branch.repository_id, branch.repository, path, branch.ref)

    async def _mark_history(self, subject: Subject, branch: Branch, head: str, codes: list[StackCode]) -> None:
        ids = [code.id for code in codes]
        commits = await self._registry.applied_commits(branch.account_id, ids)
        if commits:
            strange = await self._sources.not_before(branch.account_id, branch.repository_id, commits, head)
            await self._registry.mark_history(subject, ids, strange)


def known_of(code: StackCode, digest: str) -> Known:
    """What the decision needs. A stack that something elsewhere in the tree blocks is looked at again each time."""
    blocked = any(finding.blocking and finding.code.startswith(TREE) for finding in code.findings)
    return Known(code.ref, "" if blocked else digest, code.version, code.status is not CodeStatus.DEREGISTERED)


def _below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _author(info: CommitInfo) -> str:
    return f"{info.author_name} <{info.author_email}>"

"""What people ask of repositories: register the stack at a path, take up what changed. As a push does, without runs."""

from posixpath import normpath
from typing import Protocol
from uuid import UUID

from stackly_server.access import Subject, own, require
from stackly_server.database import Database
from stackly_server.errors import Conflict, FieldProblem, Invalid, NotFound, NotNow
from stackly_server.git.follow import Branch, Follower, known_of
from stackly_server.git.push import Change, Known
from stackly_server.git.sources import Sources
from stackly_server.git.webhook import BRANCH
from stackly_server.stacks.model import STACK_FILE, CodeStatus, StackCode
from stackly_server.stacks.problems import config_invalid
from stackly_server.stacks.registry import Registry

_TRIES = 3


class RepositoryLike(Protocol):
    """What of a connected repository is read here."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...

    @property
    def slug(self) -> str:
        """The last part of its name."""
        ...

    @property
    def default_ref(self) -> str:
        """The branch whose pushes are deployed."""
        ...


class Repositories(Protocol):
    """Connected repositories."""

    async def by_slug(self, subject: Subject, slug: str) -> RepositoryLike:
        """A connected one of the caller's account; NotFound."""
        ...


class CodeRequests:
    """Registering and syncing. Each is tried again when somebody else was faster."""

    def __init__(
        self, db: Database, repositories: Repositories, sources: Sources, registry: Registry, follower: Follower
    ) -> None:
        self._db = db
        self._repositories = repositories
        self._sources = sources
        self._registry = registry
        self._follower = follower

    async def register(self, subject: Subject, parent: str, repository: str, repo_path: str, ref: str) -> StackCode:
        """Registers the stack at a path. Registering it again gives the same.

        Raises:
            NotNow: CONFIG_MISSING, CONFIG_INVALID (with line and column), REPOSITORY_NOT_CONNECTED, REF_NOT_FOUND.
        """
        require(subject, "stacks.write", parent)
        own(subject, parent, "account")
        connected = await self._connected(subject, repository)
        path = _checked_path(repo_path)
        for _ in range(_TRIES):
            code = await self._registry.at(subject.tenant, connected.id, path)
            wanted = ref or (code.ref if code else connected.default_ref)
            branch = Branch(subject.tenant, connected.id, connected.slug, wanted.removeprefix(BRANCH))
            done = await self._register(subject, branch, path, code)
            if done is not None:
                return done
        raise _too_busy(parent)

    async def sync(self, subject: Subject, name: str) -> tuple[StackCode, bool]:
        """Takes up what changed in the branch of one stack code; whether anything did."""
        require(subject, "stacks.write", name)
        for _ in range(_TRIES):
            code = await self._registry.get(subject, name)
            branch = Branch(subject.tenant, code.repository_id, code.repository, code.ref)
            change = await self._change(branch, code)
            if change is None or await self._follower.take(subject, branch, change[0], change[1]) is not None:
                return await self._answer(subject, name, changed=change is not None)
        raise _too_busy(name)

    async def _register(self, subject: Subject, branch: Branch, path: str, code: StackCode | None) -> StackCode | None:
        """The code; None when somebody else was faster."""
        head = await self._sources.head(branch.account_id, branch.repository_id, branch.ref)
        root = await self._root(branch, head, path)
        if root is None:
            where = f"{path}/{STACK_FILE}".lstrip("/")
            raise NotNow(
                "CONFIG_MISSING", f"There is no {where} at {head[:12]} of {branch.ref}.", path=where, commit=head
            )
        known = await self._known(branch, path)
        if code is not None and known is not None and _same(code, known, branch, root.digest):
            return code
        reading = await self._follower.read(branch, head, root)
        if reading.blocking or reading.config is None:
            raise config_invalid(reading.blocking, head)
        seen = code.version if code else 0
        if await self._registry.take(subject, self._follower.place(branch, path), reading, seen) is None:
            return None
        return await self._registry.at(branch.account_id, branch.repository_id, path)

    async def _change(self, branch: Branch, code: StackCode) -> tuple[str, Change] | None:
        """The head and what it asks of one code; None when nothing."""
        head = await self._sources.head(branch.account_id, branch.repository_id, branch.ref)
        root = await self._root(branch, head, code.repo_path)
        known = await self._known(branch, code.repo_path)
        live = code.status is not CodeStatus.DEREGISTERED
        if root is None:
            return (head, Change(code.repo_path, "", "", code.version)) if live else None
        if live and known is not None and known.digest == root.digest:
            return None
        return head, Change(root.path, root.file_id, root.digest, code.version)

    async def _root(self, branch: Branch, head: str, path: str) -> Change | None:
        roots = await self._sources.roots(branch.account_id, branch.repository_id, head)
        return next((Change(root.path, root.file_id, root.digest, 0) for root in roots if root.path == path), None)

    async def _known(self, branch: Branch, path: str) -> Known | None:
        found = await self._registry.of_repository(branch.account_id, branch.repository_id)
        return next((known_of(code, digest) for code, digest in found if code.repo_path == path), None)

    async def _answer(self, subject: Subject, name: str, *, changed: bool) -> tuple[StackCode, bool]:
        """The code as it is now; kept for a repeated call."""
        code = await self._registry.get(subject, name)
        async with self._db.transaction(subject) as tx:
            tx.result = (code, changed)
        return code, changed

    async def _connected(self, subject: Subject, repository: str) -> RepositoryLike:
        try:
            return await self._repositories.by_slug(subject, own(subject, repository, "repository")[1])
        except NotFound as error:
            message = f"The repository {repository!r} is not connected."
            raise NotNow("REPOSITORY_NOT_CONNECTED", message, resource=repository) from error


def _same(code: StackCode, known: Known, branch: Branch, digest: str) -> bool:
    return code.status is CodeStatus.ACTIVE and code.ref == branch.ref and known.digest == digest


def _checked_path(path: str) -> str:
    plain = normpath(path.strip("/")) if path.strip("/") else ""
    plain = "" if plain == "." else plain
    if plain.startswith("..") or not plain.isprintable() or "\\" in plain:
        problem = FieldProblem("repo_path", "a folder of the repository, from its root, without ..")
        raise Invalid("VALIDATION_FAILED", f"repo_path: {problem.problem}.", fields=[problem])
    return plain


def _too_busy(name: str) -> Conflict:
    return Conflict("CONCURRENT_CHANGE", f"{name} is being changed by others; try again.")

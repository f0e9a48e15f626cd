"""Connected repositories: which address they have, and the secret that their webhooks sign with."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from stackly_server.access import Subject, own, require
from stackly_server.accounts import repository_store, store
from stackly_server.accounts.keys import Keys
from stackly_server.accounts.model import Repository, repository_slug
from stackly_server.accounts.routing import Routes
from stackly_server.clock import Clock, uuid7
from stackly_server.database import Database
from stackly_server.errors import FieldProblem, Invalid, NotFound, NotNow
from stackly_server.pages import Pages

_SECRET_BYTES = 32
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


@dataclass(frozen=True, slots=True)
class NewRepository:
    """What to connect; `default_ref` is a branch, empty for `main`."""

    clone_url: str
    full_name: str
    external_id: str
    default_ref: str


@dataclass(frozen=True, slots=True)
class Hooked:
    """A connected repository with the secret of its webhook."""

    account_id: UUID
    account: str
    repository: Repository
    secret: str = field(repr=False)


class Repositories:
    """Connects and disconnects; `file_roots` are the folders below which `file://` is allowed, none in production."""

    def __init__(
        self, database: Database, keys: Keys, pages: Pages, routes: Routes, clock: Clock, file_roots: Sequence[Path]
    ) -> None:
        self._db = database
        self._keys = keys
        self._pages = pages
        self._routes = routes
        self._clock = clock
        self._file_roots = tuple(file_roots)

    async def list(self, subject: Subject, parent: str, size: int, token: str) -> tuple[list[Repository], str]:
        """By slug."""
        require(subject, "stacks.read", parent)
        own(subject, parent, "account")
        scope = "ListRepositories"
        cursor = await self._pages.open(token, scope, subject)
        async with self._db.read(subject.tenant) as conn:
            rows = await repository_store.repositories(conn, str(cursor[0]) if cursor else "", size + 1)
        return rows[:size], await self._pages.next(rows, size, lambda row: (row.slug,), scope, subject)

    async def connect(self, subject: Subject, parent: str, new: NewRepository) -> tuple[Repository, str]:
        """The repository and the secret of its webhook. A code host's repository belongs to one account at a time."""
        require(subject, "repos.write", parent)
        own(subject, parent, "account")
        problems = [*url_problems(new.clone_url, self._file_roots), *_ref_problems(new.default_ref)]
        if problems:
            raise Invalid(
                "VALIDATION_FAILED", f"The repository cannot be connected: {problems[0].problem}.", fields=problems
            )
        repository = Repository(
            uuid7(),
            repository_slug(new.full_name, new.external_id),
            new.clone_url,
            new.full_name,
            new.external_id,
            new.default_ref or "main",
            self._clock.now(),
        )
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        sealed = await self._keys.seal(subject.tenant, "secret", _place(repository.id), secret.encode())
        async with self._db.transaction(subject) as tx:
            await repository_store.insert_repository(tx.conn, tx.account_id, repository, sealed)
            await store.insert_route(tx.conn, "repository", repository.external_id, tx.account_id)
            tx.tell("repository.connected", f"{parent}/repositories/{repository.slug}", full_name=repository.full_name)
            tx.result = (repository, secret)
        return repository, secret

    async def disconnect(self, subject: Subject, name: str) -> None:
        """Its webhook is refused from then on. Refused while a stack of it runs, or is registered."""
        require(subject, "repos.write", name)
        _, slug = own(subject, name, "repository")
        async with self._db.transaction(subject) as tx:
            repository = await repository_store.find_repository(tx.conn, slug=slug)
            if repository is None:
                raise NotFound("repository", name)
            in_use = await repository_store.disconnect_repository(tx.conn, repository.id)
            if in_use == "run":
                raise NotNow("RUN_IN_PROGRESS", "A stack of this repository runs; wait, or cancel it.", resource=name)
            if in_use is not None:
                raise NotNow(
                    "STATE_NOT_EMPTY", "Stacks of this repository are registered; deregister them first.", resource=name
                )
            await store.delete_route(tx.conn, "repository", repository.external_id)
            tx.tell("repository.disconnected", name)

    async def by_slug(self, subject: Subject, slug: str) -> Repository:
        """A connected repository of the caller's account."""
        async with self._db.read(subject.tenant) as conn:
            found = await repository_store.find_repository(conn, slug=slug)
        if found is None:
            raise NotFound("repository", f"accounts/{subject.account}/repositories/{slug}")
        return found

    async def by_id(self, account_id: UUID, repository_id: UUID) -> Repository | None:
        """A connected repository by its id."""
        async with self._db.read(account_id) as conn:
            return await repository_store.find_repository(conn, id_=repository_id)

    async def hooked(self, external_id: str) -> Hooked | None:
        """The connected repository that a code host calls by its own id, before the tenant is known."""
        account_id = await self._routes.find("repository", external_id)
        if account_id is None:
            return None
        async with self._db.read(account_id) as conn:
            account = await store.account(conn)
            repository = await repository_store.find_repository(conn, external_id=external_id)
            if repository is None:
                return None
            sealed = await repository_store.webhook_secret(conn, repository.id)
        secret = await self._keys.open(account_id, "secret", _place(repository.id), sealed)
        return Hooked(account_id, account.name, repository, secret.decode())


def url_problems(url: str, file_roots: Sequence[Path]) -> list[FieldProblem]:
    """What is wrong with an address: another protocol, credentials in it, a file outside of the allowed roots."""
    parts = urlsplit(url)
    wrong = ""
    if not url.isascii() or not url.isprintable() or " " in url or parts.query or parts.fragment:
        wrong = "it has characters that no repository's address has"
    elif parts.scheme == "file":
        path = Path(parts.path)
        below = path.is_absolute() and any(path.resolve().is_relative_to(root.resolve()) for root in file_roots)
        wrong = "" if below and not parts.netloc else "file:// is allowed only below the roots of a development server"
    elif parts.scheme not in {"https", "ssh"} or not parts.hostname:
        wrong = "it must begin with https:// or ssh:// and a host"
    elif parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        wrong = "it must not hold credentials"
    return [FieldProblem("repository.clone_url", wrong)] if wrong else []


def _ref_problems(ref: str) -> list[FieldProblem]:
    if not ref or (_REF.fullmatch(ref) and ".." not in ref and not ref.endswith(("/", ".lock", "."))):
        return []
    return [FieldProblem("repository.default_ref", "it is no name of a branch")]


def _place(repository_id: UUID) -> str:
    return f"repository/{repository_id}/webhook"

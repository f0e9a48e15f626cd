"""Stack codes: registered, taken to newer commits, de-registered; each in a transaction of its own."""

from dataclasses import dataclass
from uuid import UUID

from stackly_server.access import Subject, own, require
from stackly_server.clock import uuid7
from stackly_server.database import Database, Transaction
from stackly_server.errors import NotFound
from stackly_server.hcl.document import HclError
from stackly_server.hcl.reader import HclReader
from stackly_server.stacks import state_store, store
from stackly_server.stacks.config import StackConfig, StateConfig, config_of
from stackly_server.stacks.model import (
    CodeFinding,
    CodeStatus,
    Reading,
    StackCode,
    StackCodeVersion,
    StackState,
    candidate_names,
    code_slug,
    reconcile,
)
from stackly_server.stacks.service import StackService, tf_state_key
from stackly_server.stacks.stackfile import parse_stack_file
from stackly_server.states.service import StateService


@dataclass(frozen=True, slots=True)
class CodePlace:
    """Where a stack lies: a folder of a repository, on a branch."""

    repository_id: UUID
    repository: str
    repo_path: str
    ref: str


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A run that a change of code asks for."""

    stack_state_id: UUID
    commit: str
    auto_apply: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a new stack state needs that cannot be made inside a transaction."""

    id: UUID
    hash_key: bytes


class Registry:
    """Stack codes and what their files ask of stack states."""

    def __init__(self, db: Database, hcl: HclReader, states: StateService) -> None:
        self._db = db
        self._hcl = hcl
        self._states = states

    async def page(self, subject: Subject, parent: str, after: str, limit: int) -> list[StackCode]:
        """By name, after the id `after`."""
        require(subject, "stacks.read", parent)
        own(subject, parent, "account")
        async with self._db.read(subject.tenant) as conn:
            return await store.codes_page(conn, after, limit)

    async def get(self, subject: Subject, name: str) -> StackCode:
        """One."""
        require(subject, "stacks.read", name)
        async with self._db.read(subject.tenant) as conn:
            found = await store.find_code(conn, slug=own(subject, name, "stack code")[1])
        if found is None:
            raise NotFound("stack code", name)
        return found

    async def versions(
        self, subject: Subject, parent: str, before: tuple[str, str] | None, limit: int
    ) -> list[StackCodeVersion]:
        """Newest first, after (time of creation, commit) of the last one seen."""
        code = await self.get(subject, parent)
        async with self._db.read(subject.tenant) as conn:
            return await store.versions_page(conn, code.id, before, limit)

    async def version(self, subject: Subject, name: str) -> StackCodeVersion:
        """One, by commit."""
        code = await self.get(subject, "/".join(name.split("/")[:4]))
        async with self._db.read(subject.tenant) as conn:
            found = await store.find_version(conn, code.id, own(subject, name, "version")[2])
        if found is None:
            raise NotFound("version", name)
        return found

    async def at(self, account_id: UUID, repository_id: UUID, repo_path: str) -> StackCode | None:
        """The code at a path of a repository, whatever its status."""
        async with self._db.read(account_id) as conn:
            return await store.find_code_at(conn, repository_id, repo_path)

    async def of_repository(self, account_id: UUID, repository_id: UUID) -> list[tuple[StackCode, str]]:
        """All codes of a repository, each with the digest of its current commit."""
        async with self._db.read(account_id) as conn:
            return await store.codes_of_repository(conn, repository_id)

    async def read_file(self, data: bytes, path: str) -> tuple[StackConfig | None, tuple[CodeFinding, ...]]:
        """What a stack file says, and what is wrong with it or not supported yet; no config when it has errors."""
        try:
            file = parse_stack_file(await self._hcl.read(data))
        except HclError as error:
            return None, tuple(
                CodeFinding("invalid", each.message, path, each.line, each.column, each.line_text)
                for each in error.problems
            )
        return config_of(file), tuple(
            CodeFinding(each.code, each.message, path, each.line, each.column, each.line_text) for each in file.findings
        )

    async def take(
        self, subject: Subject, place: CodePlace, reading: Reading, seen: int
    ) -> tuple[WantedRun, ...] | None:
        """Takes the code at a place to a commit: registers it, or updates it, with its stack states.

        `seen` is the version that the decision was made on, 0 for none; None is answered when it is another by now.
        Doing it again gives the same answer and changes nothing.
        """
        prepared = await self._prepare(subject.tenant, reading.config)
        async with self._db.transaction(subject) as tx:
            code = await store.find_code_at(tx.conn, place.repository_id, place.repo_path, lock=True)
            known = code is not None and code.status is not CodeStatus.DEREGISTERED
            if code is None or code.current_commit != reading.commit or not known:
                if (code.version if code else 0) != seen or not await self._write(tx, place, reading, code):
                    return None
                code = await store.find_code_at(tx.conn, place.repository_id, place.repo_path)
                if code is None:
                    raise LookupError("the stack code that was just written is not there")
                await store.insert_version(tx.conn, tx.account_id, code.id, reading)
                event = "invalid" if reading.status is CodeStatus.INVALID else "updated" if known else "registered"
                tx.tell(f"stack_code.{event}", _code_name(subject, code), commit=reading.commit, path=place.repo_path)
            if reading.config is None:
                return ()
            return await self._reconcile(tx, place, code, reading, reading.config, prepared)

    async def deregister(self, subject: Subject, code: StackCode) -> bool:
        """The code is gone: its stack states are loose. False when it is another version by now."""
        async with self._db.transaction(subject) as tx:
            if not await store.deregister_code(tx.conn, code.id, code.version):
                return False
            for state in await state_store.of_code(tx.conn, code.id):
                await self._loosen(tx, state)
            tx.tell("stack_code.deregistered", _code_name(subject, code), path=code.repo_path)
        return True

    async def applied_commits(self, account_id: UUID, code_ids: list[UUID]) -> list[str]:
        """The commits that stack states of these codes were last applied at."""
        async with self._db.read(account_id) as conn:
            return await state_store.applied_commits(conn, code_ids)

    async def mark_history(self, subject: Subject, code_ids: list[UUID], strange: list[str]) -> None:
        """Notes whose applied commit is no longer in its branch's history (`strange`), and whose is again."""
        async with self._db.transaction(subject) as tx:
            for name in await state_store.mark_history(tx.conn, code_ids, strange):
                tx.tell("stack_state.history_mismatch", StackService.resource_name(subject.account, name))

    async def _prepare(self, account_id: UUID, config: StackConfig | None) -> dict[str, Prepared]:
        made = {}
        for state in config.states if config else ():
            id_ = uuid7()
            made[state.block] = Prepared(id_, await self._states.new_hash_key(account_id, id_))
        return made

    async def _write(self, tx: Transaction, place: CodePlace, reading: Reading, code: StackCode | None) -> bool:
        if code is not None:
            await store.update_code(tx.conn, code.id, place.ref, reading)
            return True
        slug = code_slug(place.repository, place.repository_id, place.repo_path)
        at = (place.repository_id, place.repo_path, place.ref)
        return await store.insert_code(tx.conn, tx.account_id, slug, at, reading) is not None

    async def _reconcile(
        self, tx: Transaction, place: CodePlace, code: StackCode, reading: Reading, config: StackConfig,
        prepared: dict[str, Prepared],
    ) -> tuple[WantedRun, ...]:  # fmt: skip
        asked = reconcile(config, await state_store.of_code(tx.conn, code.id))
        for state in asked.loosened:
            await self._loosen(tx, state)
        live = [await self._make(tx, place, code, state, prepared[state.block]) for state in asked.new]
        live += [await self._want(tx, config, state, reading.commit) for state in asked.kept]
        back = [await self._want(tx, config, state, reading.commit) for state in asked.returned]
        if reading.status is CodeStatus.INVALID:
            return ()
        runs = [_run(state, config, reading.commit) for state in live if state.status in {"PENDING", "ACTIVE"}]
        # what was loose is planned and waits for a person: nobody watched it meanwhile
        return (*runs, *(WantedRun(state.id, reading.commit, auto_apply=False) for state in back))

    async def _make(
        self, tx: Transaction, place: CodePlace, code: StackCode, said: StateConfig, prepared: Prepared
    ) -> StackState:
        namespace_id = await state_store.namespace_id(tx.conn, "default")
        for name in candidate_names(said.name, place.repository, place.repository_id, place.repo_path):
            columns = {
                "id": prepared.id, "name": name, "namespace": namespace_id, "code": code.id, "block": said.block,
                "commit": code.current_commit, "environment": said.environment,
            }  # fmt: skip
            state = await state_store.insert(tx.conn, tx.account_id, columns)
            if state is not None:
                await self._states.begin(tx, state.id, tf_state_key(state.id), prepared.hash_key)
                tx.tell("stack_state.created", _state_name(tx.subject, state), stack_code=_code_name(tx.subject, code))
                return state
        raise LookupError(f"all names for a stack state of {code.slug} are taken")

    async def _want(self, tx: Transaction, config: StackConfig, state: StackState, commit: str) -> StackState:
        said = config.state(state.state_block)
        if (state.desired_commit, state.environment) == (commit, said.environment) and state.status != "LOOSE":
            return state
        changed = await state_store.want(tx.conn, state.id, commit, said.environment)
        if changed is None:
            return state
        if state.status == "LOOSE":
            tx.tell("stack_state.returned", _state_name(tx.subject, state), status=changed.status)
        return changed

    async def _loosen(self, tx: Transaction, state: StackState) -> None:
        if await state_store.loosen(tx.conn, state.id) is not None:
            tx.tell("stack_state.loosened", _state_name(tx.subject, state))


def _run(state: StackState, config: StackConfig, commit: str) -> WantedRun:
    auto = config.auto_deploy if state.auto_deploy is None else state.auto_deploy
    return WantedRun(state.id, commit, auto_apply=auto and not state.history_mismatch)


def _code_name(subject: Subject, code: StackCode) -> str:
    return f"accounts/{subject.account}/stackCodes/{code.slug}"


def _state_name(subject: Subject, state: StackState) -> str:
    return StackService.resource_name(subject.account, state.name)

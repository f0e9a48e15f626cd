"""What the programs are built of: the ground (Postgres, Vault, keys) and the rooms on it, by plain constructor arguments."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from stackly_server.accounts.keys import Keys
from stackly_server.accounts.namespaces import Namespaces
from stackly_server.accounts.repositories import Repositories
from stackly_server.accounts.routing import Routes
from stackly_server.clock import SystemClock
from stackly_server.config import Settings
from stackly_server.database import Database
from stackly_server.git.follow import Follower
from stackly_server.git.service import GitService
from stackly_server.git.sources import Sources
from stackly_server.hcl.reader import HclReader
from stackly_server.hub import Hub
from stackly_server.logs.service import LogService
from stackly_server.outside.blobs import DirectoryBlobs
from stackly_server.outside.vault import Vault
from stackly_server.pages import Pages
from stackly_server.policies.service import PolicyService
from stackly_server.runs.batches import BatchService
from stackly_server.runs.progress import Progress
from stackly_server.runs.service import RunService
from stackly_server.stacks.registry import Registry
from stackly_server.stacks.service import StackService
from stackly_server.states.records import RecordService
from stackly_server.states.service import StateService
from stackly_server.workers.service import WorkerService


@dataclass(frozen=True, slots=True)
class Ground:
    """What every room stands on: opened by `ground`, shared by the API and the orchestrator."""

    settings: Settings
    clock: SystemClock
    database: Database
    hub: Hub
    vault: Vault
    keys: Keys
    pages: Pages
    routes: Routes
    namespaces: Namespaces


@asynccontextmanager
async def ground(settings: Settings, program: str = "stackly") -> AsyncIterator[Ground]:
    """Opens Postgres and Vault for a program; closes them at the end."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        database = Database(settings.database_url)
        await database.open()
        stack.push_async_callback(database.close)
        hub = Hub(settings.database_url, program)
        await hub.open()
        stack.push_async_callback(hub.close)
        vault = Vault(settings.vault_url, settings.vault_role_id, settings.vault_secret_id_file)
        stack.push_async_callback(vault.close)
        await vault.open()
        keys = Keys(database, vault, clock)
        pages, routes, namespaces = Pages(keys, clock), Routes(database), Namespaces(database)
        yield Ground(settings, clock, database, hub, vault, keys, pages, routes, namespaces)


@dataclass(frozen=True, slots=True)
class Rooms:
    """The services that both the API and the orchestrator use."""

    hcl: HclReader
    blobs: DirectoryBlobs
    repositories: Repositories
    states: StateService
    records: RecordService
    logs: LogService
    policies: PolicyService
    workers: WorkerService
    stacks: StackService
    registry: Registry
    sources: Sources
    follower: Follower
    progress: Progress
    batches: BatchService
    runs: RunService
    git: GitService


@asynccontextmanager
async def rooms(on: Ground) -> AsyncIterator[Rooms]:
    """Builds the rooms, from the lowest up; ends the child process that reads HCL."""
    settings, db, keys = on.settings, on.database, on.keys
    hcl, blobs = HclReader(), DirectoryBlobs(settings.blobs_dir)
    roots = settings.dev_repository_roots
    repositories = Repositories(db, keys, on.pages, on.routes, on.clock, roots)
    states, logs, policies = StateService(db, keys, blobs), LogService(db, keys, blobs), PolicyService(db, hcl)
    records = RecordService(db, keys)
    workers = WorkerService(db, on.vault, keys, settings.trust_domain)
    stacks, registry = StackService(db, keys, states), Registry(db, hcl, states)
    progress = Progress(stacks, states, records, policies, workers)
    batches = BatchService(
        db, on.hub, keys, blobs, stacks, states, records, workers, progress, settings.lease_seconds
    )  # fmt: skip
    runs = RunService(db, on.hub, keys, stacks, states, workers, progress)
    sources = Sources(db, repositories, settings.mirrors_dir, roots)
    follower = Follower(sources, registry)
    git = GitService(db, repositories, follower, runs)
    warming = asyncio.create_task(hcl.warm())  # its grammar takes a second to build: not at the first push
    try:
        yield Rooms(
            hcl, blobs, repositories, states, records, logs, policies, workers, stacks, registry, sources, follower, progress, batches,
            runs, git,
        )  # fmt: skip
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
        await hcl.close()

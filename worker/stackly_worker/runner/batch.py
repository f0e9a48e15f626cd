"""The order of steps of one batch: plan (tree, init, plan, show, submit) and apply (tree, init, start, apply, state)."""

import asyncio
import contextlib
import secrets as chance
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from stackly_engine import exact, moves, plans, slices
from stackly_engine.auditing import AuditReport
from stackly_engine.outlines import Outline
from stackly_worker.runner import (
    helping,
    init_reads,
    limits,
    orders,
    plugin_cache,
    resolving,
    terraform,
    units,
    units_apply,
    units_audit,
    units_bundle,
    units_folder,
    units_resting,
    variables,
    worktree,
)
from stackly_worker.runner.artifact import ArtifactRefusedError
from stackly_worker.runner.batch_spec import PLAN, STARTED, VARIABLES, BatchSpec
from stackly_worker.runner.clock import Clock, SystemClock
from stackly_worker.runner.initialized import Initialization, covered, light, pinned, portable
from stackly_worker.runner.journal import write_new, write_synced
from stackly_worker.runner.others import Helpers
from stackly_worker.runner.place import DiskFullError, Place
from stackly_worker.runner.ports import (
    BundleError,
    ControlPlane,
    Grant,
    LeaseLostError,
    OthersPlane,
    Outcome,
    PlanBundle,
    PlaneRefusedError,
    PlaneUnavailableError,
    PlanResult,
    PlanStaleError,
)
from stackly_worker.runner.process import Command
from stackly_worker.runner.sandbox import Confinement, Plain, Sandbox
from stackly_worker.runner.session import CancelledStepError, Session, StepFailedError
from stackly_worker.runner.shelf import Shelf
from stackly_worker.runner.shipping import insist
from stackly_worker.runner.statewatch import ReadState, StateVersion
from stackly_worker.runner.terraform import Engine, Mirrors, Settings
from stackly_worker.runner.units_hands import Desk

# What ends a phase in words of its own, which hold no secret.
_TOLD = (
    worktree.TreeRefusedError, DiskFullError, BundleError, PlaneRefusedError, PlanStaleError, exact.FormatError,
    moves.UnknownAddress, ArtifactRefusedError,
)  # fmt: skip


@dataclass
class Batch:
    """One batch on this machine. `folder` (new, private) keeps journals, log and plan file; `place` is the stack's.

    `plan` and `apply` always end in an Outcome, handed to `plane.finish` too; they raise PlaneUnavailableError only when
    the control plane was away for longer than 15 minutes, and leave everything in `folder` and `place` for recovery.
    """

    spec: BatchSpec
    place: Place
    folder: Path
    engine: Engine
    plane: ControlPlane
    sandbox: Sandbox = field(default_factory=Plain)
    clock: Clock = field(default_factory=SystemClock)
    mirrors: Mirrors = field(default_factory=Mirrors)
    shelf: Shelf | None = None
    others: OthersPlane | None = None
    resolved_as: str = field(default="", init=False)  # SHA-256 of what the code is beyond its commit
    laid: ReadState | None = field(default=None, init=False)  # the state that was laid down, once it was
    outline: Outline | None = field(default=None, init=False)  # what came instead of it

    async def plan(self) -> Outcome:
        """Plan and submit. Nothing of the stack changes."""
        return await self._phase(self._plan, applies=False)

    async def apply(self) -> Outcome:
        """Apply the submitted plan, at most once: a folder in which an apply was begun is refused."""
        return await self._phase(self._apply, applies=True)

    @property
    def settings(self) -> Settings:
        return Settings(
            root=worktree.root_folder(self.place.tree, self.spec.root),
            home=self.place.home,
            var_file=self.folder / VARIABLES,
            plan_file=self.folder / PLAN,
            mirrors=self.mirrors,
            environment=self.spec.environment,
        )

    async def _phase(self, phase: Callable[[Session], Awaitable[Outcome]], *, applies: bool) -> Outcome:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._session(applies=applies) as session, AsyncExitStack() as held:
            outcome = await self._ended(partial(self._in_place, phase, held), session)
            if words := outcome.last_words:
                session.transcript.say(words)
            with contextlib.suppress(PlaneUnavailableError, PlaneRefusedError, LeaseLostError):
                await session.log.flush()
            outcome = replace(outcome, unit_batches=session.progress.rest())
            try:
                await insist(lambda: self.plane.finish(outcome), self.clock)
            except LeaseLostError as error:
                outcome = replace(outcome, status="lost", reason=str(error))
            if session.lock is not None:
                self.place.forget_accepted()  # only here: no Terraform of this batch lives that could still write there
                if outcome.status != "lost" and not outcome.state_refused:
                    units_folder.forget_states(self.folder)
            return outcome

    async def _in_place(
        self, phase: Callable[[Session], Awaitable[Outcome]], held: AsyncExitStack, session: Session
    ) -> Outcome:
        """The phase once the place is ours; it stays so until the outcome is reported."""
        session.lock = await held.enter_async_context(self.place.locked(partial(self._wait, session)))
        return await phase(session)

    async def _wait(self, session: Session) -> None:
        """Between two looks whether the place is free: says so once, and minds a wish to stop."""
        if not session.waited:
            session.waited = True
            self.plane.waits()
            session.transcript.say("Another run of this stack is at work on this machine; this one waits for its end.")
            session.log.poke()
        await self._pause(session)

    async def _pause(self, session: Session) -> None:
        session.stop_if_cancelled("the wait for what another run holds")
        await self.clock.sleep(limits.PLACE_INTERVAL)

    @asynccontextmanager
    async def _session(self, *, applies: bool) -> AsyncIterator[Session]:
        session = Session.open(self.folder, self.place, self.plane, self.clock, self.spec.secrets)
        session.grace, session.applies = self.spec.grace, applies
        tasks = [asyncio.create_task(run) for run in _beside(session, self.spec.renew_every)]
        try:
            yield session
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            session.close()
            for secret in (self.settings.var_file, self.settings.plan_file):
                if secret is not None:
                    secret.unlink(missing_ok=True)
            units_folder.forget_secrets(self.folder)

    async def _ended(self, phase: Callable[[Session], Awaitable[Outcome]], session: Session) -> Outcome:
        """The phase's outcome, whatever ended it; a failure keeps what Terraform said."""
        session.transcript.say("\n".join(filter(None, (self.engine.title, self.sandbox.notice))))
        try:
            return await phase(session)
        except CancelledStepError as error:
            return session.outcome("cancelled", step=error.step, reason="cancelled before Terraform changed anything")
        except StepFailedError as error:
            missing = variables.missing(session.transcript.events.errors)
            cause, reason = ("VARIABLES_MISSING", variables.say_missing(missing)) if missing else ("", str(error))
            return session.outcome("failed", step=error.step, rc=error.rc, reason=reason, cause=cause)
        except variables.UnknownVariablesError as error:
            return session.outcome("failed", step="plan", reason=str(error), cause="VARIABLE_UNKNOWN")
        except LeaseLostError as error:
            return session.outcome("lost", reason=str(error) or "the batch belongs to somebody else")
        except _TOLD as error:
            status, cause = ("stale", "PLAN_STALE") if isinstance(error, PlanStaleError) else ("failed", "")
            return session.outcome(status, reason=str(error), cause=cause)

    async def _plan(self, session: Session) -> Outcome:
        by_units = self.spec.units and self.spec.mode == "apply"
        environment, report = await self._prepared(session, lock_file=None, by_units=by_units)
        if self.spec.mode == units_audit.MODE:
            return await self._audit(session, environment, report)
        whole_reasons: tuple[str, ...] = ()
        if self.spec.units:
            try:
                return await self._plan_units(session, environment, report)
            except units.RunsWholeError as error:
                whole_reasons = error.reasons
                session.transcript.say("\n".join(f"Runs whole: {reason}" for reason in whole_reasons))
        environment = await self._whole_state(session, environment)
        return await self._plan_whole(session, environment, report, whole_reasons)

    async def _plan_units(
        self, session: Session, environment: Mapping[str, str], report: worktree.TreeReport
    ) -> Outcome:
        if self.spec.mode != "apply":
            raise units.RunsWholeError((f"{self.spec.mode}-all" if self.spec.mode == "destroy" else self.spec.mode,))
        desk = self._desk(session, environment)
        made = await units.plan(desk, self.spec.hash_key, self.spec.secrets, self.spec.replace)
        result = self._result_of(made.projected.to_bytes(), PlanBundle(made.bundle, self._lock, made.secrets), report)
        result = replace(result, record_generations=made.generations)
        await insist(lambda: self._submit(session, result), self.clock)
        if self.spec.keeps:
            await units_resting.keep(session, made.rows)
        summary = made.projected.summary
        counts = {"add": summary.add, "change": summary.change, "remove": summary.destroy, "import": summary.import_}
        return replace(session.outcome("planned", step="plan", rc=0), counts=counts)

    async def _audit(self, session: Session, environment: Mapping[str, str], report: worktree.TreeReport) -> Outcome:
        """The whole plan is what is handed in: what was found is beside it."""
        audit, found = None, AuditReport(units_audit.NOT_CUT)
        if self.spec.units:
            try:
                audit = await units_audit.Audit.begin(self._desk(session, environment), self.spec.hash_key)
            except units.RunsWholeError as error:
                found = AuditReport("; ".join(error.reasons))
        document = await self._shown_whole(session, environment)
        if audit is not None:
            found = await audit.compare(exact.loads(document))
        session.transcript.say(f"\n{found.words}")
        result = await asyncio.to_thread(self._result, document, report)
        result = replace(result, audit=found, record_generations=audit.generations if audit is not None else 0)
        await insist(lambda: self._submit(session, result), self.clock)
        return session.outcome("planned", step="plan", rc=0)

    async def _plan_whole(
        self,
        session: Session,
        environment: Mapping[str, str],
        report: worktree.TreeReport,
        whole_reasons: tuple[str, ...],
    ) -> Outcome:
        document = await self._shown_whole(session, environment)
        result = replace(await asyncio.to_thread(self._result, document, report), whole_reasons=whole_reasons)
        await insist(lambda: self._submit(session, result), self.clock)
        return session.outcome("planned", step="plan", rc=0)

    async def _shown_whole(self, session: Session, environment: Mapping[str, str]) -> bytes:
        """Plan the whole root; the plan's JSON."""
        self._write_variables()
        argv = terraform.plan_argv(
            self.engine,
            self.settings,
            mode=self.spec.mode,
            replace=self.spec.replace,
            parallelism=self.spec.parallelism,
        )
        await session.step("plan", self._command(argv, environment, "plan"))
        self._remove_variables()
        show = replace(self._command(terraform.show_argv(self.engine, self.settings), environment, "plan"), apart=True)
        shown = await session.step("show", show)
        document = shown.out.read_bytes()
        shown.out.unlink()
        return document

    async def _submit(self, session: Session, result: PlanResult) -> None:
        """One try. What is wished meanwhile counts before the next: a stream may break again and again."""
        session.stop_if_cancelled("plan")
        await self.plane.submit_plan(result)

    async def _apply(self, session: Session) -> Outcome:
        plan = await insist(self.plane.get_plan, self.clock)
        if plan.startswith(orders.MAGIC):
            return await self._help(session, orders.Order.unpack(plan))
        bundle = PlanBundle.unpack(plan)
        session.redactor.add(bundle.secrets)
        by_units = bundle.plan.startswith(units_bundle.MAGIC)
        environment, _ = await self._prepared(session, lock_file=bundle.lock, by_units=by_units)
        if by_units:
            return await self._apply_units(session, environment, bundle)
        plan_file = self.settings.plan_file or self.folder
        plan_file.unlink(missing_ok=True)
        write_new(plan_file, bundle.plan)
        self.place.require_room()
        granted = (await self._started(session)).environment
        argv = terraform.apply_argv(self.engine, self.settings, parallelism=self.spec.parallelism)
        rc = await session.apply(self._command(argv, environment | dict(granted), "apply"))
        version = await session.settle(self.settings.root)
        if rc != 0:
            await session.suspect_unwritten(version, plan_file)
        return self._applied(session, rc, version)

    async def _help(self, session: Session, order: orders.Order) -> Outcome:
        """Apply one batch that another runner planned and offered; its order has what it needs of the state."""
        self.plane.waits()
        session.redactor.add(order.secrets)
        of = order.planned.job
        environment, _ = await self._prepared(session, lock_file=order.lock, by_units=True, given=of.state)
        started = partial(self._started, session, of.units)
        return await helping.apply(self._desk(session, environment), order, self.others, started)

    async def _apply_units(self, session: Session, environment: Mapping[str, str], bundle: PlanBundle) -> Outcome:
        desk, planned = self._desk(session, environment), units_bundle.ChainBundle.unpack(bundle.plan)
        reading, known, chain = await units.ready(desk, self.spec.hash_key, self.spec.replace, planned)
        carrying = units_apply.Carrying(
            units.with_titles(desk, chain),
            known,
            chain,
            reading.rows,
            first=reading.state is None,
            secrets=bundle.secrets,
        )
        if not chain.pieces:
            return session.outcome("applied", step="apply", rc=0)
        whole = await carrying.begin()
        self.place.require_room()
        granted = await self._started(session, carrying.units)
        there = not reading.source.sees_its_place  # code that can tell where on a machine it lies has only this one
        helpers = Helpers.of(self.others if there else None, granted.helpers, carrying.desk, whole, bundle)
        return await carrying.run(whole, granted.environment, helpers)

    def _desk(self, session: Session, environment: Mapping[str, str]) -> Desk:
        return Desk(
            session=session,
            engine=self.engine,
            settings=self.settings,
            place=self.place,
            environment=environment,
            variables=self.spec.variables,
            parallelism=self.spec.parallelism,
            options=self.spec.options,
            costs=self.spec.costs,
            command=self._command,
            laid=self.laid,
            outline=self.outline,
        )

    async def _started(self, session: Session, cut: Sequence[str] = ()) -> Grant:
        """Make the apply's beginning known before it begins: here for good, then at the control plane."""
        session.stop_if_cancelled("apply")
        nonce = chance.token_hex(16)
        try:
            write_synced(self.folder / STARTED, nonce.encode())
        except FileExistsError:
            raise LeaseLostError("an apply was begun in this folder before; it is not begun again") from None
        granted = await insist(lambda: self.plane.start_apply(nonce, cut), self.clock)
        session.redactor.add(granted.secrets)
        return granted

    def _applied(self, session: Session, rc: int, version: StateVersion | None) -> Outcome:
        if session.lost:  # the state was handed in, and kept aside; how it ended is no longer ours to say
            return session.outcome("lost", step="apply", rc=rc, reason="the lease was lost while Terraform applied")
        if version is None:
            reason = "" if rc else "Terraform applied the plan, but left no state where it was told to"
            return session.outcome("cancelled" if session.cancelled else "failed", step="apply", rc=rc, reason=reason)
        status = "applied" if rc == 0 else "cancelled" if session.cancelled else "failed"
        outcome = session.outcome(status, step="apply", rc=rc)
        outputs = exact.dumps(slices.parse(version.document).get("outputs") or {})
        return replace(outcome, state_serial=version.serial, state_sha256=version.sha256, outputs=outputs)

    async def _prepared(
        self, session: Session, *, lock_file: bytes | None, by_units: bool, given: bytes | None = None
    ) -> tuple[dict[str, str], worktree.TreeReport]:
        """Tree, state and init; skipped but for the state when this very plan prepared the place before.

        `given` is the state, where it need not be asked for.
        """
        stamp = f"{self.spec.plan_key} {self.spec.source_digest} {self.engine.name}"
        reusable = lock_file is not None and self.place.stamp() == stamp
        report = worktree.TreeReport()
        self.place.set_aside(self.place.errored(self.settings.root))
        if not reusable:
            self.place.set_stamp("")
            self.place.forget_sources()
            units_folder.clear_beside(self.settings.root)
        getting = asyncio.create_task(self._state(given, by_units=by_units))
        try:
            report = report if reusable else await insist(self._tree, self.clock)
            state = await getting
        finally:
            getting.cancel()
        await asyncio.to_thread(self._lay_state, session, state)
        environment = terraform.prepare(self.settings)
        if not reusable:
            await self._initialized(session, environment, lock_file)
            self.place.set_stamp(stamp)
        if self.outline is not None:
            self.place.state.unlink(missing_ok=True)  # what `init` needed of it is no state
        return self._brisk(environment), report

    def _brisk(self, environment: dict[str, str]) -> dict[str, str]:
        lock = self.settings.root / worktree.LOCK_FILE
        state = self.laid.version.document if self.laid else None
        return terraform.brisk(environment) if light(state, lock) else environment

    async def _state(self, given: bytes | None, *, by_units: bool) -> bytes | Outline | None:
        if given is not None:
            return given
        return await insist(partial(self.plane.get_state, outline=by_units), self.clock)

    async def _tree(self) -> worktree.TreeReport:
        files = self.plane.get_source()
        return await worktree.rebuild(self.place.tree, files, root=self.spec.root, state=self.place.state)

    def _lay_state(self, session: Session, given: bytes | Outline | None) -> None:
        """Lay down what `init` and runs of the whole root read; of an outline only its providers."""
        self.outline = given if isinstance(given, Outline) else None
        document = given.providers() if isinstance(given, Outline) else given
        self.place.put_state(document)
        self.laid = None if document is None else ReadState.of(document)
        if self.laid is not None and self.outline is None:
            session.redactor.add(slices.sensitive_in(self.laid.content))
            session.known_state(self.laid.version)

    async def _whole_state(self, session: Session, environment: dict[str, str]) -> dict[str, str]:
        """A run of the whole root needs what an outline leaves out."""
        if self.outline is None:
            return environment
        await asyncio.to_thread(self._lay_state, session, await insist(self.plane.get_state, self.clock))
        return self._brisk(terraform.prepare(self.settings))

    async def _initialized(self, session: Session, environment: dict[str, str], lock_file: bytes | None) -> None:
        lock = self.settings.root / worktree.LOCK_FILE
        artifact = await resolving.kept(session, self.spec.artifact)
        if lock_file := lock_file or artifact.lock:
            lock.unlink(missing_ok=True)
            lock.write_bytes(lock_file)
        code = await asyncio.to_thread(init_reads.digest, self.place.tree)
        wanted = Initialization.of(code, self.spec.root, self.engine, self.settings, environment, lock)
        self.resolved_as = self.spec.artifact
        if self._initialized_before(wanted, covered=covered(self.laid.content if self.laid else None, lock)):
            session.transcript.say("Initialized before, for code that asks for the same.")
            return
        if artifact.modules:
            await asyncio.to_thread(artifact.lay, self.settings.data)
        locked = lock.exists()
        argv = terraform.init_argv(self.engine, locked=locked, fetched=bool(artifact.modules))
        async with plugin_cache.held(environment, partial(self._pause, session)):
            await session.step("init", self._command(argv, self._brisk(environment), "init"))
        if not session.applies and not artifact:
            self.resolved_as = await resolving.keep(session, self.settings.data, lock, locked=locked)
        if pinned(self.settings.data, lock, locked=locked):
            self.place.set_initialization(wanted.to_text())
            if self.shelf is not None and portable(lock):
                self.shelf.put(wanted, self.settings.data)

    def _initialized_before(self, wanted: Initialization, *, covered: bool) -> bool:
        """Here, or in another place whose initialization is laid down here; else what was known here is forgotten."""
        if covered and self.place.initialization() == wanted.to_text():
            return True
        self.place.set_initialization("")
        terraform.forget_initialization(self.settings)
        if not covered or self.shelf is None or not self.shelf.lay(wanted, self.settings.data):
            return False
        self.place.set_initialization(wanted.to_text())
        return True

    def _result(self, document: bytes, report: worktree.TreeReport) -> PlanResult:
        if len(document) > limits.PLAN_JSON_BYTES:
            raise exact.FormatError(f"the plan document is larger than {limits.PLAN_JSON_BYTES} bytes")
        variables.require_declared(document, self.spec.variables)
        known = (*self.spec.secrets, *plans.sensitive_values(document))
        projected = plans.project(document, self.spec.hash_key, self.spec.secrets)
        plan = self.settings.plan_file
        bundle = PlanBundle(plan.read_bytes() if plan else b"", self._lock, tuple(sorted(set(known))))
        return self._result_of(projected.to_bytes(), bundle, report)

    @property
    def _lock(self) -> bytes:
        lock = self.settings.root / worktree.LOCK_FILE
        return lock.read_bytes() if lock.exists() else b""

    def _result_of(self, projected: bytes, bundle: PlanBundle, report: worktree.TreeReport) -> PlanResult:
        return PlanResult(
            projected=projected,
            bundle=bundle.pack(),
            engine=self.engine.name,
            variables_hash=plans.variables_hash(self.spec.variables, self.spec.hash_key),
            state_serial=self.laid.version.serial if self.laid else None,
            state_lineage=self.laid.version.lineage if self.laid else "",
            left_out=tuple(report.left_out),
            artifact=self.resolved_as,
        )

    def _command(self, argv: list[str], environment: Mapping[str, str], phase: str) -> Command:
        confinement = Confinement(phase, (self.place.folder, self.folder), self.mirrors.folders)
        return Command(self.sandbox.wrap(argv, confinement), environment, self.settings.root)

    def _write_variables(self) -> None:
        if self.settings.var_file:
            self._remove_variables()
            worktree.write_variables(self.settings.var_file, self.spec.variables)

    def _remove_variables(self) -> None:
        if self.settings.var_file:
            self.settings.var_file.unlink(missing_ok=True)


def _beside(session: Session, renew_every: float) -> tuple[Coroutine[Any, Any, None], ...]:
    """What goes on while a phase does."""
    return session.log.run(), session.renewing(renew_every), session.progress.run()

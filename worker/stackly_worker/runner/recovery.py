"""What is left of a batch whose runner died: read from its folder and the stack's place, nothing is changed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stackly_worker.runner import events, unwritten
from stackly_worker.runner.batch import PLAN, STARTED
from stackly_worker.runner.journal import Journal
from stackly_worker.runner.place import Place
from stackly_worker.runner.process import exited
from stackly_worker.runner.statewatch import StateVersion, later, newest, whole

APPLY = "apply"


@dataclass(frozen=True)
class Remains:
    """`pid` is set while Terraform itself still lives (then the rest is only as of now).

    `started`: the apply was announced, so it may have run and is never begun again. `begun`: Terraform was started.
    `rc` None with `begun` and without `pid`: it was killed and nobody could note how it ended. `state` is the last
    whole document, `dump` what Terraform printed because it could not write. `suspects`: address → action, of what was
    under way and of what was done without `state` or `dump` showing it.
    """

    started: bool
    begun: bool
    rc: int | None
    pid: int | None
    state: StateVersion | None = None
    dump: StateVersion | None = None
    suspects: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[events.TerraformError, ...] = ()  # not redacted: the secrets went with the runner's memory
    log_size: int = 0


def read(folder: Path, place: Place) -> Remains:
    """Read the batch's folder. The state in `place` is this batch's as long as no other batch locked the place since."""
    journal = Journal(folder / APPLY)
    said = _said(journal)
    log = folder / "log"
    state = newest((place.errored(journal.ran_in()), place.state, place.kept)) if journal.begun else None
    dump = whole(said.dump) if said.dump else None
    return Remains(
        started=(folder / STARTED).exists(),
        begun=journal.begun,
        rc=journal.rc(),
        pid=journal.pid() if journal.begun else None,
        state=state,
        dump=dump,
        suspects=_suspects(said, journal.rc(), later(state, dump), folder / PLAN),
        failed=dict(said.failed),
        errors=tuple(said.errors),
        log_size=log.stat().st_size if log.exists() else 0,
    )


async def settled(folder: Path, place: Place) -> Remains:
    """Wait until Terraform is gone and its wrapper has noted the exit code, then read."""
    journal = Journal(folder / APPLY)
    if journal.begun and (pid := journal.pid()):
        await exited(pid)
    async with place.locked():  # the wrapper holds the place until the exit code is on disk
        return await asyncio.to_thread(read, folder, place)


def _suspects(said: events.Events, rc: int | None, last: StateVersion | None, plan: Path) -> dict[str, str]:
    document = last.document if last else None
    hidden = unwritten.unwritten(said.done, document, unwritten.prior_state(plan)) if rc != 0 else {}
    return hidden | said.suspects


def _said(journal: Journal) -> events.Events:
    if not journal.out.exists():
        return events.Events()
    with journal.out.open("rb") as lines:
        return events.read(lines)

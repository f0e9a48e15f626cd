"""What a worker proves decides what it gets; what it says of itself does not."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from api import FreshDatabase
from machines import CLAIM, PLANT, Machine, Registry, right_answers
from stackly_server import limits
from stackly_server.access import Subject, system
from stackly_server.errors import Invalid, NotFound, NotNow, StacklyError, Unauthenticated
from stackly_server.workers.living import LivingService
from stackly_server.workers.model import DEFAULT_SELECTOR, Challenge, Selector, Worker, WorkerStatus
from stackly_server.workers.sweeps import WorkerSweeps

if TYPE_CHECKING:
    from stackly_server.app import Ground


def challenge_of(worker: Worker) -> Challenge:
    assert worker.challenge is not None
    return worker.challenge


async def status_of(registry: Registry, worker: Worker) -> WorkerStatus:
    return (await registry.workers.get(registry.tenant.subject(), worker.name)).status


async def add_selector(ground: "Ground", registry: Registry, selector: Selector) -> str:
    async with ground.database.transaction(system(registry.tenant.account_id)) as tx:
        return await registry.workers.ensure_selector(tx, registry.tenant.namespace_id, selector)


async def age(database: FreshDatabase, worker: Worker, seconds: int) -> None:
    """Lets a worker's lease be over for so many seconds."""
    with psycopg.connect(database.super_url, autocommit=True) as conn:
        conn.execute(
            "UPDATE workers SET lease_expires_at = now() - make_interval(secs => %s) WHERE id = %s",
            (seconds, worker.id),
        )


async def test_right_answers_make_a_worker_active_with_its_queues(registry: Registry) -> None:
    _, worker, queues = await registry.active(labels={"zone": "us"}, allowed_features=("terraform", "gpu"))
    exact = Selector("terraform", "= 1.11.4")  # of an apply, which runs on the very engine of its plan
    assert queues[0] == f"{worker.temporal_namespace}.w.{worker.id}"
    assert set(queues[1:]) == {f"{worker.temporal_namespace}.{each.hash}" for each in (DEFAULT_SELECTOR, exact)}
    assert worker.status is WorkerStatus.ACTIVE
    assert worker.verified.labels == {"zone": "us"}  # the token's label beats the claimed one
    assert worker.verified.features == {"terraform"}


async def test_a_worker_that_lies_gets_no_queue_and_is_put_out(registry: Registry, ground: "Ground") -> None:
    joined = await registry.join()
    subject, challenge = await registry.caller(joined), challenge_of(joined.worker)
    for _ in range(3):
        with pytest.raises(NotNow) as caught:
            await registry.living.verify(subject, str(challenge.id), {"terraform 1.11.4": "0" * 64}, CLAIM)
        assert caught.value.reason == "CAPABILITY_MISMATCH"
        shown = await registry.workers.get(registry.tenant.subject(), joined.worker.name)
        assert shown.queues([DEFAULT_SELECTOR]) == ()
    assert await status_of(registry, joined.worker) is WorkerStatus.EVICTED
    with pytest.raises(Unauthenticated):
        await registry.caller(joined)
    with pytest.raises(Unauthenticated):  # the right answer comes too late
        await registry.living.verify(subject, str(challenge.id), right_answers(challenge), CLAIM)


async def test_claims_count_only_as_far_as_they_are_proved_or_vouched_for(registry: Registry) -> None:
    claim = replace(CLAIM, engines=("terraform 1.11.4", "tofu 1.9.0"), features=frozenset({"gpu", "docker"}))
    _, worker, _ = await registry.active(claim, allowed_features=("terraform", "gpu"))
    assert worker.verified.engines == ("terraform 1.11.4",)  # tofu runs, but the token does not allow it
    assert worker.verified.features == {"terraform", "gpu"}
    joined = await registry.join()
    subject, challenge = await registry.caller(joined), challenge_of(joined.worker)
    more = replace(CLAIM, engines=(*CLAIM.engines, "terraform 1.12.0"))
    proved, _ = await registry.living.verify(subject, str(challenge.id), right_answers(challenge), more)
    assert proved.verified.engines == CLAIM.engines  # what was not asked is not proved


async def test_a_worker_with_nothing_to_run_proves_nothing(registry: Registry) -> None:
    claim = replace(CLAIM, engines=())
    joined = await registry.join(Machine(), claim)
    with pytest.raises(NotNow):
        await registry.living.verify(await registry.caller(joined), str(challenge_of(joined.worker).id), {}, claim)


async def test_the_answer_to_another_challenge_is_none(registry: Registry) -> None:
    one, other = await registry.join(), await registry.join()
    foreign = challenge_of(other.worker)
    with pytest.raises(NotNow):
        await registry.living.verify(await registry.caller(one), str(foreign.id), right_answers(foreign), CLAIM)
    answers = right_answers(replace(challenge_of(one.worker), nonce=foreign.nonce))
    with pytest.raises(NotNow):
        await registry.living.verify(await registry.caller(one), str(challenge_of(one.worker).id), answers, CLAIM)


async def test_payload_keys_are_for_those_who_proved(registry: Registry) -> None:
    joined = await registry.join()
    with pytest.raises(NotNow):
        await registry.workers.payload_keys(await registry.caller(joined))
    subject, _, _ = await registry.active()
    assert (await registry.workers.payload_keys(subject))[0].version == 1


async def test_a_new_selector_reaches_a_waiting_worker_at_once(registry: Registry, ground: "Ground") -> None:
    subject, worker, queues = await registry.active()
    told = await registry.living.heartbeat(subject, [], 0, 0, first=True)
    assert told.task_queues == queues
    waiting = asyncio.create_task(registry.living.heartbeat(subject, ["r"], told.sequence, 20, first=False))
    await beaten(ground, registry, worker)
    hash_ = await add_selector(ground, registry, Selector("terraform", "~> 1.11", labels={"zone": "eu"}))
    async with asyncio.timeout(2):
        news = await waiting
    assert news.sequence > told.sequence
    assert f"{worker.temporal_namespace}.{hash_}" in news.task_queues
    await add_selector(ground, registry, Selector("terraform", "~> 1.12"))
    later = await registry.living.heartbeat(subject, [], news.sequence, 20, first=False)
    assert later.task_queues == news.task_queues  # not satisfied, so not served


async def beaten(ground: "Ground", registry: Registry, worker: Worker) -> None:
    """Waits until a heartbeat with a run has arrived."""
    for _ in range(500):
        if (await registry.workers.get(registry.tenant.subject(), worker.name)).running_runs:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no heartbeat came")


async def test_now_and_then_a_worker_proves_itself_again(
    registry: Registry, ground: "Ground", fresh_database: FreshDatabase
) -> None:
    subject, worker, queues = await registry.active()

    def living(chance: float) -> LivingService:
        return LivingService(ground.database, ground.hub, ground.vault, PLANT, lambda: chance)

    await age(fresh_database, worker, -25)  # it beats 20 seconds after its last beat
    seldom = await living(21 / limits.CHALLENGE_AGAIN_SECONDS).heartbeat(subject, [], 0, 0, first=True)
    assert seldom.reverify is None
    await age(fresh_database, worker, -25)
    told = await living(19 / limits.CHALLENGE_AGAIN_SECONDS).heartbeat(subject, ["r"], seldom.sequence, 0, first=False)
    assert told.reverify is not None
    assert told.reverify != worker.challenge
    assert told.sequence > seldom.sequence  # so that the agent looks
    assert told.task_queues == queues  # and works on meanwhile
    again = await living(0.0).heartbeat(subject, ["r"], told.sequence, 0, first=False)
    assert again.reverify == told.reverify  # an agent that was restarted is told again
    await registry.living.verify(subject, str(told.reverify.id), right_answers(told.reverify), CLAIM)
    after = await living(1.0).heartbeat(subject, ["r"], 0, 0, first=False)
    assert (after.reverify, after.task_queues) == (None, queues)


async def test_a_worker_that_lets_the_time_for_a_new_proof_pass_gets_no_work(
    registry: Registry, ground: "Ground", fresh_database: FreshDatabase
) -> None:
    subject, worker, _ = await registry.active()
    await age(fresh_database, worker, 0)
    eager = LivingService(ground.database, ground.hub, ground.vault, PLANT, lambda: 0.0)
    assert (await eager.heartbeat(subject, [], 0, 0, first=True)).reverify is not None
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE workers SET recheck_until = now() - interval '1 second'")
    late = await registry.living.heartbeat(subject, [], 0, 0, first=True)
    assert late.task_queues == ()
    assert await status_of(registry, worker) is WorkerStatus.PENDING
    assert late.reverify is not None
    await registry.living.verify(subject, str(late.reverify.id), right_answers(late.reverify), CLAIM)
    assert await status_of(registry, worker) is WorkerStatus.ACTIVE


async def test_engines_that_changed_are_proved_anew(registry: Registry, ground: "Ground") -> None:
    subject, worker, queues = await registry.active()
    had = worker.verified.engines
    same = await registry.living.heartbeat(subject, [], 0, 0, first=True, engines=had)
    assert same.reverify is None
    more = (*had, "terraform 1.15.5", "tofu 1.12.6")
    told = await registry.living.heartbeat(subject, [], same.sequence, 0, first=False, engines=more)
    assert told.reverify is not None
    assert told.reverify.engines == more
    assert told.sequence > same.sequence
    assert told.task_queues == queues  # what it proved before still counts
    hash_ = await add_selector(ground, registry, Selector("tofu", "~> 1.12"))
    claim = replace(CLAIM, engines=more)
    _, served = await registry.living.verify(subject, str(told.reverify.id), right_answers(told.reverify), claim)
    assert f"{worker.temporal_namespace}.{hash_}" in served
    again = await registry.living.heartbeat(subject, [], told.sequence, 0, first=False, engines=more)
    assert again.reverify is None


async def test_an_engine_that_is_gone_gets_no_work_from_then_on(registry: Registry, ground: "Ground") -> None:
    subject, worker, _ = await registry.active()
    upgraded = await registry.living.heartbeat(subject, [], 0, 0, first=True, engines=["terraform 9.0.0"])
    assert upgraded.task_queues == ()
    assert await status_of(registry, worker) is WorkerStatus.PENDING
    challenge = upgraded.reverify
    assert challenge is not None
    claim = replace(CLAIM, engines=("terraform 9.0.0",))
    await registry.living.verify(subject, str(challenge.id), right_answers(challenge), claim)
    now = await registry.workers.get(registry.tenant.subject(), worker.name)
    assert (now.status, now.verified.engines) == (WorkerStatus.ACTIVE, ("terraform 9.0.0",))
    with pytest.raises(Invalid):
        await registry.living.heartbeat(subject, [], 0, 0, first=True, engines=["bash 5.2"])


async def test_draining_leaves_only_the_own_queue(registry: Registry) -> None:
    subject, worker, queues = await registry.active()
    sequence = (await registry.living.heartbeat(subject, [], 0, 0, first=True)).sequence
    drained = await registry.workers.drain(registry.tenant.subject(), worker.name)
    assert drained.status is WorkerStatus.DRAINING
    told = await registry.living.heartbeat(subject, [], sequence, 20, first=False)
    assert told.drain
    assert told.task_queues == queues[:1]
    await registry.living.leave(subject, "done")
    assert await status_of(registry, worker) is WorkerStatus.OFFLINE


async def test_a_worker_that_takes_no_new_work_keeps_its_own_queue(registry: Registry) -> None:
    _, worker, queues = await registry.active()
    owner = registry.tenant.subject()
    changed = await registry.workers.set_schedulable(owner, worker.name, "", schedulable=False)
    assert changed.queues([]) == queues[:1]
    with pytest.raises(StacklyError, match="read it again"):
        await registry.workers.set_schedulable(owner, worker.name, f'"{worker.version}"', schedulable=True)
    again = await registry.workers.set_schedulable(owner, worker.name, "", schedulable=True)
    assert again.queues([]) == queues


async def test_silence_is_noticed_and_a_heartbeat_brings_it_back(
    registry: Registry, ground: "Ground", fresh_database: FreshDatabase
) -> None:
    subject, worker, _ = await registry.active()
    sweeps, account = WorkerSweeps(ground.database), registry.tenant.account_id
    await sweeps.silent(account)
    assert await status_of(registry, worker) is WorkerStatus.ACTIVE
    for seconds, status in ((1, WorkerStatus.UNREACHABLE), (601, WorkerStatus.OFFLINE)):
        await age(fresh_database, worker, seconds)
        await sweeps.silent(account)
        assert await status_of(registry, worker) is status
        await registry.living.heartbeat(subject, [], 0, 0, first=True)
        assert await status_of(registry, worker) is WorkerStatus.ACTIVE


async def test_what_no_worker_has_is_named(registry: Registry, ground: "Ground", fresh_database: FreshDatabase) -> None:
    wanted = Selector("terraform", "~> 1.11", frozenset({"gpu"}), {"zone": "eu"})
    namespace = registry.tenant.namespace_id

    async def missing(selector: Selector) -> tuple[str, ...]:
        async with ground.database.read(registry.tenant.account_id) as conn:
            return await registry.workers.missing(conn, namespace, selector)

    assert await missing(wanted) == ("terraform ~> 1.11", "feature gpu", "label zone=eu")
    _, worker, _ = await registry.active()
    assert await missing(wanted) == ("feature gpu",)
    assert await missing(replace(wanted, features=frozenset())) == ()
    async with ground.database.read(registry.tenant.account_id) as conn:
        assert await registry.workers.offered(conn, namespace, ("feature gpu", "label terraform=1")) == ()
        there = await registry.workers.offered(conn, namespace, ("label zone=eu", "terraform ~> 9.0"))
    assert there == worker.verified.engines
    await registry.workers.evict(registry.tenant.subject(), worker.name, "")
    assert await missing(DEFAULT_SELECTOR) == ("terraform",)


async def test_a_batch_goes_only_to_a_worker_that_proved_what_it_needs(registry: Registry, ground: "Ground") -> None:
    subject, _, _ = await registry.active()
    fits = await add_selector(ground, registry, Selector("terraform", ">= 1.5, < 2"))
    fits_not = await add_selector(ground, registry, Selector("tofu"))
    namespace = registry.tenant.namespace_id

    async def claim(caller: Subject, hash_: str) -> None:
        async with ground.database.read(registry.tenant.account_id) as conn:
            await registry.workers.require_fit(conn, caller, namespace, hash_)

    await claim(subject, fits)
    await claim(subject, DEFAULT_SELECTOR.hash)
    for caller, hash_, error in (
        (subject, fits_not, NotNow),
        (subject, "0" * 12, NotFound),
        (replace(subject, worker_id=None), fits, NotFound),
        (await registry.caller(await registry.join()), fits, NotNow),
    ):
        with pytest.raises(error):
            await claim(caller, hash_)


async def test_a_constraint_that_nobody_can_read_is_refused(registry: Registry, ground: "Ground") -> None:
    with pytest.raises(Invalid):
        await add_selector(ground, registry, Selector("terraform", "~~> 1"))


async def test_old_tokens_and_ended_certificates_are_forgotten(
    registry: Registry, ground: "Ground", fresh_database: FreshDatabase
) -> None:
    await registry.active()
    await registry.token()
    sweeps, account = WorkerSweeps(ground.database), registry.tenant.account_id
    await sweeps.old(account)
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:

        def counts() -> tuple[int, ...]:
            row = conn.execute(
                """
                SELECT (SELECT count(*) FROM join_tokens), (SELECT count(*) FROM worker_certificates),
                    (SELECT count(*) FROM routes WHERE kind = 'join_token')
                """
            ).fetchone()
            assert row is not None
            return tuple(row)

        assert counts() == (2, 2, 2)
        conn.execute("UPDATE join_tokens SET expires_at = now() - interval '8 days'")
        conn.execute("UPDATE worker_certificates SET expires_at = now() - interval '1 second'")
        await sweeps.old(account)
        assert counts() == (1, 0, 1)  # the token of a worker that may come again stays

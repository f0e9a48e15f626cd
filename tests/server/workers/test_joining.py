"""Joining: a token for one machine, a certificate for one key, and everybody else refused."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api import FreshDatabase, Tenant
from machines import CLAIM, Machine, Registry, request_of, right_answers
from stackly_server.errors import AlreadyExists, Denied, Invalid, NotFound, StacklyError, Unauthenticated
from stackly_server.workers.credentials import pin
from stackly_server.workers.joining import Joined
from stackly_server.workers.model import NewToken

if TYPE_CHECKING:
    from stackly_server.app import Ground

RACERS = 32
Registries = Callable[[Tenant], Registry]


async def test_a_join_file_tells_where_and_whom_to_trust(registry: Registry) -> None:
    made = await registry.joining.create_token(
        registry.tenant.subject(), registry.parent, NewToken("laptop", {"zone": "eu"}, ("terraform",), 0)
    )
    told = json.loads(made.join_file)
    assert told["server"] == "https://localhost:8750"
    assert told["ca_pin"] == pin(await registry.joining.trust_bundle())
    assert told["token"].startswith(f"stj_{made.token.id.hex}_")
    assert 595 < (made.token.expires_at - made.token.created_at).total_seconds() <= 600


async def test_a_certificate_names_the_worker_and_nothing_that_the_request_asked_for(registry: Registry) -> None:
    joined = await registry.join(Machine())
    certificate = x509.load_pem_x509_certificate(joined.certificate_chain.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    worker = joined.worker
    place = f"accounts/{worker.account_id}/pending/workers/{worker.id}"
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://stackly.local/{place}"]
    assert not certificate.subject.rdns
    assert worker.status.value == "PENDING"
    assert worker.queues([]) == ()


def name_in(joined: Joined) -> str:
    certificate = x509.load_pem_x509_certificate(joined.certificate_chain.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (name,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return str(name)


async def test_only_what_was_proved_gets_a_certificate_that_opens_temporal(registry: Registry) -> None:
    machine = Machine()
    joined = await registry.join(machine)
    subject, challenge = await registry.caller(joined), joined.worker.challenge
    assert challenge is not None
    assert subject.pending
    early = await registry.joining.rotate(subject, machine.csr)
    assert "/temporal/" not in name_in(joined) + name_in(early)
    told = await registry.living.heartbeat(subject, [], 0, 0, first=True)
    assert not told.rotate
    await registry.living.verify(subject, str(challenge.id), right_answers(challenge), CLAIM)
    told = await registry.living.heartbeat(subject, [], 0, 0, first=True)
    assert told.rotate  # should it have missed to ask by itself
    proved = await registry.joining.rotate(subject, machine.csr)
    assert f"/temporal/{joined.worker.temporal_namespace}/" in name_in(proved)
    now = await registry.caller(proved)
    assert not now.pending
    assert not (await registry.living.heartbeat(now, [], 0, 0, first=True)).rotate
    again = await registry.join(machine)  # joins anew: nothing is proved
    assert "/temporal/" not in name_in(again)


async def test_of_machines_that_race_for_a_token_one_gets_it(registry: Registry) -> None:
    token = await registry.token()
    tries = [registry.register(token, Machine().csr) for _ in range(RACERS)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    won = [end for end in ends if not isinstance(end, BaseException)]
    lost = [end for end in ends if isinstance(end, Unauthenticated) and end.reason == "JOIN_TOKEN_INVALID"]
    assert (len(won), len(lost)) == (1, RACERS - 1)
    assert len(await registry.workers.page(registry.tenant.subject(), registry.parent, None, 50)) == 1


async def test_a_machine_that_asks_many_times_at_once_is_one_worker(registry: Registry) -> None:
    token, machine = await registry.token(), Machine()
    joined = await asyncio.gather(*(registry.register(token, machine.csr) for _ in range(8)))
    assert len({each.worker.id for each in joined}) == 1
    callers = [await registry.caller(each) for each in joined]  # each of its certificates is good
    assert {caller.worker_id for caller in callers} == {joined[0].worker.id}


async def test_after_a_new_key_the_token_answers_that_key_alone(registry: Registry) -> None:
    token, old, new = await registry.token(), Machine(), Machine()
    joined = await registry.register(token, old.csr)
    rotated = await registry.joining.rotate(await registry.caller(joined), new.csr)
    assert (await registry.caller(rotated)).worker_id == joined.worker.id
    assert (await registry.register(token, new.csr)).worker.id == joined.worker.id
    with pytest.raises(Unauthenticated, match="join token"):
        await registry.register(token, old.csr)


async def test_two_workers_never_have_one_key(registry: Registry) -> None:
    taken = Machine()
    await registry.join(taken)
    other = await registry.join()
    with pytest.raises(AlreadyExists):
        await registry.joining.rotate(await registry.caller(other), taken.csr)
    assert (await registry.caller(other)).worker_id == other.worker.id


async def test_a_spent_token_answers_its_own_key_and_no_other(registry: Registry) -> None:
    token, machine = await registry.token(), Machine()
    first = await registry.register(token, machine.csr)
    again = await registry.register(token, machine.csr)
    assert again.worker.id == first.worker.id
    with pytest.raises(Unauthenticated, match="join token"):
        await registry.register(token, Machine().csr)


async def test_a_known_worker_comes_back_by_its_key_long_after_its_token(
    registry: Registry, fresh_database: FreshDatabase
) -> None:
    token, machine, owner = await registry.token(), Machine(), registry.tenant.subject()
    first = await registry.register(token, machine.csr)
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE join_tokens SET expires_at = now() - interval '2 days', revoked_at = now()")
        conn.execute("UPDATE workers SET status = 'OFFLINE', lease_expires_at = now() - interval '1 day'")
    back = await registry.register(token, machine.csr)
    assert back.worker.id == first.worker.id
    assert (await registry.caller(back)).pending
    with pytest.raises(Unauthenticated, match="Another key has used the join token up"):
        await registry.register(token, Machine().csr)
    await registry.workers.evict(owner, first.worker.name, "")
    with pytest.raises(Unauthenticated, match="evicted or deleted: it needs a new join token"):
        await registry.register(token, machine.csr)
    await registry.workers.ban(owner, first.worker.name, "")
    with pytest.raises(Denied, match="banned until the worker is deleted"):
        await registry.register(token, machine.csr)
    await registry.workers.delete(owner, first.worker.name)
    with pytest.raises(Unauthenticated, match="evicted or deleted: it needs a new join token"):
        await registry.register(token, machine.csr)


async def test_a_token_that_is_too_old_or_revoked_or_altered_is_refused(
    registry: Registry, fresh_database: FreshDatabase
) -> None:
    good, old, altered = [await registry.token() for _ in range(3)]
    altered = altered[:-1] + ("A" if altered[-1] != "A" else "B")
    with psycopg.connect(fresh_database.super_url, autocommit=True) as conn:
        conn.execute("UPDATE join_tokens SET expires_at = now() - interval '1 second' WHERE id = %s", (old[4:36],))
    revoked = await registry.token()
    name = f"{registry.parent}/joinTokens/{UUID(revoked[4:36])}"
    await registry.joining.revoke_token(registry.tenant.subject(), name)
    await registry.joining.revoke_token(registry.tenant.subject(), name)
    for token in (old, altered, revoked, "stj_nonsense", good[:36]):
        with pytest.raises(Unauthenticated, match="join token"):
            await registry.register(token, Machine().csr)
    assert (await registry.register(good, Machine().csr)).worker


async def test_only_keys_of_p256_are_signed(registry: Registry) -> None:
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(Invalid) as caught:
            await registry.register(await registry.token(), request_of(key))
        assert caught.value.fields[0].field == "csr"


async def test_claims_are_bounded(registry: Registry) -> None:
    for claim in (
        replace(CLAIM, engines=("terraform",)),
        replace(CLAIM, engines=("docker 1.0.0",)),
        replace(CLAIM, labels={"a b": "c"}),
    ):
        with pytest.raises(Invalid):
            await registry.join(Machine(), claim)


async def test_a_banned_key_stays_out_until_the_worker_is_deleted(registry: Registry) -> None:
    machine, owner = Machine(), registry.tenant.subject()
    joined = await registry.join(machine)
    caller = await registry.caller(joined)
    assert caller.worker_id == joined.worker.id
    await registry.workers.ban(owner, joined.worker.name, "stolen")
    with pytest.raises(Unauthenticated, match="revoked"):
        await registry.caller(joined)
    unspent = await registry.token()
    with pytest.raises(Denied) as caught:
        await registry.register(unspent, machine.csr)
    assert caught.value.reason == "WORKER_BANNED"
    await registry.workers.delete(owner, joined.worker.name)
    back = await registry.register(unspent, machine.csr)
    assert back.worker.id != joined.worker.id


async def test_a_ban_puts_every_certificate_on_the_list_of_revoked_ones(registry: Registry, ground: "Ground") -> None:
    machine = Machine()
    first = await registry.join(machine)
    second = await registry.joining.rotate(await registry.caller(first), Machine().csr)
    assert (await registry.caller(first)).worker_id == (await registry.caller(second)).worker_id
    await registry.workers.ban(registry.tenant.subject(), first.worker.name, "")
    revoked = x509.load_pem_x509_crl((await ground.vault.crl()).encode())
    for joined in (first, second):
        serial = x509.load_pem_x509_certificate(joined.certificate_chain.encode()).serial_number
        assert revoked.get_revoked_certificate_by_serial_number(serial) is not None
        with pytest.raises(Unauthenticated):
            await registry.caller(joined)


async def test_an_evicted_worker_needs_a_new_token_and_then_is_itself_again(registry: Registry) -> None:
    machine, token = Machine(), await registry.token()
    joined = await registry.register(token, machine.csr)
    await registry.workers.evict(registry.tenant.subject(), joined.worker.name, "")
    with pytest.raises(Unauthenticated, match="join token"):
        await registry.register(token, machine.csr)
    back = await registry.join(machine)
    assert back.worker.id == joined.worker.id
    assert (await registry.caller(back)).worker_id == joined.worker.id
    with pytest.raises(Unauthenticated):  # the certificate from before stays revoked
        await registry.caller(joined)


async def test_another_account_sees_none_of_it(registry: Registry, registries: Registries, rival: Tenant) -> None:
    joined = await registry.join(Machine())
    foreign = registries(rival)
    for attempt in (
        foreign.workers.get(rival.subject(), joined.worker.name),
        foreign.workers.ban(rival.subject(), joined.worker.name, ""),
        foreign.workers.get(rival.subject(), joined.worker.name.replace("dev", "rival", 1)),
        foreign.joining.create_token(rival.subject(), registry.parent, NewToken("", {}, (), 0)),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await registry.workers.get(registry.tenant.subject(), joined.worker.name)).id == joined.worker.id


async def test_a_name_in_a_certificate_is_no_door_without_its_serial(registry: Registry) -> None:
    _, worker, _ = await registry.active()
    good = (
        f"spiffe://stackly.local/accounts/{worker.account_id}/temporal/{worker.temporal_namespace}/workers/{worker.id}"
    )
    serial = worker.certificate_serial
    assert (await registry.workers.identify_worker(good, serial)).worker_id == worker.id
    for name, number in (
        (good, "1234"),
        (good.replace("stackly.local", "stackly.evil"), serial),
        (good.replace(worker.temporal_namespace, "s-000000000000"), serial),
        (good.replace(str(worker.id), str(worker.account_id)), serial),
        ("spiffe://stackly.local/accounts/x", serial),
    ):
        with pytest.raises(StacklyError):
            await registry.workers.identify_worker(name, number)


async def test_each_step_is_told(registry: Registry, ground: "Ground") -> None:
    joined = await registry.join(Machine())
    await registry.workers.drain(registry.tenant.subject(), joined.worker.name)
    async with ground.database.read(registry.tenant.account_id) as conn:
        rows = await (await conn.execute("SELECT type, actor FROM events ORDER BY sequence")).fetchall()
    told = [row for row in rows if row[0].startswith(("join_token.", "worker."))]
    assert [row[0] for row in told] == ["join_token.created", "worker.joined", "worker.certified", "worker.drained"]
    assert "/joinTokens/" in told[1][1]

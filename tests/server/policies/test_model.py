"""The verdict: what holds for all policies, facts and votes."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stackly_server.policies.model import (
    NO_POLICY,
    Approval,
    Choice,
    Enforcement,
    Facts,
    Missing,
    Policy,
    Selector,
    Vote,
    evaluate,
)

FACTS = Facts("net", "prod", {"tier": "1"}, groups={"g": 2, "h": 2})
PEOPLE = {
    "ann": (frozenset({"g"}), True),
    "bob": (frozenset({"g", "h"}), False),
    "cid": (frozenset({"h"}), False),
    "dan": (frozenset[str](), False),
}


def vote(name: str, choice: Choice = Choice.APPROVE) -> Vote:
    groups, is_author = PEOPLE[name]
    return Vote(name, groups, is_author, choice)


def policy(name: str = "p", **approval: Any) -> Policy:
    return Policy(name, (replace(Approval(), **approval),))


def test_without_a_policy_one_confirms_even_the_author() -> None:
    assert evaluate([], FACTS, []).required == (Missing(NO_POLICY, 1, (), True),)
    assert evaluate([], FACTS, [vote("ann")]).satisfied
    assert evaluate([], replace(FACTS, auto_apply=True), []).satisfied


def test_with_a_policy_auto_apply_waits() -> None:
    assert not evaluate([policy()], replace(FACTS, auto_apply=True), []).satisfied


def test_the_author_does_not_count_unless_allowed() -> None:
    assert not evaluate([policy()], FACTS, [vote("ann")]).satisfied
    assert evaluate([policy(self_allowed=True)], FACTS, [vote("ann")]).satisfied


def test_groups() -> None:
    need = policy(allowed_groups=("h",), min_approvers=2)
    assert evaluate([need], FACTS, [vote("dan"), vote("bob")]).required == (Missing("p", 1, ("h",), False),)
    assert evaluate([need], FACTS, [vote("cid"), vote("bob")]).satisfied


def test_one_person_counts_once_in_a_set_and_in_each_policy() -> None:
    assert not evaluate([policy(min_approvers=2)], FACTS, [vote("bob"), vote("bob")]).satisfied
    assert evaluate(
        [policy("a", allowed_groups=("g",)), policy("b", allowed_groups=("h",))], FACTS, [vote("bob")]
    ).satisfied


def test_policies_add_up() -> None:
    both = [policy("a", allowed_groups=("g",)), policy("b", min_approvers=2)]
    assert [m.policy for m in evaluate(both, FACTS, [vote("cid")]).required] == ["a", "b"]
    assert evaluate(both, FACTS, [vote("cid"), vote("bob")]).satisfied


def test_one_rejection_ends_it() -> None:
    verdict = evaluate([policy()], FACTS, [vote("bob"), vote("cid"), vote("dan", Choice.REJECT)])
    assert verdict.deny == ("rejected by dan",)
    assert not verdict.satisfied


def test_selectors_and_names() -> None:
    other = replace(policy(), selector=Selector(("stage",)))
    assert evaluate([other], FACTS, []).applied == ()
    assert evaluate([other], replace(FACTS, policies=("p",)), []).applied == ("p",)
    assert evaluate([replace(policy(), selector=Selector(("prod",), {"tier": "1"}))], FACTS, []).applied == ("p",)
    assert evaluate([replace(policy(), selector=Selector((), {"tier": "2"}))], FACTS, []).applied == ()
    assert (
        evaluate([replace(policy(), selector=Selector(("prod",)))], replace(FACTS, environment=None), []).applied == ()
    )


def test_a_demand_that_cannot_be_read_is_not_met() -> None:
    verdict = evaluate([], replace(FACTS, policies=("gone",)), [vote("bob")])
    assert verdict.deny == ("the policy gone, named by the stack file, does not exist",)
    verdict = evaluate([policy(allowed_groups=("g", "z"))], FACTS, [vote("bob")])
    assert verdict.deny == ("policy p: the group z does not exist",)
    assert evaluate([policy(allowed_groups=("g",))], replace(FACTS, groups={"g": 0}), [vote("bob")]).deny


def test_advice_only_warns_and_leaves_the_confirmation() -> None:
    for advice in (
        replace(policy(min_approvers=2), enforcement=Enforcement.ADVISORY),
        policy(min_approvers=2, required=False),
    ):
        verdict = evaluate([advice], FACTS, [vote("bob")])
        assert verdict.satisfied
        assert verdict.warnings == ("policy p advises 1 more approval(s)",)
        assert not evaluate([advice], FACTS, []).satisfied


def test_the_shortest_expiry_holds() -> None:
    assert evaluate([policy("a", expires_seconds=50), policy("b", expires_seconds=40)], FACTS, []).expires_seconds == 40


APPROVALS = st.builds(
    Approval,
    required=st.booleans(),
    min_approvers=st.integers(1, 3),
    allowed_groups=st.sampled_from([(), ("g",), ("h",), ("g", "h")]),
    self_allowed=st.booleans(),
)
POLICIES = st.lists(
    st.builds(
        Policy,
        name=st.sampled_from("pqr"),
        approvals=st.lists(APPROVALS, min_size=1, max_size=2).map(tuple),
        selector=st.sampled_from([None, Selector(("prod",)), Selector(("stage",))]),
        enforcement=st.sampled_from(Enforcement),
    ),
    max_size=4,
)
VOTES = st.lists(
    st.builds(vote, st.sampled_from(sorted(PEOPLE)), st.sampled_from([Choice.APPROVE, Choice.APPROVE, Choice.REJECT])),
    max_size=6,
)
ALL_FACTS = st.builds(
    lambda auto, names: replace(FACTS, auto_apply=auto, policies=names),
    st.booleans(),
    st.sampled_from([(), ("p",), ("q", "gone")]),
)


@settings(deadline=None)
@given(POLICIES, ALL_FACTS, VOTES, st.sampled_from(sorted(PEOPLE)))
def test_an_approval_never_unsatisfies(policies: list[Policy], facts: Facts, votes: list[Vote], name: str) -> None:
    before, after = evaluate(policies, facts, votes), evaluate(policies, facts, [*votes, vote(name)])
    assert after.satisfied or not before.satisfied
    assert sum(m.count for m in after.required) <= sum(m.count for m in before.required)
    assert after.deny == before.deny


@settings(deadline=None)
@given(POLICIES, ALL_FACTS, VOTES, st.sampled_from(sorted(PEOPLE)))
def test_a_rejection_never_satisfies(policies: list[Policy], facts: Facts, votes: list[Vote], name: str) -> None:
    assert not evaluate(policies, facts, [*votes, vote(name, Choice.REJECT)]).satisfied


@settings(deadline=None)
@given(POLICIES, POLICIES, ALL_FACTS, VOTES)
def test_a_binding_policy_never_relaxes(
    policies: list[Policy], more: list[Policy], facts: Facts, votes: list[Vote]
) -> None:
    """Another policy can only add; but a policy that asks replaces the bare confirmation, which it contains save for `self`."""
    hard = [
        replace(p, enforcement=Enforcement.HARD, approvals=tuple(replace(a, required=True) for a in p.approvals))
        for p in more
    ]
    known = replace(facts, policies=())
    if evaluate([*policies, *hard], known, votes).satisfied:
        assert evaluate(policies, known, votes).satisfied


@settings(deadline=None)
@given(POLICIES, ALL_FACTS, VOTES, st.randoms())
def test_order_and_repetition_of_votes_say_nothing(
    policies: list[Policy], facts: Facts, votes: list[Vote], chance: object
) -> None:
    shuffled = [*votes, *votes]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = evaluate(policies, facts, votes), evaluate(policies, facts, shuffled)
    assert (one.required, one.satisfied, set(one.deny)) == (other.required, other.satisfied, set(other.deny))

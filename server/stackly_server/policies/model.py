"""Approval policies and the judging of a run's votes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from stackly_server.limits import APPROVAL_SECONDS_DEFAULT

NO_POLICY = ""
"""Stands as the policy's name in the requirement of a run that no policy asks approval for."""


class Enforcement(Enum):
    """HARD must be met; ADVISORY is shown as a warning."""

    HARD = "hard"
    ADVISORY = "advisory"


class Choice(Enum):
    """What a person said of a plan."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Selector:
    """Where a policy applies: one of these environments and all of these labels; an empty part asks for nothing."""

    environments: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def matches(self, facts: Facts) -> bool:
        """Whether the stack is one of these."""
        place = not self.environments or facts.environment in self.environments
        return place and all(facts.labels.get(name) == text for name, text in self.labels.items())


@dataclass(frozen=True, slots=True)
class Approval:
    """One set of votes: `min_approvers` distinct people, each in one of the groups if any are named.

    `required` false asks without blocking. `self_allowed`: the author of the run or of its commit counts too.
    """

    required: bool = True
    min_approvers: int = 1
    allowed_groups: tuple[str, ...] = ()
    self_allowed: bool = False
    expires_seconds: int = APPROVAL_SECONDS_DEFAULT


@dataclass(frozen=True, slots=True)
class Policy:
    """An approval policy. Without a selector it applies to every stack; by name it applies where a stack file says so."""

    name: str
    approvals: tuple[Approval, ...]
    selector: Selector | None = None
    enforcement: Enforcement = Enforcement.HARD


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the stack. `groups`: every group of the account and how many people are in it.

    `auto_apply`: the run goes on by itself unless a policy asks for approval.
    """

    stack: str
    environment: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)
    auto_apply: bool = False


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote on this very plan by someone who may approve runs. `is_author`: creator, pusher or pull request's author."""

    subject: str
    groups: frozenset[str]
    is_author: bool
    choice: Choice


@dataclass(frozen=True, slots=True)
class Missing:
    """Approvals that a policy's vote set still lacks (`count` ≥ 1), and who may give them (() = anyone who may approve)."""

    policy: str
    count: int
    groups: tuple[str, ...]
    self_allowed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """`deny` ends the run; `required` is what is still missing; `satisfied` when neither holds anything.

    `applied` names the policies that applied, in the order given; `expires_seconds` is the shortest of their requests'.
    """

    deny: tuple[str, ...]
    required: tuple[Missing, ...]
    warnings: tuple[str, ...]
    applied: tuple[str, ...]
    expires_seconds: int

    @property
    def satisfied(self) -> bool:
        """Whether the run may go on."""
        return not self.deny and not self.required


def evaluate(policies: Sequence[Policy], facts: Facts, votes: Iterable[Vote]) -> Verdict:
    """Judges a plan's votes by all policies of the account.

    Policies add up; one person counts once in each vote set; one rejection denies. A named policy that does not exist
    and a group that is unknown or empty deny: a demand that cannot be read is not met.
    """
    cast = tuple(votes)
    applied = [policy for policy in policies if applies(policy, facts)]
    asked = [(policy, approval) for policy in applied for approval in policy.approvals]
    binding = [(policy, approval) for policy, approval in asked if _binds(policy, approval)]
    advised = [(policy, approval) for policy, approval in asked if not _binds(policy, approval)]
    missing = _missing(binding or _confirmation(facts), cast)
    return Verdict(
        deny=(*_rejections(cast), *_unknown_policies(policies, facts), *_empty_groups(binding, facts)),
        required=missing,
        warnings=(*_advice(advised, cast), *_empty_groups(advised, facts)),
        applied=tuple(policy.name for policy in applied),
        expires_seconds=min((approval.expires_seconds for _, approval in binding), default=APPROVAL_SECONDS_DEFAULT),
    )


def applies(policy: Policy, facts: Facts) -> bool:
    """Whether a policy speaks about the stack: by selector, for want of one, or by name."""
    return policy.selector is None or policy.selector.matches(facts) or policy.name in facts.policies


_Asked = Sequence[tuple[Policy, Approval]]


def _binds(policy: Policy, approval: Approval) -> bool:
    return policy.enforcement is Enforcement.HARD and approval.required


def _confirmation(facts: Facts) -> _Asked:
    """Without a policy one person confirms, the author too; a run that applies by itself needs none."""
    if facts.auto_apply:
        return ()
    approval = Approval(self_allowed=True)
    return ((Policy(NO_POLICY, (approval,)), approval),)


def _missing(asked: _Asked, votes: Sequence[Vote]) -> tuple[Missing, ...]:
    lacking = ((policy, approval, approval.min_approvers - _count(approval, votes)) for policy, approval in asked)
    return tuple(
        Missing(policy.name, count, approval.allowed_groups, approval.self_allowed)
        for policy, approval, count in lacking
        if count > 0
    )


def _count(approval: Approval, votes: Sequence[Vote]) -> int:
    return len({vote.subject for vote in votes if vote.choice is Choice.APPROVE and _counts(approval, vote, votes)})


def _counts(approval: Approval, vote: Vote, votes: Sequence[Vote]) -> bool:
    """Who is an author in any of their votes is one in all."""
    author = any(other.is_author for other in votes if other.subject == vote.subject)
    entitled = not approval.allowed_groups or not vote.groups.isdisjoint(approval.allowed_groups)
    return entitled and (approval.self_allowed or not author)


def _rejections(votes: Sequence[Vote]) -> tuple[str, ...]:
    rejecting = dict.fromkeys(vote.subject for vote in votes if vote.choice is Choice.REJECT)
    return tuple(f"rejected by {subject}" for subject in rejecting)


def _unknown_policies(policies: Sequence[Policy], facts: Facts) -> tuple[str, ...]:
    known = {policy.name for policy in policies}
    return tuple(
        f"the policy {name}, named by the stack file, does not exist" for name in facts.policies if name not in known
    )


def _empty_groups(asked: _Asked, facts: Facts) -> tuple[str, ...]:
    found = ((policy.name, group) for policy, approval in asked for group in approval.allowed_groups)
    bad = dict.fromkeys(pair for pair in found if facts.groups.get(pair[1], 0) < 1)
    return tuple(f"policy {name}: the group {group} {_lack(group, facts.groups)}" for name, group in bad)


def _lack(group: str, groups: Mapping[str, int]) -> str:
    return "has no members" if group in groups else "does not exist"


def _advice(asked: _Asked, votes: Sequence[Vote]) -> tuple[str, ...]:
    return tuple(f"policy {one.policy} advises {one.count} more approval(s)" for one in _missing(asked, votes))

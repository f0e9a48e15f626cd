"""Parsed policies as they are kept beside their text: to and from JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from stackly_server.policies.model import Approval, Enforcement, Policy, Selector


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A row of `policies`. `revision` counts the texts, `version` all changes."""

    id: UUID
    name: str
    hcl: str
    policy: Policy
    revision: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Changes with each change."""
        return f'"{self.version}"'


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """Plain JSON."""
    return {
        "name": policy.name,
        "enforcement": policy.enforcement.value,
        "selector": None if policy.selector is None else asdict(policy.selector),
        "approvals": [asdict(approval) for approval in policy.approvals],
    }


def policy_from_json(data: Mapping[str, Any]) -> Policy:
    """What `policy_to_json` made."""
    return Policy(
        name=data["name"],
        approvals=tuple(_approval(each) for each in data["approvals"]),
        selector=_selector(data["selector"]),
        enforcement=Enforcement(data["enforcement"]),
    )


def doubts(policy: Policy, groups: Mapping[str, int]) -> list[str]:
    """What a careful reader would ask back; it does not stop the policy."""
    return [text for approval in policy.approvals for text in _doubts(approval, groups)]


def _doubts(approval: Approval, groups: Mapping[str, int]) -> list[str]:
    people = sum(groups.get(group, 0) for group in approval.allowed_groups)
    found = []
    if approval.allowed_groups and people < approval.min_approvers:
        found.append(f"{approval.min_approvers} people must approve, but the groups have {people}: it cannot be met")
    if not approval.required:
        found.append("required = false: the approval is shown, and asked of nobody")
    return found


def _approval(data: Mapping[str, Any]) -> Approval:
    return Approval(**{**data, "allowed_groups": tuple(data["allowed_groups"])})


def _selector(data: Mapping[str, Any] | None) -> Selector | None:
    return None if data is None else Selector(tuple(data["environments"]), dict(data["labels"]))

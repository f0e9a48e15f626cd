"""A policy's HCL to a `Policy`. Pure; only approval policies are there yet, all else is refused by name and place."""

from __future__ import annotations

from collections.abc import Mapping

from stackly_server.hcl.document import Block, Document, HclError, Value
from stackly_server.hcl.shape import ID, ID_RULE, Body, Notes
from stackly_server.limits import APPROVAL_SECONDS_DEFAULT
from stackly_server.policies.model import Approval, Enforcement, Policy, Selector

MIN_APPROVERS_LIMIT = 100
APPROVALS_LIMIT = 20
"""Approval blocks in one policy."""

UNBUILT_BLOCKS = ("schedule", "action", "rule", "deregister", "drift", "validation", "exempt", "case")
UNBUILT_SELECTORS = ("repositories", "namespaces", "run_types")


def parse_policy(document: Document, groups: Mapping[str, int]) -> Policy:
    """The one policy of a document. `groups`: every group of the account and how many people are in it.

    Raises:
        HclError: unknown, mistyped or not supported yet; another number of policies than one; a group that is unknown
            or empty. All such problems at once.
    """
    notes = Notes(document)
    root = Body(document.body, "the file", notes)
    block = root.only("policy", labels=1)
    _refuse_unbuilt(root)
    root.close()
    if block is None:
        notes.check()
        raise HclError([notes.problem(document.body.place, 'no policy block; write policy "name" { … }')])
    policy = _policy(block, notes, groups)
    notes.check()
    return policy


def _policy(block: Block, notes: Notes, groups: Mapping[str, int]) -> Policy:
    label = block.labels[0]
    if not ID.fullmatch(label.text):
        notes.add(label.place, f'"{label.text[:80]}" is no name: {ID_RULE}')
    body = Body(block, "policy", notes)
    policy = Policy(
        name=label.text,
        selector=_selector(body),
        enforcement=_enforcement(body),
        approvals=tuple(_approval(Body(inner, "approval", notes), groups) for inner in body.blocks("approval")),
    )
    _check_count(body, policy)
    _refuse_unbuilt(body)
    body.close()
    return policy


def _check_count(body: Body, policy: Policy) -> None:
    other = any(block.kind not in {"approval", "select"} for block in body.block.blocks)  # is complained about itself
    if not policy.approvals and not other:
        body.notes.add(body.block.place, "the policy asks for nothing: write an approval block")
    if len(policy.approvals) > APPROVALS_LIMIT:
        body.notes.add(body.block.place, f"more than {APPROVALS_LIMIT} approval blocks")


def _refuse_unbuilt(body: Body) -> None:
    for kind in UNBUILT_BLOCKS:
        body.known_block(kind)
        for block in body.block.blocks:
            if block.kind == kind:
                body.notes.add(block.place, f"{kind} is not supported yet")


def _enforcement(body: Body) -> Enforcement:
    word = body.choice("enforcement", ("hard", "soft", "advisory"))
    attribute = body.attribute("enforcement")
    if word == "soft" and attribute is not None:
        body.notes.add(attribute.value.place, 'enforcement = "soft" is not supported yet')
        return Enforcement.HARD
    return Enforcement(word or "hard")


def _selector(body: Body) -> Selector | None:
    environment = body.text("environment")
    select = body.inner("select")
    if select is None:
        return None if environment is None else Selector((environment,))
    attribute = body.attribute("environment")
    if attribute is not None:
        body.notes.add(attribute.place, "environment is short for select: write one of them")
    selector = Selector(select.texts("environments"), select.text_map("labels"))
    for name in UNBUILT_SELECTORS:
        unbuilt = select.attribute(name)
        if unbuilt is not None:
            body.notes.add(unbuilt.place, f"select.{name} is not supported yet")
    _refuse_empty(select, "environments")
    _refuse_empty(select, "labels")
    select.close()
    return selector


def _refuse_empty(body: Body, name: str) -> None:
    """An empty list would match everything, which nobody means who writes it."""
    attribute = body.attribute(name)
    if attribute is not None and getattr(attribute.value, "items", None) == ():
        body.notes.add(attribute.value.place, f"{name} is empty: name at least one, or leave it out")


def _approval(body: Body, groups: Mapping[str, int]) -> Approval:
    when = body.attribute("when")
    if when is not None:
        body.notes.add(when.place, "approval.when is not supported yet")
    required, allowed = body.boolean("required"), body.texts("allowed_groups")
    approval = Approval(
        required=True if required is None else required,
        min_approvers=body.whole("min_approvers", 1, MIN_APPROVERS_LIMIT) or 1,
        allowed_groups=allowed,
        self_allowed=body.boolean("self") or False,
        expires_seconds=body.seconds("expires") or APPROVAL_SECONDS_DEFAULT,
    )
    _refuse_empty(body, "allowed_groups")
    _check_groups(body, groups)
    body.close()
    return approval


def _check_groups(body: Body, groups: Mapping[str, int]) -> None:
    attribute = body.attribute("allowed_groups")
    items: tuple[Value, ...] = getattr(attribute.value, "items", ()) if attribute is not None else ()
    for item, group in zip(items, body.texts("allowed_groups"), strict=False):
        if groups.get(group, 0) < 1:
            lack = "has no members" if group in groups else "does not exist"
            body.notes.add(item.place, f"the group {group} {lack}")

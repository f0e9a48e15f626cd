"""PolicyService on the wire."""

from stackly.v1 import policies_pb2
from stackly.v1 import policies_service_pb2 as pb
from stackly_server.access import Subject
from stackly_server.errors import FieldProblem, Invalid
from stackly_server.hcl.document import Problem
from stackly_server.pages import Pages
from stackly_server.policies.kept import KeptPolicy
from stackly_server.policies.model import Approval, Policy
from stackly_server.policies.service import PolicyService


class PolicyServicer:
    """stackly.v1.PolicyService."""

    def __init__(self, service: PolicyService, pages: Pages) -> None:
        self._service = service
        self._pages = pages

    async def ListPolicies(self, request: pb.ListPoliciesRequest, call: Subject) -> pb.ListPoliciesResponse:
        size, scope = Pages.size(request.page_size), "ListPolicies"
        cursor = await self._pages.open(request.page_token, scope, call)
        rows = await self._service.page(call, request.parent, str(cursor[0]) if cursor else "", size + 1)
        token = await self._pages.next(rows, size, lambda row: (row.name,), scope, call)
        return pb.ListPoliciesResponse(policies=[_policy(row, call) for row in rows[:size]], next_page_token=token)

    async def GetPolicy(self, request: pb.GetPolicyRequest, call: Subject) -> pb.GetPolicyResponse:
        return pb.GetPolicyResponse(policy=_policy(await self._service.get(call, request.name), call))

    async def CreatePolicy(self, request: pb.CreatePolicyRequest, call: Subject) -> pb.CreatePolicyResponse:
        policy, doubts = await self._service.create(call, request.parent, request.policy.hcl)
        return pb.CreatePolicyResponse(policy=_policy(policy, call), warnings=[_warning(text) for text in doubts])

    async def UpdatePolicy(self, request: pb.UpdatePolicyRequest, call: Subject) -> pb.UpdatePolicyResponse:
        wanted = request.policy
        _check_mask(request)
        policy, doubts = await self._service.update(call, wanted.name, wanted.hcl, wanted.etag)
        return pb.UpdatePolicyResponse(policy=_policy(policy, call), warnings=[_warning(text) for text in doubts])

    async def DeletePolicy(self, request: pb.DeletePolicyRequest, call: Subject) -> pb.DeletePolicyResponse:
        await self._service.delete(call, request.name, request.etag, force=request.force)
        return pb.DeletePolicyResponse()

    async def ValidatePolicy(self, request: pb.ValidatePolicyRequest, call: Subject) -> pb.ValidatePolicyResponse:
        policy, problems, doubts = await self._service.validate(call, request.parent, request.hcl)
        findings = [*(_finding(each) for each in problems), *(_warning(text) for text in doubts)]
        if policy is None:
            return pb.ValidatePolicyResponse(findings=findings)
        name = f"{request.parent}/policies/{policy.name}"
        return pb.ValidatePolicyResponse(findings=findings, policy=_said(policy, name, request.hcl))


def _check_mask(request: pb.UpdatePolicyRequest) -> None:
    paths = set(request.update_mask.paths)
    if paths - {"hcl"}:
        problem = FieldProblem("update_mask", "only hcl can be changed")
        raise Invalid("VALIDATION_FAILED", f"update_mask: {problem.problem}.", fields=[problem])
    if not request.policy.hcl:
        raise Invalid("UPDATE_EMPTY", "The update sets nothing: give hcl.")


def _policy(kept: KeptPolicy, call: Subject) -> policies_pb2.Policy:
    message = _said(kept.policy, f"accounts/{call.account}/policies/{kept.name}", kept.hcl)
    message.uid, message.etag, message.revision = str(kept.id), kept.etag, kept.revision
    message.created_at.FromDatetime(kept.created_at)
    message.updated_at.FromDatetime(kept.updated_at)
    return message


def _said(policy: Policy, name: str, hcl: str) -> policies_pb2.Policy:
    selector = policy.selector
    return policies_pb2.Policy(
        name=name,
        hcl=hcl,
        approvals=[_approval(each) for each in policy.approvals],
        selector=None
        if selector is None
        else policies_pb2.PolicySelector(environments=selector.environments, labels=selector.labels),
    )


def _approval(approval: Approval) -> policies_pb2.ApprovalRule:
    return policies_pb2.ApprovalRule(
        required=approval.required,
        min_approvers=approval.min_approvers,
        allowed_groups=approval.allowed_groups,
        self_allowed=approval.self_allowed,
        expires_seconds=approval.expires_seconds,
    )


def _finding(problem: Problem) -> policies_pb2.Finding:
    return policies_pb2.Finding(
        code="invalid", message=problem.message, line=problem.line, column=problem.column,
        line_text=problem.line_text, blocking=True,
    )  # fmt: skip


def _warning(text: str) -> policies_pb2.Finding:
    return policies_pb2.Finding(code="doubt", message=text)

"""PolicyService through the door."""

from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

from api import details, reason
from stackly.v1 import policies_pb2, policies_service_pb2_grpc
from stackly.v1 import policies_service_pb2 as pb

if TYPE_CHECKING:
    from api import Api, Tenant

HCL = 'policy "two" {\n  select {\n    environments = ["prod"]\n    labels = { tier = "1" }\n  }\n  approval {\n    min_approvers = 2\n    self = true\n  }\n}\n'
NAME = "accounts/dev/policies/two"


async def test_a_policy_through_its_life(api: "Api", dev: "Tenant") -> None:
    stub, signed = policies_service_pb2_grpc.PolicyServiceStub(api.channel), await api.sign_in(dev.api_key)
    wanted = pb.CreatePolicyRequest(parent="accounts/dev", policy=policies_pb2.Policy(hcl=HCL))
    made = (await stub.CreatePolicy(wanted, metadata=signed)).policy
    assert (made.name, made.revision, made.hcl) == (NAME, 1, HCL)
    (rule,) = made.approvals
    assert (rule.required, rule.min_approvers, rule.self_allowed) == (True, 2, True)
    assert (list(made.selector.environments), dict(made.selector.labels)) == (["prod"], {"tier": "1"})
    assert (await stub.GetPolicy(pb.GetPolicyRequest(name=NAME), metadata=signed)).policy == made
    listed = await stub.ListPolicies(pb.ListPoliciesRequest(parent="accounts/dev"), metadata=signed)
    assert list(listed.policies) == [made]
    change = policies_pb2.Policy(name=NAME, hcl=HCL.replace("2", "3"), etag=made.etag)
    update = pb.UpdatePolicyRequest(policy=change, update_mask=FieldMask(paths=["hcl"]))
    changed = (await stub.UpdatePolicy(update, metadata=signed)).policy
    assert (changed.revision, changed.approvals[0].min_approvers) == (2, 3)
    with pytest.raises(grpc.aio.AioRpcError) as stale:
        await stub.UpdatePolicy(update, metadata=signed)
    assert reason(stale.value) == "ETAG_MISMATCH"
    await stub.DeletePolicy(pb.DeletePolicyRequest(name=NAME, etag=changed.etag), metadata=signed)
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await stub.DeletePolicy(pb.DeletePolicyRequest(name=NAME), metadata=signed)
    assert reason(gone.value) == "NOT_FOUND"


async def test_every_approval_block_is_shown(api: "Api", dev: "Tenant") -> None:
    stub, signed = policies_service_pb2_grpc.PolicyServiceStub(api.channel), await api.sign_in(dev.api_key)
    more = "  approval {\n    min_approvers = 3\n  }\n}\n"
    policy = policies_pb2.Policy(hcl=HCL.replace('"two"', '"both"').removesuffix("}\n") + more)
    made = await stub.CreatePolicy(pb.CreatePolicyRequest(parent="accounts/dev", policy=policy), metadata=signed)
    assert [(rule.min_approvers, rule.self_allowed) for rule in made.policy.approvals] == [(2, True), (3, False)]


async def test_a_bad_text_is_refused_with_places_and_checked_without_effect(api: "Api", dev: "Tenant") -> None:
    stub, signed = policies_service_pb2_grpc.PolicyServiceStub(api.channel), await api.sign_in(dev.api_key)
    bad = 'policy "two" {\n  aproval {\n  }\n}\n'
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CreatePolicy(
            pb.CreatePolicyRequest(parent="accounts/dev", policy=policies_pb2.Policy(hcl=bad)), metadata=signed
        )
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID")
    (violation,) = details(caught.value, error_details_pb2.BadRequest).field_violations
    assert violation.field == "policy.hcl"
    assert violation.description.startswith("line 2, column 3: ")
    checked = await stub.ValidatePolicy(pb.ValidatePolicyRequest(parent="accounts/dev", hcl=bad), metadata=signed)
    (finding,) = checked.findings
    assert (finding.line, finding.column, finding.line_text, finding.blocking) == (2, 3, "  aproval {", True)
    assert not checked.HasField("policy")
    good = await stub.ValidatePolicy(pb.ValidatePolicyRequest(parent="accounts/dev", hcl=HCL), metadata=signed)
    assert (list(good.findings), good.policy.name) == ([], NAME)
    listed = await stub.ListPolicies(pb.ListPoliciesRequest(parent="accounts/dev"), metadata=signed)
    assert list(listed.policies) == []

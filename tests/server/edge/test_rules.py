"""Rules and field checks, read from the descriptors of the whole wire."""

import importlib
import pkgutil
from typing import Any

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from hypothesis import given
from hypothesis import strategies as st

import stackly
from stackly.options.v1 import options_pb2
from stackly.v1 import (
    accounts_service_pb2,
    policies_service_pb2,
    runs_service_pb2,
    stacks_service_pb2,
    worker_registry_pb2,
)
from stackly.worker.v1 import worker_task_service_pb2
from stackly_server.edge.fields import Findings, resource_pattern
from stackly_server.edge.rules import MissingRuleError, Rule, rules_of
from stackly_server.errors import Invalid, NotFound


def services() -> list[ServiceDescriptor]:
    found: list[ServiceDescriptor] = []
    for module in pkgutil.walk_packages(stackly.__path__, "stackly."):
        if module.name.endswith("_pb2"):
            found.extend(importlib.import_module(module.name).DESCRIPTOR.services_by_name.values())
    return [service for service in found if service.full_name != "stackly.worker.v1.Tasks"]  # never served


def rule(module: Any, service: str, method: str) -> Rule:
    return dict(rules_of(module.DESCRIPTOR.services_by_name[service]))[method]


def problems(rule: Rule, request: Any, account: str = "dev") -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        rule.fields.check(request, account)
    assert caught.value.reason == "VALIDATION_FAILED"
    return {problem.field: problem.problem for problem in caught.value.fields}


def test_every_method_has_a_whole_rule() -> None:
    rules = [rule for service in services() for _, rule in rules_of(service)]
    assert len(rules) > 80
    for each in rules:
        assert each.seconds is None or each.seconds in {30.0, 70.0, 600.0}


def test_user_methods_on_things_refuse_empty_and_foreign_names() -> None:
    """Each method that names a thing: no name is refused, and so is a name of another account, before anything is read."""
    checked = 0
    for service in services():
        for _, each in rules_of(service):
            options = _options(service, each)
            if each.audience != options_pb2.AUDIENCE_USER or not options.resource_field or each.streams_in:
                continue
            assert options.resource_field.split(".")[0] in {
                name.split(".")[0] for name in problems(each, each.request())
            }
            request = each.request()
            holder = request
            *way, last = options.resource_field.split(".")
            for step in way:
                holder = getattr(holder, step)
            pattern = each.fields._resource
            setattr(holder, last, pattern.replace("accounts/*", "accounts/rival").replace("*", "x1"))
            found = Findings("dev")
            each.fields._check(request, "", found)
            assert found.foreign == [each.resource_of(request)]
            checked += 1
    assert checked > 50


def test_a_method_without_rule_stops_the_start() -> None:
    with pytest.raises(MissingRuleError, match=r"Health\.\w+ has no whole rule"):
        rules_of(health_pb2.DESCRIPTOR.services_by_name["Health"])


def test_worker_calls_may_wait_longer() -> None:
    assert rule(worker_registry_pb2, "WorkerRegistry", "Heartbeat").seconds == 70
    assert rule(runs_service_pb2, "RunService", "WaitRun").seconds == 70
    assert rule(runs_service_pb2, "RunService", "GetRun").seconds == 30
    assert rule(worker_task_service_pb2, "WorkerTaskService", "ClaimBatch").seconds == 30


def test_required_and_bounded_nested_fields() -> None:
    connect = rule(accounts_service_pb2, "AccountService", "ConnectRepository")
    request = accounts_service_pb2.ConnectRepositoryRequest(parent="accounts/dev")
    assert problems(connect, request) == {"repository": "is required"}
    request.repository.clone_url = "x" * 513
    request.repository.full_name = "white space"
    request.request_id = "ABC"
    assert problems(connect, request) == {
        "repository.clone_url": "must have at most 512 characters",
        "repository.full_name": "must match [A-Za-z0-9._/-]+",
        "repository.external_id": "is required",
        "request_id": "must be a UUID in lower case with hyphens",
    }


def test_output_only_fields_are_cleared() -> None:
    create = rule(accounts_service_pb2, "AccountService", "CreateApiKey")
    request = accounts_service_pb2.CreateApiKeyRequest(parent="accounts/dev")
    request.api_key.uid = "chosen by the caller"
    request.api_key.display_name = "mine"
    create.fields.check(request, "dev")
    assert (request.api_key.uid, request.api_key.display_name) == ("", "mine")


def test_an_update_keeps_its_name_and_requires_no_more() -> None:
    update = rule(policies_service_pb2, "PolicyService", "UpdatePolicy")
    request = policies_service_pb2.UpdatePolicyRequest()
    request.policy.name = "accounts/dev/policies/guard"
    update.fields.check(request, "dev")
    assert request.policy.name == "accounts/dev/policies/guard"


def test_items_of_lists_and_keys_of_maps() -> None:
    update = rule(accounts_service_pb2, "AccountService", "UpdateMember")
    request = accounts_service_pb2.UpdateMemberRequest()
    request.member.name = "accounts/dev/members/bob"
    request.member.roles.extend(["viewer", "emperor"])
    assert list(problems(update, request)) == ["member.roles"]
    request.member.roles[:] = ["viewer"] * 6
    assert problems(update, request) == {"member.roles": "must have at most 5 items"}


def test_numbers() -> None:
    members = rule(accounts_service_pb2, "AccountService", "ListMembers")
    request = accounts_service_pb2.ListMembersRequest(parent="accounts/dev", page_size=201)
    assert problems(members, request) == {"page_size": "must be at most 200"}
    request.page_size = -1
    assert problems(members, request) == {"page_size": "must be at least 0"}


def test_enums_are_closed() -> None:
    create = rule(runs_service_pb2, "RunService", "CreateRun")
    request = runs_service_pb2.CreateRunRequest(parent="accounts/dev/stackStates/network")
    request.run.type = 99  # type: ignore[assignment]
    assert problems(create, request)["run.type"] == "is no known value"


def test_names_of_another_account_are_not_found_wherever_they_stand() -> None:
    key = rule(accounts_service_pb2, "AccountService", "CreateApiKey")
    request = accounts_service_pb2.CreateApiKeyRequest(parent="accounts/dev")
    request.api_key.member = "accounts/dev/members/bob"
    key.fields.check(request, "dev")  # the right account passes
    request.api_key.member = "accounts/rival/members/bob"
    with pytest.raises(NotFound):
        key.fields.check(request, "dev")
    request.api_key.member, request.parent = "accounts/dev/members/bob", "accounts/rival"
    with pytest.raises(NotFound):
        key.fields.check(request, "dev")


def test_a_dash_stands_for_all_only_in_reads() -> None:
    listing = rule(runs_service_pb2, "RunService", "ListRuns")
    listing.fields.check(runs_service_pb2.ListRunsRequest(parent="accounts/dev/stackStates/-"), "dev")
    accounts = runs_service_pb2.ListRunsRequest(parent="accounts/-/stackStates/-")
    assert "parent" in problems(listing, accounts)
    destroy = rule(stacks_service_pb2, "StackService", "DestroyStackState")
    assert "name" in problems(destroy, stacks_service_pb2.DestroyStackStateRequest(name="accounts/dev/stackStates/-"))


@given(st.text(max_size=80))
def test_names_hold_no_surprises(part: str) -> None:
    pattern = resource_pattern("accounts/*/runs/*", wildcard=False)
    if pattern.fullmatch(f"accounts/dev/runs/{part}"):
        assert part.isascii()
        assert part == part.lower()
        assert not set(part) & set("/%.\n -") - {"-"}
        assert part.strip("-_") == part


def _options(service: ServiceDescriptor, each: Rule) -> Any:
    method = service.methods_by_name[each.path.rpartition("/")[2]]
    extension: Any = options_pb2.rule
    return method.GetOptions().Extensions[extension]

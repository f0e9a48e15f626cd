"""What users, workers, runners and code hosts hand in."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from api import Metadata
from stackly.worker.v1 import runner_service_pb2 as runner
from stackly_engine import exact, plans
from stackly_engine.projected_chain import PlannedUnit, project_chain

CLAIM = {"features": ["terraform"], "engines": ["terraform 1.11.4"], "platform": "linux_amd64"}


def policy(name: str, days: int = 2) -> str:
    return f'policy "{name}" {{\n  environment = "prod"\n  approval {{\n    expires = "{days}d"\n  }}\n}}\n'


def answered(challenge: Any) -> dict[str, Any]:
    """What a worker with working engines says."""
    answers = {each: hashlib.sha256(f"{challenge.nonce}:{each}".encode()).hexdigest() for each in challenge.engines}
    return {"challenge_id": challenge.id, "answers": answers}


def plan(state: Mapping[str, Any]) -> list[Any]:
    """What a runner hands in: two resources and an output to create."""
    return submitted(projection("t.r1", "t.r2").to_bytes(), state)


def audit(state: Mapping[str, Any]) -> list[Any]:
    """What the runner of an audit hands in: it had nothing to audit."""
    return plan({**state, "audit": runner.AuditReport(nothing="the stack runs whole")})


def chained() -> list[Any]:
    """The same of a root in units: one resource in each of two."""
    names = ("module.app", "module.net")
    units = [PlannedUnit(name, True, ("new",), at) for at, name in enumerate(names, start=1)]
    owners = {f"{name}.t.r1": name for name in names}
    batches = [((name,), projection(f"{name}.t.r1")) for name in names]
    return submitted(project_chain(units, batches, owners, exports={}).to_bytes(), {})


def planned_again() -> list[Any]:
    """The plan of one unit, as it was approved."""
    data = projection("module.app.t.r1").to_bytes()
    header = runner.VerifyPlanHeader(units=["module.app"], projected_sha256=hashlib.sha256(data).hexdigest())
    return [runner.VerifyPlanRequest(header=header), runner.VerifyPlanRequest(projected=data)]


def projection(*addresses: str) -> plans.ProjectedPlan:
    """The plan that creates resources."""
    change = {"actions": ["create"], "before": None, "after": {"size": 1}, "after_unknown": {}}
    resources = [
        {
            "address": address,
            "mode": "managed",
            "type": "t",
            "name": address.rpartition(".")[2],
            "provider_name": "p",
            "change": change,
        }
        for address in addresses
    ]
    document = {"format_version": "1.2", "resource_changes": resources, "output_changes": {}, "complete": True}
    return plans.project(exact.dumps(document), b"k" * 32)


def submitted(projected: bytes, state: Mapping[str, Any]) -> list[Any]:
    """A projected document and a bundle."""
    bundle = b"the plan file"
    header = runner.PlanHeader(
        engine="terraform 1.11.4", platform="linux_amd64", tree_sha256="0" * 64, has_changes=True,
        projected_sha256=hashlib.sha256(projected).hexdigest(), plan_sha256=hashlib.sha256(bundle).hexdigest(), **state,
    )  # fmt: skip
    parts: list[dict[str, Any]] = [{"header": header}, {"projected": projected}, {"plan_file": bundle}]
    return [runner.SubmitPlanRequest(**part) for part in parts]


def offer(word: str) -> list[Any]:
    """A batch that is offered to other workers."""
    order = f"an order of {word}".encode()
    header = runner.OfferHeader(batch="h1", slices=["module.app"], sha256=hashlib.sha256(order).hexdigest())
    return [runner.OfferBatchRequest(header=header), runner.OfferBatchRequest(chunk=order)]


def result(word: str) -> list[Any]:
    """What a batch came to."""
    data = f"a result of {word}".encode()
    header = runner.ResultHeader(sha256=hashlib.sha256(data).hexdigest())
    return [runner.SubmitResultRequest(header=header), runner.SubmitResultRequest(chunk=data)]


def state(serial: int, lineage: str) -> list[Any]:
    """A Terraform state with a secret output, as a runner hands it in."""
    instance = {"schema_version": 0, "attributes": {"size": serial}}
    resource = {"mode": "managed", "type": "t", "name": "r1", "provider": 'provider["p"]', "instances": [instance]}
    data = exact.dumps({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage, "resources": [resource],
        "outputs": {"open": {"value": 1, "type": "number"}, "hush": {"value": "s", "type": "string", "sensitive": True}},
    })  # fmt: skip
    header = runner.StateHeader(serial=serial, lineage=lineage, sha256=hashlib.sha256(data).hexdigest())
    return [runner.WriteStateRequest(header=header), runner.WriteStateRequest(chunk=data)]


def record(unit: str, exported: str) -> dict[str, Any]:
    """What a runner keeps of a unit that was applied for the first time."""
    return {"unit": unit, "generation": 2, "record": b"{}", "exports": exact.dumps([exported])}


def artifact(name: str) -> list[Any]:
    """What a run's code is beyond its commit, as a runner hands it in."""
    data = name.encode() * 3
    header = runner.KeepArtifactRequest(sha256=hashlib.sha256(data).hexdigest())
    return [header, runner.KeepArtifactRequest(chunk=data)]


def webhook(repository_id: str, secret: str, after: str) -> tuple[bytes, Metadata]:
    """A push as a code host tells it: the body, and the headers with its signature."""
    body = json.dumps(
        {"ref": "refs/heads/main", "before": "0" * 40, "after": after, "repository": {"id": int(repository_id)}}
    ).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return body, (
        ("x-github-event", "push"), ("x-github-delivery", str(uuid4())), ("x-hub-signature-256", f"sha256={signature}"),
    )  # fmt: skip

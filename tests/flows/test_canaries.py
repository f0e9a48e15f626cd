"""No secret leaves its place: a platform is searched whole after runs that planned, applied, failed and were canceled."""

import gzip
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from flows.canary import Canary, hits
from flows.haystacks import Watcher, connected, everywhere, found_in
from flows.job import ENOUGH, Job
from flows.platform import Platform
from flows.ways.rest import Rest
from stackly_sdk import AsyncRun, AsyncStack, Secret
from stackly_server.dev.parts.postgres import DATABASE, OPENBAO
from waiting import until

API, LOOSE, PEM, MAPPED = (
    Canary("api"),
    Canary("loose"),
    Canary("pem", around="-----BEGIN\n{}\n-----END"),
    Canary("map"),
)
PROVIDER, HIDDEN = Canary("provider"), Canary("hidden")
ALL = (API, LOOSE, PEM, MAPPED, PROVIDER, HIDDEN)

_MODULE = """
variable "api" {
  type      = string
  sensitive = true
  default   = ""
}
variable "loose" { default = "" }
variable "pem" { default = "" }
variable "settings" { default = {} }
variable "mode" { default = "apply" }
variable "hold" { default = "" }

locals {
  provider = sensitive("PROVIDER_VALUE")
  hidden   = sensitive("HIDDEN_VALUE")
  secrets  = [var.api, var.loose, var.pem, local.provider, local.hidden, jsonencode(var.settings)]
  printed  = [for it in local.secrets : nonsensitive(it)]
  shown    = var.mode == "plan" ? "refused: ${join(" ", local.printed)} ${jsonencode(local.printed)}" : "none"
}

resource "terraform_data" "key" {
  input            = { token = local.provider, api = var.api, loose = var.loose, pem = var.pem, all = var.settings }
  triggers_replace = [var.mode]
}

resource "terraform_data" "printer" {
  triggers_replace = [var.mode, var.loose]
  depends_on       = [terraform_data.key]
  provisioner "local-exec" {
    environment = {
      TEXT = join("\\n", local.printed)
      FORM = join(" ", concat([for it in local.printed : urlencode(it)], [jsonencode(local.printed)]))
      MODE = var.mode
      HOLD = var.hold
    }
    command = <<-EOT
      printf '%s\\n' "$TEXT" "$FORM"; printf '%s\\n' "$TEXT" >&2
      for lead in "" x xy; do printf '%s%s' "$lead" "$TEXT" | base64 -w 0; echo; done
      if [ "$MODE" = fail ]; then exit 9; fi
      if [ "$MODE" = cancel ]; then printf '%s\\n' "$TEXT"; touch "$HOLD"; sleep 60; fi
    EOT
  }
}

output "hidden" {
  value     = local.hidden
  sensitive = true
}
output "all" {
  value     = { api = var.api, pem = sensitive(var.pem), loose = sensitive(var.loose), all = sensitive(var.settings) }
  sensitive = true
}
output "gate" {
  value = 1
  precondition {
    condition     = var.mode != "plan"
    error_message = local.shown
  }
}
"""


def module() -> str:
    """The root module; values that only Terraform may see whole stand in it in two halves."""
    text = _MODULE
    for canary in (PROVIDER, HIDDEN):
        halves = f'${{join("", ["{canary.core[:8]}", "{canary.core[8:]}"])}}'
        written = json.dumps(canary.around.format("@")).strip('"').replace("%", "%%").replace("%%", "%")
        text = text.replace(f"{canary.name.upper()}_VALUE", written.replace("@", halves))
    return text


@dataclass
class Told:
    """A stack whose runs have seen the secrets, and everything that was answered about them."""

    stack: AsyncStack
    runs: dict[str, AsyncRun]
    answers: list[tuple[str, bytes]]
    watcher: Watcher


@pytest.fixture(scope="module")
async def told(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    folder = tmp_path_factory.mktemp("canaries")
    with Watcher(ALL, {os.getpid()}) as watcher:
        async with platform.client() as owner:
            job = Job(platform, owner, await platform.repository(owner), folder)
            stack, runs = await _lived(job, folder / "hold")
            answers = [each async for each in _answers(platform, stack, runs)]
            yield Told(stack, runs, answers, watcher)


async def _lived(job: Job, hold: Path) -> tuple[AsyncStack, dict[str, AsyncRun]]:
    """Its runs: applied, failed in the plan, failed in the apply, canceled in the middle."""
    name = job.platform.name("canary")
    commit = await job.push({"code/stackly.hcl": f'stack "{name}" {{\n}}\n', "code/main.tf": module()})
    stack = await job.stack(name, commit)
    mapped = {"user": "ann", "password": [MAPPED.value]}
    secret = {"api": Secret(API.value), "loose": Secret(LOOSE.value), "settings": Secret(mapped)}
    await stack.update(variables=secret)
    runs = {}
    for mode in ("apply", "plan", "fail", "cancel"):
        given = {"mode": mode, "pem": Secret(PEM.value), "hold": str(hold)}
        runs[mode] = run = await stack.deploy(auto_apply=True, variables=given)
        if mode == "cancel":
            await until(hold.exists, ENOUGH)
            await run.cancel(reason="enough")
        await job.ended(run)
    return await stack.refresh(), runs


async def _answers(
    platform: Platform, stack: AsyncStack, runs: dict[str, AsyncRun]
) -> AsyncIterator[tuple[str, bytes]]:
    paths = [f"{stack.name}{more}" for more in ("", "/runs", "/outputs", "/stateVersions")]
    for run in runs.values():
        paths += [
            f"{run.name}{more}" for more in ("", "/steps", "/plan", "/plan/resourceChanges", "/logs:tail", "/logs")
        ]
    account = stack.name.split("/stackStates")[0]
    paths += [f"{account}/events?pageSize=200", f"{account}/stackStates", f"{account}/stackCodes"]
    async with Rest(platform) as rest:
        for path in paths:
            answer = await rest._http.get(f"/v1/{path}")
            if answer.status_code != HTTPStatus.NOT_FOUND:  # a run that failed has no plan
                yield path, answer.content


@pytest.mark.flows
async def test_the_runs_ended_as_they_should_and_the_state_holds_every_secret(told: Told) -> None:
    assert {mode: run.status.name for mode, run in told.runs.items()} == {
        "apply": "APPLIED", "plan": "FAILED", "fail": "FAILED", "cancel": "CANCELED"
    }  # fmt: skip
    versions = [version.serial async for version in told.stack.state.versions()]
    for serial in (min(versions), max(versions)):
        state = await told.stack.state.export(serial)
        assert {hit.split(" ")[0] for hit in hits(state, ALL)} == {canary.name for canary in ALL}
    shown = await told.stack.outputs(include_sensitive=True)
    assert (shown["hidden"], shown["all"]["api"]) == (HIDDEN.value, API.value)  # type: ignore[index, call-overload]


@pytest.mark.flows
async def test_what_was_printed_is_masked_and_not_left_out(told: Told) -> None:
    logs = {mode: "".join([line async for line in run.logs(follow=False)]) for mode, run in told.runs.items()}
    assert "refused: (sensitive) (sensitive)" in logs["plan"]
    for mode in ("apply", "fail", "cancel"):
        assert logs[mode].count("(sensitive)") > 20, logs[mode]
    for mode in ("plan", "fail"):
        error = told.runs[mode].error
        assert error is not None
        assert "(sensitive)" in error.terraform_errors[0].detail


@pytest.mark.flows
async def test_no_answer_shows_a_secret(told: Told) -> None:
    assert len(told.answers) > 20
    assert found_in(told.answers, ALL) == set()


@pytest.mark.flows
async def test_no_file_and_no_row_holds_a_secret(platform: Platform, told: Told) -> None:
    seen = dict.fromkeys(where for where, _ in everywhere(platform))
    for part in (
        "temporal/temporal.db",
        "logs/serve.log",
        "blobs/",
        "worker/",
        "postgres/data/pg_wal/",
        "stackly.runs",
    ):
        assert any(part in where for where in seen), part
    assert found_in(everywhere(platform), ALL) == set()


@pytest.mark.flows
async def test_no_process_showed_a_secret(told: Told) -> None:
    assert {"terraform", "envoy", "temporal", "postgres"} <= told.watcher.programs, told.watcher.programs
    assert told.watcher.found == set()


@pytest.mark.flows
async def test_the_search_finds_what_is_planted(platform: Platform) -> None:
    planted = Canary("planted")
    data: dict[str, Any] = {"data": gzip.compress(planted.value.encode())}
    file = platform.home / "logs/planted"
    file.write_bytes(data["data"])
    for database in (DATABASE, OPENBAO):
        with connected(platform, database) as conn:
            conn.execute("CREATE TABLE planted (data bytea)")
            conn.execute("INSERT INTO planted VALUES (%(data)s)", data)
    found = {where for where, _ in found_in(everywhere(platform), [planted])}
    file.unlink()
    for database in (DATABASE, OPENBAO):
        with connected(platform, database) as conn:
            conn.execute("DROP TABLE planted")
    assert {f"{DATABASE}.planted", f"{OPENBAO}.planted", str(file)} <= found

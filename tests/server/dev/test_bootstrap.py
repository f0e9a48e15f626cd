"""Envoy's bootstrap as data: what is read from the descriptors, what is judged by Envoy itself, what is told of errors."""

import socket
from pathlib import Path

import pytest

from stackly_server.dev.envoy.__main__ import settings_from_json
from stackly_server.dev.envoy.bootstrap import bootstrap
from stackly_server.dev.envoy.edge_settings import Address
from stackly_server.dev.envoy.methods import public_methods
from stackly_server.dev.part import bring_up
from stackly_server.dev.parts.envoy import Envoy
from stackly_server.dev.parts.openbao import OpenBao
from stackly_server.dev.ports import free_ports
from stackly_server.dev.problems import PartFailed

DESCRIPTORS = Path(__file__).parents[3] / "gen/stackly/descriptors.binpb"


def test_what_the_descriptors_say() -> None:
    methods = public_methods(DESCRIPTORS.read_bytes())
    assert "stackly.v1.RunService" in methods.transcoded
    assert "/stackly.v1.RunService/TailRunLogs" in methods.streams
    assert "/stackly.worker.v1.RunnerService/WriteState" in methods.streams
    assert methods.grpc_only == ("stackly.worker.v1.RunnerService",)
    assert methods.webhook_rest_paths == ("/v1/webhooks/github",)
    assert not any("WorkerTaskService" in service or "Tasks" in service for service in methods.transcoded)


def test_a_descriptor_set_without_services_is_refused() -> None:
    with pytest.raises(ValueError, match="no public service"):
        public_methods(b"")


def test_envoy_itself_finds_the_bootstrap_valid(envoy: Envoy) -> None:
    envoy.validate()


def test_streams_have_no_time_limit_and_the_last_route_takes_the_rest(envoy: Envoy) -> None:
    document = bootstrap(envoy.settings, DESCRIPTORS.read_bytes())
    chain = document["static_resources"]["listeners"][0]["filter_chains"][0]
    routes = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    timeouts = {route["match"].get("path"): route["route"]["timeout"] for route in routes if "route" in route}
    assert timeouts["/stackly.v1.RunService/TailRunLogs"] == "0s"
    assert routes[-1]["direct_response"]["status"] == 404


def test_a_taken_port_is_told_with_the_end_of_the_log(envoy: Envoy, openbao: OpenBao, tmp_path: Path) -> None:
    ports = free_ports()
    with socket.create_server(("127.0.0.1", ports.public)):
        second = Envoy(
            openbao.home,
            ports,
            openbao,
            api_socket=tmp_path / "api.sock",
            descriptors=DESCRIPTORS,
            temporal=Address("127.0.0.1", ports.temporal),
            name="envoy-2",
        )
        with pytest.raises(PartFailed, match="another process holds its port"):
            bring_up(second)


def test_the_settings_of_a_deployment_give_a_bootstrap() -> None:
    root = Path(__file__).parents[3]
    settings = settings_from_json((root / "deploy/envoy/settings.json").read_text())
    document = bootstrap(settings, DESCRIPTORS.read_bytes())
    assert [listener["name"] for listener in document["static_resources"]["listeners"]] == ["public", "temporal_front"]
    assert [cluster["type"] for cluster in document["static_resources"]["clusters"]] == ["STATIC", "STRICT_DNS"]

"""Envoy loads the descriptors: every public service is there, with all that its messages need."""

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

DESCRIPTORS = Path(__file__).resolve().parents[2] / "gen/stackly/descriptors.binpb"
_HTTP = "type.googleapis.com/envoy.extensions.filters.http"


def services() -> list[str]:
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    return [f"{file.package}.{service.name}" for file in files for service in file.service]


def bootstrap(named: list[str]) -> dict[str, Any]:
    transcoder = {
        "@type": f"{_HTTP}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(DESCRIPTORS),
        "services": named,
        "convert_grpc_status": True,
    }
    router = {"@type": f"{_HTTP}.router.v3.Router"}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": []},
        "http_filters": [
            {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    listener = {
        "name": "public",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {"static_resources": {"listeners": [listener]}}


def validate(folder: Path, named: list[str]) -> subprocess.CompletedProcess[str]:
    config = folder / "envoy.json"
    config.write_text(json.dumps(bootstrap(named)))
    envoy = Path(sysconfig.get_path("scripts")) / "envoy"
    command = [str(envoy), "--mode", "validate", "--log-level", "error", "-c", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_envoy_loads_every_service(tmp_path: Path) -> None:
    assert "stackly.v1.RunService" in services()
    done = validate(tmp_path, services())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("missing", ["stackly.v1.NoSuchService"])
def test_envoy_refuses_a_service_that_is_not_there(tmp_path: Path, missing: str) -> None:
    assert validate(tmp_path, [missing]).returncode != 0


def test_the_types_of_error_details_are_there() -> None:
    names = {file.name for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file}
    assert {"google/rpc/error_details.proto", "google/rpc/status.proto", "google/api/httpbody.proto"} <= names

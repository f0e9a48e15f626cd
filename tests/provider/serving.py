"""The test provider for Terraform: in this process and reattached (fast), or installed in a mirror (as real ones are)."""

import contextlib
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from tf.gen import tfplugin_pb2_grpc
from tf.provider import ProviderServicer
from tf.runner import run_provider

from provider.cloud import Cloud
from provider.testcloud import ADDRESS, CALLING, TestCloud, at

REQUIRED = 'terraform {\n  required_providers {\n    testcloud = { source = "local/testcloud" }\n  }\n}\n'
_CLOUD, _START = "TESTCLOUD", "TESTCLOUD_START_SECONDS"


@contextlib.contextmanager
def reattached(cloud: Cloud, provider: TestCloud | None = None) -> Iterator[dict[str, str]]:
    """The variables of the environment with which Terraform finds a provider that lives in this process."""
    served = provider or TestCloud(cloud)
    pool = ThreadPoolExecutor(64)
    server = grpc.server(pool, interceptors=[_Peers()])
    tfplugin_pb2_grpc.add_ProviderServicer_to_server(ProviderServicer(served), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    told = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    try:
        # OpenTofu reads the same source as an address of its own registry
        names = (served.full_name(), served.full_name().replace("registry.terraform.io", "registry.opentofu.org"))
        yield {"TF_REATTACH_PROVIDERS": json.dumps(dict.fromkeys(names, told))}
    finally:
        server.stop(None).wait()
        pool.shutdown()


def installed(folder: Path, cloud: Cloud, start_seconds: float = 0.0) -> dict[str, str]:
    """A filesystem mirror with the provider; each start of it takes `start_seconds` more. The environment that finds it."""
    system = f"{platform.system().lower()}_{'arm64' if platform.machine() in {'arm64', 'aarch64'} else 'amd64'}"
    package = folder / "mirror" / ADDRESS / "1.0.0" / system
    package.mkdir(parents=True)
    program = package / "terraform-provider-testcloud_v1.0.0"
    environment = (
        f"PYTHONPATH={shlex.quote(str(Path(__file__).resolve().parents[1]))} {_CLOUD}={shlex.quote(str(cloud.path))}"
    )
    command = f"{shlex.quote(sys.executable)} -m provider.serving"
    program.write_text(f"#!/bin/sh\n{_START}={start_seconds} {environment} exec {command}\n")
    program.chmod(0o755)
    config = folder / "terraform.rc"
    mirror = f'filesystem_mirror {{ path = "{folder / "mirror"}" }}'
    config.write_text(f"provider_installation {{\n  {mirror}\n}}\n")
    return {"TF_CLI_CONFIG_FILE": str(config)}


class _Peers(grpc.ServerInterceptor):
    """Tells the provider which connection a call comes from."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or not handler.unary_unary:
            return handler
        behaviour = handler.unary_unary

        def told(request: Any, context: grpc.ServicerContext) -> Any:
            CALLING.peer = context.peer()
            return behaviour(request, context)

        return grpc.unary_unary_rpc_method_handler(told, handler.request_deserializer, handler.response_serializer)


def main() -> None:
    """One provider process, started by Terraform."""
    time.sleep(float(os.environ.get(_START, "0")))
    run_provider(at(Path(os.environ[_CLOUD])))


if __name__ == "__main__":
    main()

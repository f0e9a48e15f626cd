"""Temporal's own descriptors, taken from the SDK's generated code and kept in a file for Envoy."""

from importlib.metadata import version
from pathlib import Path


def temporal_descriptors(cache: Path) -> Path:
    """The file of Temporal's WorkflowService descriptor set for this SDK version; made at first use (half a second)."""
    file = cache / f"temporal-{version('temporalio')}.binpb"
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.write_bytes(_descriptor_set())
        fresh.replace(file)
    return file


def _descriptor_set() -> bytes:
    from google.protobuf import descriptor, descriptor_pb2
    from temporalio.api.workflowservice.v1 import service_pb2

    found = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()

    def add(file: descriptor.FileDescriptor) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        file.CopyToProto(found.file.add())

    add(service_pb2.DESCRIPTOR)
    return found.SerializeToString()

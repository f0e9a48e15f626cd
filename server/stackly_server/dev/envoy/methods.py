"""What Envoy must know of our methods, read from the descriptor set: services, streams, routes of webhooks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

_TRANSCODED_PACKAGES = ("stackly.v1", "stackly.ingress.v1")
_GRPC_ONLY_SERVICES = ("stackly.worker.v1.RunnerService",)  # a runner comes by gRPC through the public door
_VARIABLE = re.compile(r"\{[a-z_.]+(?:=([^}]*))?\}")
_WEBHOOKS = "stackly.ingress.v1.WebhookService"


@dataclass(frozen=True, slots=True)
class PublicMethods:
    """`streams` and `webhook_grpc_paths` are gRPC paths (/package.Service/Method), `webhook_rest_paths` HTTP paths.

    `stream_rest_patterns` are regular expressions of the whole HTTP path of a stream.
    """

    transcoded: tuple[str, ...]
    grpc_only: tuple[str, ...]
    streams: tuple[str, ...]
    webhook_grpc_paths: tuple[str, ...]
    webhook_rest_paths: tuple[str, ...]
    stream_rest_patterns: tuple[str, ...]


def public_methods(descriptor_set: bytes) -> PublicMethods:
    """Read a serialized FileDescriptorSet; ValueError when it holds no public service."""
    found = list(_methods(descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)))
    transcoded = sorted({service for package, service, _ in found if package in _TRANSCODED_PACKAGES})
    if not transcoded:
        raise ValueError("the descriptor set has no public service")
    public = [(service, method) for _, service, method in found if service in (*transcoded, *_GRPC_ONLY_SERVICES)]
    webhooks = [(service, method) for service, method in public if service == _WEBHOOKS]
    streams = [each for each in public if each[1].server_streaming or each[1].client_streaming]
    return PublicMethods(
        transcoded=tuple(transcoded),
        grpc_only=tuple(sorted({service for service, _ in public} - set(transcoded))),
        streams=tuple(sorted(_path(*each) for each in streams)),
        webhook_grpc_paths=tuple(_path(*each) for each in webhooks),
        webhook_rest_paths=tuple(rest for _, method in webhooks if (rest := _rest_path(method))),
        stream_rest_patterns=tuple(sorted(_pattern(rest) for _, method in streams if (rest := _rest_path(method)))),
    )


def _methods(
    files: descriptor_pb2.FileDescriptorSet,
) -> Iterator[tuple[str, str, descriptor_pb2.MethodDescriptorProto]]:
    for file in files.file:
        for service in file.service:
            for method in service.method:
                yield file.package, f"{file.package}.{service.name}", method


def _path(service: str, method: descriptor_pb2.MethodDescriptorProto) -> str:
    return f"/{service}/{method.name}"


def _rest_path(method: descriptor_pb2.MethodDescriptorProto) -> str:
    rule = method.options.Extensions[annotations_pb2.http]
    return str(rule.post or rule.get)


def _pattern(path: str) -> str:
    """`/v1/{name=accounts/*}:watch` as a regular expression."""
    plain = _VARIABLE.sub(lambda found: found[1] or "*", path)
    return re.escape(plain).replace(r"\*", "[^/]+")

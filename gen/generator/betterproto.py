"""Runs betterproto2's compiler over the public files: the messages of the SDK, without clients."""

import subprocess
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from generator.protoc import GenerationError, tool_environment

_FOREIGN = (
    "google/api/httpbody.proto",
    "google/protobuf/any.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)


def write(files: list[FileDescriptorProto], out: Path) -> None:
    """Writes one module for each package below `out`.

    The compiler writes every file it is shown, so it is shown the public ones and what they use, without options.
    """
    request = CodeGeneratorRequest(parameter="client_generation=none,server_generation=none")
    request.proto_file.extend(_without_options(file) for file in files if _is_public(file.name))
    request.file_to_generate.extend(file.name for file in request.proto_file)
    done = subprocess.run(
        ["protoc-gen-python_betterproto2"],
        input=request.SerializeToString(deterministic=True),
        env=tool_environment(),
        cwd=out,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise GenerationError(done.stderr.decode())
    response = CodeGeneratorResponse.FromString(done.stdout)
    if response.error:
        raise GenerationError(response.error)
    for file in response.file:
        path = out / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)


def _is_public(name: str) -> bool:
    return name.startswith("stackly/v1/") or name in _FOREIGN


def _without_options(file: FileDescriptorProto) -> FileDescriptorProto:
    bare = FileDescriptorProto.FromString(file.SerializeToString())
    kept = [name for name in bare.dependency if _is_public(name)]
    del bare.dependency[:]
    bare.dependency.extend(kept)
    bare.ClearField("public_dependency")
    bare.ClearField("weak_dependency")
    bare.source_code_info.SetInParent()  # the compiler asks for comments even where there are none
    return bare

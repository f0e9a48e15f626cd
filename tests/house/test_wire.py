"""House rules of the wire: each method has a whole rule and says who may call; the text reads like prose."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from generator.protoc import write_descriptors
from generator.reading import Method, Options, methods

ROOT = Path(__file__).resolve().parents[2]
CALLER = re.compile(r"(The caller must |[\w)] may call it)[^.]*(\.[a-z][^.]*)*\.$")  # in the last sentence
COMMENT_SHARE_LEAST = 0.38  # of the lines that are not blank; about 0.4 reads like prose
NEVER_SERVED = ("Tasks",)  # the methods are names of Temporal activities


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    found = write_descriptors(ROOT / "proto", tmp_path_factory.mktemp("wire") / "set.binpb")
    return [file for file in found if file.name.startswith("stackly/")]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    return Options(write_descriptors(ROOT / "proto", tmp_path_factory.mktemp("options") / "set.binpb"))


def served(files: list[FileDescriptorProto]) -> Iterator[Method]:
    return (method for method in methods(files) if method.service not in NEVER_SERVED)


def test_every_method_has_a_rule(files: list[FileDescriptorProto], options: Options) -> None:
    for method in served(files):
        rule = options.get(method.proto, "stackly.options.v1.rule")
        name = f"{method.service}.{method.proto.name}"
        assert rule.audience, f"{name} has no audience"
        assert rule.idempotency, f"{name} has no idempotency"
        assert rule.audit, f"{name} has no audit"


def test_a_resource_field_exists(files: list[FileDescriptorProto], options: Options) -> None:
    known = {f".{file.package}.{message.name}": message for file in files for message in file.message_type}
    for method in served(files):
        path = options.get(method.proto, "stackly.options.v1.rule").resource_field
        holder = known.get(method.proto.input_type)
        for step in path.split(".") if path else ():
            assert holder is not None, f"{method.service}.{method.proto.name}: {path} leads nowhere"
            found = [field for field in holder.field if field.name == step]
            assert found, f"{method.service}.{method.proto.name}: {path} is not in {holder.name}"
            holder = known.get(found[0].type_name)


def test_every_method_says_who_may_call(files: list[FileDescriptorProto]) -> None:
    silent = [f"{m.service}.{m.proto.name}: {m.comment}" for m in served(files) if not CALLER.search(m.comment)]
    assert not silent, "\n".join(silent)


def test_http_routes_do_not_collide(files: list[FileDescriptorProto], options: Options) -> None:
    routes: dict[tuple[str, str], str] = {}
    for method in methods(files):
        rule = options.get(method.proto, "google.api.http")
        for binding in (rule, *rule.additional_bindings):
            verb = binding.WhichOneof("pattern")
            if not verb:
                continue
            route = (verb, re.sub(r"\{[a-z_.]+=([^}]*)\}", r"\1", getattr(binding, verb)))
            assert route not in routes, f"{route}: {routes.get(route)} and {method.service}.{method.proto.name}"
            routes[route] = f"{method.service}.{method.proto.name}"


def test_the_wire_reads_like_prose() -> None:
    lines = [line.strip() for path in (ROOT / "proto").rglob("*.proto") for line in path.read_text().splitlines()]
    said = [line for line in lines if line]
    share = sum(line.startswith("//") for line in said) / len(said)
    assert share >= COMMENT_SHARE_LEAST, f"{share:.0%} of the lines are comments"

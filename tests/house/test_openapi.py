"""The OpenAPI document: whole references, one operation for each HTTP route, JSON as Envoy writes it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).resolve().parents[2] / "gen/stackly/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return loaded


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, verbs in document["paths"].items() for operation in verbs.values()]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {name.removeprefix("#/components/schemas/") for name in references(document)} <= set(schemas)


def test_operations_have_names_of_their_own_and_an_error(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all("default" in operation["responses"] for _, operation in operations(document))


def test_each_variable_of_a_path_is_declared_once(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        declared = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
        assert sorted(declared) == sorted(part.split("}")[0] for part in path.split("{")[1:]), path


def test_values_are_written_as_envoy_writes_them(document: dict[str, Any]) -> None:
    run = document["components"]["schemas"]["Run"]["properties"]
    assert run["createdAt"]["format"] == "date-time"
    streams = document["paths"]["/v1/accounts/{account}/events:watch"]["get"]["responses"]["200"]["content"]
    assert list(streams) == ["application/x-ndjson"]
    longs = [p for s in document["components"]["schemas"].values() for p in s.get("properties", {}).values()]
    assert all(p["type"] == "string" for p in longs if p.get("format") == "int64")

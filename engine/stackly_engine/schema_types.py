"""Types of resources from the schemas of their providers: what tells a set from a list in a plan document."""

from collections.abc import Iterator, Mapping
from typing import Any

_KINDS = {"resource_schemas": "managed", "data_source_schemas": "data"}
_NESTING = {"list": "list", "set": "set", "map": "map"}


def of_schemas(document: Mapping[str, Any]) -> dict[tuple[str, str, str], Any]:
    """(provider, mode, type) → the cty type as JSON, of the document of `terraform providers schema -json`."""
    return {
        (provider, mode, name): _block(schema.get("block") or {})
        for provider, schemas in (document.get("provider_schemas") or {}).items()
        for kind, mode in _KINDS.items()
        for name, schema in (schemas.get(kind) or {}).items()
    }


def _block(block: Mapping[str, Any]) -> Any:
    return ["object", dict(sorted([*_attributes(block), *_blocks(block)]))]


def _attributes(block: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, attribute in (block.get("attributes") or {}).items():
        nested = attribute.get("nested_type")
        yield name, attribute.get("type", "dynamic") if nested is None else _nested(nested, _block(nested))


def _blocks(block: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, inner in (block.get("block_types") or {}).items():
        yield name, _nested(inner, _block(inner.get("block") or {}))


def _nested(schema: Mapping[str, Any], inner: Any) -> Any:
    """`single` and `group` are the object itself."""
    form = _NESTING.get(schema.get("nesting_mode", "single"))
    return inner if form is None else [form, inner]

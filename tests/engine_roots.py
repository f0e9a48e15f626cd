"""Roots of files in memory as the engine's graphs, and the documents that go with them."""

import json
from collections.abc import Mapping
from typing import Any

from stackly_engine.configuration import Configuration, configure
from stackly_engine.graph import Graph, build


def configured(root: str, **modules: str) -> Configuration:
    """A root of one file whose calls `module "x" { source = "./x" }` find their code in the argument x."""
    files = {".": {"main.tf": root.encode()}} | {name: {"main.tf": code.encode()} for name, code in modules.items()}
    calls = [{"Key": "", "Source": "", "Dir": "."}]
    calls += [{"Key": name, "Source": f"./{name}", "Dir": name} for name in modules]
    return configure(files, json.dumps({"Modules": calls}).encode())


def graph_of(root: str, **modules: str) -> Graph:
    return build(configured(root, **modules))


def resource(address: str, *keys: str | int | None, **fields: Any) -> dict[str, Any]:
    """A resource of a state; `address` is `module.a["k"].t.n` or `data.t.n`, one instance per key."""
    *module, type_, name = address.rsplit(".", 2)
    mode = "managed"
    if module and (module[0] == "data" or module[0].endswith(".data")):
        mode, module = "data", [module[0].removesuffix("data").removesuffix(".")]
    found: dict[str, Any] = {"module": module[0]} if module and module[0] else {}
    found |= {"mode": mode, "type": type_, "name": name, "provider": 'provider["terraform.io/builtin/terraform"]'}
    instances = [({} if key is None else {"index_key": key}) | {"schema_version": 0, "attributes": {"id": f"{address}-{key}"}}
                 | fields for key in keys or (None,)]  # fmt: skip
    return found | {"instances": instances}


def state(*resources: Mapping[str, Any], **head: Any) -> dict[str, Any]:
    return {"version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "l", "outputs": {},
            "resources": [dict(item) for item in resources], "check_results": None} | head  # fmt: skip


def change(address: str, actions: str, **fields: Any) -> dict[str, Any]:
    """An item of `resource_changes`; `actions` as in "delete/create"; `deposed` and `previous_address` belong beside."""
    beside = {name: fields.pop(name) for name in ("deposed", "previous_address") if name in fields}
    empty = {"before": None, "after": None, "after_unknown": False, "before_sensitive": False, "after_sensitive": False}
    found = {"address": address, "mode": "managed", "type": "t", "name": "n", "provider_name": "p"}
    return found | beside | {"change": {"actions": actions.split("/")} | empty | fields}


def plan(*changes: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"format_version": "1.2", "complete": True, "errored": False, "resource_changes": list(changes)} | more

"""The test provider: `testcloud_thing`, `testcloud_find`; served by the package `tf`, without its classes above ours."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tf.schema import Attribute, Schema
from tf.types import List, Number, String, Unknown

from provider.cloud import Cloud, RefusedError, TaintedError

ADDRESS = "registry.terraform.io/local/testcloud"
State = dict[str, Any]

CALLING = threading.local()  # .peer: who calls in this thread; each configured provider has a connection of its own


@dataclass
class TestCloud:
    """One provider server. Configurations are told apart by their connections."""

    cloud: Cloud
    callers: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> str:
        """What the configuration of the calling provider says."""
        return self.callers.get(_peer(), "")

    def get_model_prefix(self) -> str:
        return "testcloud_"

    def full_name(self) -> str:
        return ADDRESS

    def get_provider_schema(self, _: Any) -> Any:
        return Schema(attributes=[Attribute("caller", String(), optional=True)], version=0)

    def validate_config(self, diagnostics: Any, config: State) -> None:
        """Everything may be configured."""

    def configure_provider(self, _: Any, config: State) -> None:
        caller = config.get("caller")
        self.callers[_peer()] = "(unknown)" if caller is Unknown else caller or ""
        self.cloud.configured(self.caller)

    def get_data_sources(self) -> list[Any]:
        return [Find]

    def get_resources(self) -> list[Any]:
        return [Thing]

    def new_resource(self, kind: Any) -> Any:
        return kind(self)

    def new_data_source(self, kind: Any) -> Any:
        return kind(self)


@dataclass(frozen=True)
class Thing:
    """`testcloud_thing`: `size` is changed in place, `force` by a new one; `refs` are ids that it uses."""

    provider: TestCloud

    @classmethod
    def get_name(cls) -> str:
        return "thing"

    @classmethod
    def get_schema(cls) -> Any:
        return Schema(
            version=0,
            attributes=[
                Attribute("id", String(), computed=True),
                Attribute("name", String(), required=True),
                Attribute("size", Number(), optional=True),
                Attribute("force", String(), optional=True, requires_replace=True),
                Attribute("refs", List(String()), optional=True),
                Attribute("delay", Number(), optional=True),  # seconds that each operation takes
                Attribute("fail", List(String()), optional=True),  # operations that fail, as `Cloud` says
                Attribute("out", String(), computed=True),  # changes with name and size
            ],
        )

    def validate(self, diagnostics: Any, type_name: str, config: State) -> None:
        """The schema says enough."""

    def plan(self, context: Any, current: State, planned: State) -> State:
        changed = context.changed_fields
        unknown = {"out"} if changed & {"name", "size"} else set()
        unknown |= {"id", "out"} if "force" in changed else set()
        return {**planned, **dict.fromkeys(unknown, Unknown)}

    def create(self, context: Any, wanted: State) -> State | None:
        try:
            made = self.provider.cloud.create(wanted, self.provider.caller)
        except RefusedError as error:
            context.diagnostics.add_error(str(error))
            return None
        except TaintedError as error:
            context.diagnostics.add_error(str(error))
            made = error.thing
        return {**wanted, "id": made, "out": _out(wanted)}

    def read(self, _: Any, current: State) -> State | None:
        found = self.provider.cloud.read(current["id"], self.provider.caller)
        return None if found is None else {**current, **found, "out": _out(found)}

    def update(self, context: Any, current: State, wanted: State) -> State:
        try:
            self.provider.cloud.update(current["id"], wanted, self.provider.caller)
        except RefusedError as error:
            context.diagnostics.add_error(str(error))
            return current
        return {**wanted, "id": current["id"], "out": _out(wanted)}

    def delete(self, context: Any, current: State) -> State | None:
        try:
            self.provider.cloud.delete(current["id"], current, self.provider.caller)
        except RefusedError as error:
            context.diagnostics.add_error(str(error))
            return current
        return None

    def import_(self, context: Any, thing: str) -> State | None:
        found = self.provider.cloud.read(thing, self.provider.caller)
        if found is None:
            context.diagnostics.add_error(f"there is no {thing}")
            return None
        return {**found, "id": thing, "delay": None, "fail": None, "out": _out(found)}

    def upgrade(self, _: Any, version: int, old: State) -> State:
        return old


@dataclass(frozen=True)
class Find:
    """`testcloud_find`: the ids of all things of a name."""

    provider: TestCloud

    @classmethod
    def get_name(cls) -> str:
        return "find"

    @classmethod
    def get_schema(cls) -> Any:
        attributes = [Attribute("name", String(), required=True), Attribute("ids", List(String()), computed=True)]
        return Schema(version=0, attributes=attributes)

    def validate(self, diagnostics: Any, type_name: str, config: State) -> None:
        """The schema says enough."""

    def read(self, _: Any, config: State) -> State:
        return {"name": config["name"], "ids": self.provider.cloud.find(config["name"], self.provider.caller)}


def at(path: Path) -> TestCloud:
    return TestCloud(Cloud(path))


def _peer() -> str:
    return getattr(CALLING, "peer", "")


def _out(of: State) -> str:
    size = of["size"]
    return f"{of['name']}:" if size is None else f"{of['name']}:{float(size):g}"

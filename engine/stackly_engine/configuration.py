"""The tree of modules below a root: which directory each call runs, what it hands on, which providers it really uses."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from stackly_engine import exact
from stackly_engine.exact import FormatError
from stackly_engine.literals import word
from stackly_engine.providers import ModuleProviders, Use, outside, passed, through
from stackly_engine.soundness import reasons
from stackly_engine.source import Kind, Module, Node, Product, Whole, read_module

ROOT = ""
"""The key of the root module."""


@dataclass(frozen=True)
class Call:
    """One entry of `.terraform/modules/modules.json`; `key` is "" for the root, "app.db" for a call inside `app`."""

    key: str
    source: str
    version: str
    directory: str

    @property
    def parent(self) -> str:
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]


def calls(modules_json: bytes) -> tuple[Call, ...]:
    """The entries of modules.json sorted by key; FormatError when it is no such document."""
    try:
        entries = exact.loads(modules_json)["Modules"]
        found = [Call(entry["Key"], entry["Source"], entry.get("Version", ""), entry["Dir"]) for entry in entries]
    except (AttributeError, KeyError, TypeError):
        raise FormatError("modules.json has no list of modules with Key, Source and Dir") from None
    return tuple(sorted(found, key=lambda call: call.key))


@dataclass(frozen=True)
class Configuration:
    """A root and all modules below it. `calls` and `modules` are by key; `whole` says why the root must run whole."""

    root: Module
    calls: Mapping[str, Call]
    modules: Mapping[str, Module]
    whole: tuple[Whole, ...]
    product: Product = Product.TERRAFORM

    def providers(self, key: str) -> frozenset[str]:
        """The provider nodes of the root that resources below a call really use: `provider.aws.west`.

        None for a call that is not there or not installed (the root then runs whole).
        """
        if key not in self.modules:
            return frozenset()
        uses = self._uses[key]
        while key:
            uses = outside(uses - self._held[key], self._given[key])
            key = self.calls[key].parent
        return self._nodes_of(uses)

    def configures(self, key: str) -> bool:
        """Whether a called module, or one below it, has a provider block of its own, with settings from its inputs."""
        return key in self._configuring

    @cached_property
    def _configuring(self) -> frozenset[str]:
        parts = [key.split(".") for key, held in self._held.items() if held]
        return frozenset(".".join(names[: number + 1]) for names in parts for number in range(len(names)))

    def resource_providers(self, address: str) -> frozenset[str]:
        """The provider nodes of the root that a resource, data source or check of the root uses."""
        node = self.root.nodes[address]
        return self._nodes_of(frozenset(self._about[ROOT].used_by(node)))

    def passed(self, address: str) -> frozenset[str]:
        """The provider nodes that a call of the root names in `providers`: they stay wherever the call stays."""
        names = passed(self.root.nodes[address].block)
        return self._nodes_of(frozenset(self._about[ROOT].resolve(outer) for _, outer in names))

    def ephemeral_outputs(self, key: str) -> frozenset[str]:
        """The outputs of a called module whose values last no longer than a run."""
        return self._ephemeral_outputs.get(key, frozenset())

    @cached_property
    def _ephemeral_outputs(self) -> Mapping[str, frozenset[str]]:
        distinct = {id(module): module for module in self.modules.values()}
        found = {number: _ephemeral_outputs(module) for number, module in distinct.items()}
        return {key: found[id(module)] for key, module in self.modules.items()}

    @cached_property
    def _about(self) -> Mapping[str, ModuleProviders]:
        known: dict[int, ModuleProviders] = {}
        return {
            key: known.setdefault(id(module), ModuleProviders(module, self.product))
            for key, module in self.modules.items()
        }

    @cached_property
    def _uses(self) -> Mapping[str, frozenset[Use]]:
        """For each key the configurations that it and everything below it use, in its own names."""
        uses = {key: about.own for key, about in self._about.items()}
        for key in sorted(self.modules, key=lambda key: (-key.count("."), key)):
            if key:
                uses[self.calls[key].parent] |= outside(uses[key] - self._held[key], self._given[key])
        return uses

    @cached_property
    def _held(self) -> Mapping[str, frozenset[Use]]:
        """For each call the configurations that the module makes itself; a block of what is passed stands for that."""
        return {
            key: frozenset(use for use, _ in self._about[key].configured()) - self._given[key].keys()
            for key in self.calls
            if key
        }

    @cached_property
    def _given(self) -> Mapping[str, Mapping[Use, Use]]:
        """For each call how configurations inside are named outside, where `providers` says so."""
        found: dict[str, Mapping[Use, Use]] = {}
        for key, call in self.calls.items():
            if key:
                block = self.modules[call.parent].nodes[f"module.{call.name}"].block
                found[key] = through(block, self._about[key], self._about[call.parent])
        return found

    def provider_nodes(self, use: Use) -> tuple[str, ...]:
        """The provider nodes of the root that are one configuration: (provider address, alias or "")."""
        return self._configured.get(use, ())

    def _nodes_of(self, uses: frozenset[Use]) -> frozenset[str]:
        return frozenset(address for use in uses for address in self.provider_nodes(use))

    @cached_property
    def _configured(self) -> Mapping[Use, tuple[str, ...]]:
        found: dict[Use, tuple[str, ...]] = {}
        for use, node in self._about[ROOT].configured():
            found[use] = (*found.get(use, ()), node.address)
        return found


def configure(
    files_of: Mapping[str, Mapping[str, bytes]],
    modules_json: bytes,
    product: Product = Product.TERRAFORM,
    read: Callable[[Mapping[str, bytes], Product], Module] = read_module,
) -> Configuration:
    """The configuration of the root and modules that modules.json names; `files_of` by its directories, then by name.

    `read` gives what `read_module` does: whoever remembers what it gave need not ask again.
    """
    entries = {call.key: call for call in calls(modules_json)}
    entries.setdefault(ROOT, Call(ROOT, "", "", "."))
    parsed: dict[tuple[tuple[str, bytes], ...], Module] = {}
    modules: dict[str, Module] = {}
    for key, call in _reached(entries):
        files = files_of.get(call.directory)
        parent = modules.get(call.parent) if key else None
        if files is None or (key and (parent is None or f"module.{call.name}" not in parent.nodes)):
            continue
        known = tuple(sorted(files.items()))
        if known not in parsed:
            parsed[known] = read(files, product)
        modules[key] = parsed[known]
    root = modules.setdefault(ROOT, read_module({}, product))
    kept = {key: entries[key] for key in modules}
    directories = {key: call.directory for key, call in kept.items()}
    return Configuration(root, kept, modules, tuple(reasons(modules, directories, product)), product)


def _reached(entries: Mapping[str, Call]) -> Iterator[tuple[str, Call]]:
    """Callers before what they call: a stale entry below a call that is gone is then never reached."""
    yield from sorted(entries.items(), key=lambda entry: (entry[0].count(".") if entry[0] else -1, entry[0]))


def _ephemeral_outputs(module: Module) -> frozenset[str]:
    nodes = module.nodes.values()
    return frozenset(node.block.labels[0] for node in nodes if node.kind is Kind.OUTPUT and _ephemeral(node))


def _ephemeral(node: Node) -> bool:
    return word(node.block.attributes.get("ephemeral")) not in {"", "false"}

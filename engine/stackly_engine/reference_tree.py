"""Terraform's reference graph of a whole module tree, as its plan has it: the nodes of every module, and their edges.

A node is named by its module's path and its address there: `module.app.aws_x.y`, `module.app.var.size`. Each called module
has two more: `module.app.(expand)`, which all that is in it waits for, and `module.app.(close)`, which waits for all in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from stackly_engine.addresses import indexless
from stackly_engine.configuration import ROOT, Configuration
from stackly_engine.literals import word
from stackly_engine.providers import ModuleProviders, Use, through
from stackly_engine.source import Kind, Module, Node, is_conditional
from stackly_engine.syntax import Attribute, Block, Reference

_RESOURCES = frozenset({Kind.RESOURCE, Kind.DATA, Kind.EPHEMERAL})
_NO_NODES = frozenset({Kind.TERRAFORM, Kind.MOVED, Kind.REMOVED, Kind.IMPORT})
_EXPANDING = frozenset({"count", "for_each", "depends_on"})
_NO_INPUTS = frozenset({"source", "version", "providers"})


@dataclass(frozen=True)
class ReferenceTree:
    """`edges` from each node to what it waits for; `managed` and `resources` (data and ephemeral ones too) by name.

    `before_destroy` are the managed resources with `create_before_destroy = true` in their own code, `conditional` the
    data sources with conditions.
    """

    edges: Mapping[str, frozenset[str]]
    resources: frozenset[str]
    managed: frozenset[str]
    before_destroy: frozenset[str]
    conditional: frozenset[str] = frozenset()


def reference_tree(configuration: Configuration, *, imports: bool = True) -> ReferenceTree:
    """The graph of a configuration; what is named but not declared has a node without edges.

    Without `imports` it is that of an apply, from which Terraform takes what it writes down as dependencies.
    """
    edges: dict[str, set[str]] = {}
    resources: dict[str, Node] = {}
    scopes = scopes_of(configuration)
    for scope in scopes.values():
        for name, needed in scope.steps():
            edges.setdefault(name, set()).update(needed)
        resources.update(scope.resources())
    for name, needed in _imports(scopes[ROOT]) if imports else ():
        if name in resources:
            edges[name].update(needed)
    for name in {target for needed in edges.values() for target in needed} - edges.keys():
        edges[name] = set()
    managed = {name for name, node in resources.items() if node.kind is Kind.RESOURCE}
    return ReferenceTree(
        {name: frozenset(needed) for name, needed in edges.items()},
        frozenset(resources),
        frozenset(managed),
        frozenset(name for name in managed if created_before_destroy(resources[name].block)),
        frozenset(name for name, node in resources.items() if is_conditional(node)),
    )


def node_of(address: str, reference: Reference) -> str:
    """The node that a reference to a node of its own module leads to: of a called module one output, or all that is in it."""
    if not address.startswith("module."):
        return address
    behind = "(close)" if reference.output is None else f"output.{reference.output}"
    return f"{address}.{behind}"


def prefix_of(key: str) -> str:
    """How addresses below a call begin: "app.db" → `module.app.module.db.`, "" → nothing."""
    return "".join(f"module.{name}." for name in key.split(".")) if key else ""


@dataclass(frozen=True)
class Scope:
    """One module of the tree at its place; `given` maps its provider configurations to those of the caller."""

    key: str
    module: Module
    providers: ModuleProviders
    given: Mapping[Use, Use]
    parent: "Scope | None"

    @cached_property
    def prefix(self) -> str:
        return prefix_of(self.key)

    @cached_property
    def expand(self) -> frozenset[str]:
        """What all in this module waits for."""
        return frozenset({f"{self.prefix}(expand)"} if self.key else ())

    def steps(self) -> Iterator[tuple[str, Iterable[str]]]:
        """Each node with what it waits for; a node may come more than once."""
        inside: list[str] = []
        for address, node in self.module.nodes.items():
            if node.kind is Kind.MODULE:
                yield from self._call(node)
                inside.append(f"{self.prefix}{address}.(close)")
            elif node.kind not in _NO_NODES:
                yield self.prefix + address, self._waits(node)
                inside.append(self.prefix + address)
        for address in self._inside_checks():
            yield address, self.expand
            inside.append(address)
        if self.key:
            yield f"{self.prefix}(close)", (*inside, *self.expand)

    def resources(self) -> Iterator[tuple[str, Node]]:
        for address, node in self.module.nodes.items():
            if node.kind in _RESOURCES:
                yield self.prefix + address, node

    def configured(self, use: Use) -> str | None:
        """The node of the provider block that a configuration comes from: passed on, of this module, or inherited."""
        if use in self.given and self.parent is not None:
            return self.parent.configured(self.given[use])
        if use in self._blocks:
            return self.prefix + self._blocks[use]
        return self.parent.configured(use) if self.parent is not None and not use[1] else None

    def targets(self, references: Iterable[Reference]) -> set[str]:
        return {self._target(*found, reference) for reference in references if (found := self.module.target(reference))}

    def _target(self, address: str, _taken: int, reference: Reference) -> str:
        return self.prefix + node_of(address, reference)

    def _waits(self, node: Node) -> set[str]:
        found = {self._target(address, taken, reference) for address, reference, taken in node.targets}
        for use in self.providers.used_by(node):
            provider = self.configured(use)
            if provider is not None:
                found.add(provider)
        if node.kind is Kind.CHECK:
            found |= {self.prefix + name for name in _nested(node.block)}
        return found | self.expand

    def _call(self, node: Node) -> Iterator[tuple[str, Iterable[str]]]:
        inner = f"{self.prefix}{node.address}."
        expanding = [self.targets(attribute.references) for _, attribute in _meta(node.block)]
        yield f"{inner}(expand)", self.expand.union(*expanding)
        for name, attribute in node.block.attributes.items():
            if name not in _EXPANDING | _NO_INPUTS:
                yield f"{inner}var.{name}", self.targets(attribute.references)

    def _inside_checks(self) -> Iterator[str]:
        for node in self.module.nodes.values():
            if node.kind is Kind.CHECK:
                yield from (self.prefix + name for name in _nested(node.block))

    @cached_property
    def _blocks(self) -> Mapping[Use, str]:
        return {use: node.address for use, node in self.providers.configured()}


def _meta(block: Block) -> Iterator[tuple[Block, Attribute]]:
    """The attributes of a call that decide about its instances: count, for_each, depends_on, and OpenTofu's lifecycle."""
    for inner, attribute in block.walk():
        if attribute.name in _EXPANDING if inner is block else inner.type == "lifecycle":
            yield inner, attribute


def _nested(check: Block) -> Iterator[str]:
    """The addresses of the data sources inside a check."""
    return (f"data.{'.'.join(block.labels)}" for block in check.blocks if block.type == Kind.DATA)


def _imports(root: Scope) -> Iterator[tuple[str, set[str]]]:
    """What the resources that import blocks are for wait for because of them."""
    for node in root.module.nodes.values():
        if node.kind is Kind.IMPORT and "to" in node.block.attributes:
            yield indexless(node.block.attributes["to"].text), root.targets(node.references)


def created_before_destroy(block: Block) -> bool:
    """Whether the code of a resource says so itself, in words that need no reckoning."""
    settings = (inner.attributes.get("create_before_destroy") for inner in block.blocks if inner.type == "lifecycle")
    return any(word(setting) == "true" for setting in settings if setting is not None)


def scopes_of(configuration: Configuration) -> dict[str, Scope]:
    """By key, callers first."""
    known: dict[int, ModuleProviders] = {}
    scopes: dict[str, Scope] = {}
    for key in sorted(configuration.modules, key=lambda key: (key.count(".") if key else -1, key)):
        module = configuration.modules[key]
        providers = known.setdefault(id(module), ModuleProviders(module, configuration.product))
        parent, given = None, {}
        if key:
            call = configuration.calls[key]
            parent = scopes[call.parent]
            given = dict(through(parent.module.nodes[f"module.{call.name}"].block, providers, parent.providers))
        scopes[key] = Scope(key, module, providers, given, parent)
    return scopes

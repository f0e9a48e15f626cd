"""Which provider configurations a module uses, by provider address: names differ between modules, addresses do not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from stackly_engine.literals import pairs, plain, word
from stackly_engine.references import parts_of
from stackly_engine.source import Kind, Module, Node, Product
from stackly_engine.syntax import Attribute, Block

Use = tuple[str, str]
"""(provider address, alias or ""): one configuration as seen inside one module."""

_HOSTS = {Product.TERRAFORM: "registry.terraform.io", Product.TOFU: "registry.opentofu.org"}
_BUILTIN = "terraform.io/builtin/terraform"
_USING = frozenset({Kind.RESOURCE, Kind.DATA, Kind.EPHEMERAL})


@dataclass(frozen=True)
class ModuleProviders:
    """What one module says about providers, in its own names."""

    module: Module
    product: Product

    @cached_property
    def own(self) -> frozenset[Use]:
        """The configurations that the module's own resources use."""
        return frozenset(use for node in self.module.nodes.values() for use in self.used_by(node))

    def used_by(self, node: Node) -> Iterator[Use]:
        """The configuration of a resource, data source or ephemeral resource; for a check those of its data sources."""
        blocks = node.block.blocks if node.kind is Kind.CHECK else (node.block,) if node.kind in _USING else ()
        for block in blocks:
            if block.labels:
                named = block.attributes.get("provider")
                yield self.resolve(named.text if named is not None else block.labels[0].split("_", 1)[0])

    def resolve(self, text: str) -> Use:
        """`aws.west`, also quoted or with an index → (provider address, "west")."""
        name, *alias = parts_of(plain(text)) or ("",)
        return self.address(name), alias[0] if alias else ""

    def address(self, name: str) -> str:
        """The provider address of a local name."""
        return self._required.get(name) or self._full(f"hashicorp/{name}" if name != "terraform" else _BUILTIN)

    def configured(self) -> Iterator[tuple[Use, Node]]:
        """Each provider block with the configuration it is."""
        for node in self.module.nodes.values():
            if node.kind is Kind.PROVIDER:
                yield (self.address(node.block.labels[0]), word(node.block.attributes.get("alias"))), node

    @cached_property
    def _required(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for block in _requirements(self.module):
            for attribute in block.attributes.values():
                source = dict(pairs(attribute.text)).get("source")
                if source is not None:
                    found[attribute.name] = self._full(plain(source))
        return found

    def _full(self, source: str) -> str:
        parts = [part.lower() for part in source.split("/")]
        whole = [_HOSTS[self.product], "hashicorp"]
        return "/".join(whole[: 3 - len(parts)] + parts)


def passed(call: Block) -> tuple[tuple[str, str], ...]:
    """The `providers` map of a module call: (name in the called module, name in the calling one) as written."""
    attribute: Attribute | None = call.attributes.get("providers")
    return () if attribute is None else pairs(attribute.text)


def through(call: Block, inner: ModuleProviders, outer: ModuleProviders) -> Mapping[Use, Use]:
    """How configurations of a called module are named in the calling one, where `providers` says so."""
    return {inner.resolve(child): outer.resolve(parent) for child, parent in passed(call)}


def outside(uses: frozenset[Use], given: Mapping[Use, Use]) -> frozenset[Use]:
    """The calling module's configurations behind those of a called one: passed, else inherited when without alias."""
    return frozenset(given.get(use, use) for use in uses if use in given or not use[1])


def _requirements(module: Module) -> Iterator[Block]:
    for node in module.nodes.values():
        if node.kind is Kind.TERRAFORM:
            yield from (block for block in node.block.blocks if block.type == "required_providers")

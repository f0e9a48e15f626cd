"""Why a root must run whole: what its modules say together, beyond what each of them says alone."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stackly_engine.providers import ModuleProviders, passed
from stackly_engine.source import Kind, Module, Node, Product, Whole

ROOT = ""


def reasons(modules: Mapping[str, Module], product: Product) -> Iterator[Whole]:
    """All reasons, the root's own first, then by key."""
    for key in sorted(modules):
        module = modules[key]
        yield from _of_module(key, module)
        yield from _calls(key, modules)
        if key == ROOT:
            yield from _json(module)
            yield from _aliases(module, product)


def _of_module(key: str, module: Module) -> Iterator[Whole]:
    for reason in module.whole:
        yield reason if key == ROOT else replace(reason, detail=f"module.{key}: {reason.detail}")


def _json(root: Module) -> Iterator[Whole]:
    for name in root.files:
        if name.endswith(".json"):
            yield Whole("json-files", "a file in JSON is not cut", name)


def _calls(key: str, modules: Mapping[str, Module]) -> Iterator[Whole]:
    module = modules[key]
    for node in module.nodes.values():
        if node.kind is Kind.MODULE:
            child = modules.get(_below(key, node.block.labels[0]))
            if child is None:
                yield _at(module, node, node.span.start, "invalid", f"{node.address} is not installed")
            else:
                yield from _own_providers(node, child)
        yield from _outputs(key, module, node, modules)


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _own_providers(call: Node, child: Module) -> Iterator[Whole]:
    given = {name for name, _ in passed(call.block)}
    for node in child.nodes.values():
        if node.kind is Kind.PROVIDER and node.address.removeprefix("provider.") not in given:
            yield _at(child, node, node.span.start, "legacy-provider-in-module", f"{call.address} has {node.address}")


def _outputs(key: str, module: Module, node: Node, modules: Mapping[str, Module]) -> Iterator[Whole]:
    for address, reference, _ in node.targets:
        child = modules.get(_below(key, reference.parts[1])) if reference.output is not None else None
        if child is not None and not child.whole and f"output.{reference.output}" not in child.nodes:
            yield _at(module, node, reference.start, "invalid", f"{address} has no output {reference.output}")


def _aliases(root: Module, product: Product) -> Iterator[Whole]:
    """A resource of the root names a configuration that no block is."""
    about = ModuleProviders(root, product)
    known = {use for use, _ in about.configured()}
    for node in root.nodes.values():
        for use in about.used_by(node):
            if use[1] and use not in known:
                yield _at(
                    root, node, node.span.start, "invalid", f"provider {use[1]} of {node.address} is not declared"
                )


def _at(module: Module, node: Node, offset: int, code: str, detail: str) -> Whole:
    return Whole(code, detail, node.block.file, module.files[node.block.file].line(offset))

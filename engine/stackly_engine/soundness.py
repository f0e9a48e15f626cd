"""Why a root must run whole: what its modules say together, beyond what each of them says alone."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stackly_engine.providers import ModuleProviders
from stackly_engine.remote_state import reads_itself
from stackly_engine.source import Kind, Module, Node, Product, Whole, named_by

ROOT = ""


def reasons(modules: Mapping[str, Module], directories: Mapping[str, str], product: Product) -> Iterator[Whole]:
    """All reasons, the root's own first, then by key; files of called modules are named with their directory."""
    for whole in _of_root(modules[ROOT], product):
        yield whole
    for key in sorted(modules):
        for whole in _of_module(key, modules):
            yield whole if key == ROOT else _placed(whole, key, directories[key])
    yield from reads_itself(modules)


def _placed(whole: Whole, key: str, directory: str) -> Whole:
    return replace(whole, detail=f"in module {key}: {whole.detail}", file=f"{directory}/{whole.file}")


def _of_root(root: Module, product: Product) -> Iterator[Whole]:
    for name in root.files:
        if name.endswith(".json"):
            yield Whole("json-files", "a file in JSON is not cut", name)
    if not root.whole:  # else nodes may be missing for another reason
        yield from _undeclared(root)
    about = ModuleProviders(root, product)
    known = {use for use, _ in about.configured()}
    for node in root.nodes.values():
        for use in about.used_by(node):
            if use[1] and use not in known:
                yield _at(root, node, node.span.start, "invalid", f"{node.address} uses a provider without a block")


def _undeclared(root: Module) -> Iterator[Whole]:
    """References to nothing: Terraform's own message is wanted. Called modules are never cut, so theirs do not matter."""
    for node in root.nodes.values():
        inside = {f"data.{'.'.join(block.labels)}" for block in node.block.blocks if node.kind is Kind.CHECK}
        for reference in node.references:
            named = named_by(reference)
            if named is not None and named[0] not in root.nodes and named[0] not in inside:
                yield _at(root, node, reference.start, "invalid", f"{named[0]} is not declared")


def _of_module(key: str, modules: Mapping[str, Module]) -> Iterator[Whole]:
    module = modules[key]
    yield from module.whole
    for node in module.nodes.values():
        if node.kind is Kind.MODULE and _below(key, node.block.labels[0]) not in modules:
            yield _at(module, node, node.span.start, "invalid", f"{node.address} is not installed")
        if key == ROOT:
            yield from _outputs(node, modules)


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _outputs(node: Node, modules: Mapping[str, Module]) -> Iterator[Whole]:
    """References of the root to outputs, or by keys, that the called module does not have."""
    for address, reference, taken in node.targets:
        child = modules.get(reference.parts[1]) if reference.output is not None else None
        if child is not None and not child.whole and f"output.{reference.output}" not in child.nodes:
            yield _at(modules[ROOT], node, reference.start, "invalid", f"{address} has no output {reference.output}")
        elif child is not None and len(reference.parts) == taken and not _repeated(modules[ROOT].nodes[address]):
            yield _at(modules[ROOT], node, reference.start, "invalid", f"{address} has no count or for_each")


def _repeated(call: Node) -> bool:
    return bool(call.block.attributes.keys() & {"count", "for_each"})


def _at(module: Module, node: Node, offset: int, code: str, detail: str) -> Whole:
    return Whole(code, detail, node.block.file, module.files[node.block.file].line(offset))

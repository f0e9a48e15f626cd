"""A key of Terraform's reference graph, told from the modules without making the graph: most runs need no more of it."""

import hashlib
from collections.abc import Collection, Iterator

from stackly_engine.configuration import ROOT, Configuration
from stackly_engine.providers import ModuleProviders
from stackly_engine.reference_tree import Scope, created_before_destroy, scopes_of
from stackly_engine.source import Kind, is_conditional


def key_of(configuration: Configuration) -> str:
    """A digest of all that `reference_tree` (without imports) makes something of: of equal keys are equal graphs.

    What a module says is told once, however often it is called.
    """
    said: dict[int, str] = {}
    digest = hashlib.sha256()
    for key, scope in scopes_of(configuration).items():
        number = id(scope.module)
        if number not in said:
            said[number] = _digest(_said(scope.providers))
        digest.update(repr((key, said[number], sorted(scope.given.items()))).encode() + b"\n")
    return digest.hexdigest()


def declared_resources(configuration: Configuration, names: Collection[str]) -> frozenset[str]:
    """Those of these addresses, all parts with their modules and no keys, that are managed resources of the code."""
    found = set()
    for name in names:
        *calls, address = _parts(name)
        module = configuration.modules.get(".".join(calls))
        node = None if module is None else module.nodes.get(address)
        if node is not None and node.kind is Kind.RESOURCE:
            found.add(name)
    return frozenset(found)


def _said(providers: ModuleProviders) -> Iterator[object]:
    """What one module adds to the graph wherever it is called: the steps that it has as a root, in its own names."""
    scope = Scope(ROOT, providers.module, providers, {}, None)
    yield from ((name, sorted(needed)) for name, needed in scope.steps())
    for address, node in providers.module.nodes.items():
        # whose configuration that is, here or outside, depends on the caller
        yield address, node.kind.value, sorted(providers.used_by(node))
        if node.kind is Kind.RESOURCE:
            yield created_before_destroy(node.block)
        yield is_conditional(node)
    yield sorted((use, node.address) for use, node in providers.configured())


def _digest(said: Iterator[object]) -> str:
    digest = hashlib.sha256()
    for one in said:
        digest.update(repr(one).encode() + b"\n")
    return digest.hexdigest()


def _parts(name: str) -> Iterator[str]:
    """`module.a.module.b.t.n` → "a", "b", "t.n"."""
    while name.startswith("module.") and name.count(".") > 1:
        _, call, name = name.split(".", 2)
        yield call
    yield name

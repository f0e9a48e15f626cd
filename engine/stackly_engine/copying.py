"""Data sources that are copied: tokens of minutes that provider blocks read are read anew by each batch that needs them."""

from collections.abc import Iterable, Iterator, Mapping

from stackly_engine import ordering
from stackly_engine.configuration import Configuration
from stackly_engine.edges import PASSING, Edges
from stackly_engine.impure import CREDENTIALS
from stackly_engine.source import Kind


def copies_of(edges: Edges) -> dict[str, frozenset[str]]:
    """For each provider block the credential data sources that it comes to, also by way of another of them.

    A batch with the block holds copies of these. Only the unit that declares one keeps it in the state; what it reads
    itself is handed over as to any other node. Providers that read none are left out.
    """
    tokens = _tokens(edges)
    if not tokens:
        return {}
    found = {
        name: _reached(edges, name, tokens, PASSING) for name, node in edges.nodes.items() if node.kind is Kind.PROVIDER
    }
    return {name: reached for name, reached in sorted(found.items()) if reached}


def handed_to(edges: Edges, calls: Iterable[str]) -> Iterator[frozenset[str]]:
    """Each module call with the credential data sources that it comes to by its inputs, not by provider blocks."""
    tokens = _tokens(edges)
    for call in calls if tokens else ():
        yield _reached(edges, call, tokens, PASSING - {Kind.PROVIDER}) | {call}


def made_by_modules(configuration: Configuration, edges: Edges) -> Iterator[frozenset[str]]:
    """Each module whose outputs hold a token that a provider block reads, with the users of that block.

    Such a data source cannot be copied alone, and a recorded token would be out of date: they run together.
    """
    calls = [name for name, node in edges.nodes.items() if node.kind is Kind.MODULE]
    outputs = {call: _token_outputs(configuration, call.removeprefix("module.")) for call in calls}
    if not any(outputs.values()):
        return
    users, passing = edges.users(), _passing(edges)
    for name in (name for name in passing if edges.nodes[name].kind is Kind.PROVIDER):
        for read in (read for address in ordering.reachable(passing, [name]) | {name} for read in edges.reads[address]):
            found = outputs.get(read.target)
            if found and (read.attribute is None or read.attribute in found):
                yield users[name] | {read.target}


def _passing(edges: Edges) -> dict[str, set[str]]:
    passing = {name for name, node in edges.nodes.items() if node.kind in PASSING}
    return {name: {read.target for read in edges.reads[name]} & passing for name in passing}


def _token_outputs(configuration: Configuration, key: str) -> frozenset[str]:
    """The outputs of a called module that come to a credential data source in it, or in one that it calls."""
    module = configuration.modules.get(key)
    return frozenset(
        name.removeprefix("output.")
        for name, node in (module.nodes.items() if module is not None else ())
        if node.kind is Kind.OUTPUT and _holds_token(configuration, key, name)
    )


def _holds_token(configuration: Configuration, key: str, output: str) -> bool:
    nodes = configuration.modules[key].nodes
    seen, waiting = {output}, [output]
    while waiting:
        for target, reference, _ in nodes[waiting.pop()].targets:
            node = nodes[target]
            if node.kind is Kind.DATA and node.block.labels[0] in CREDENTIALS:
                return True
            if node.kind is Kind.MODULE:
                inner = _token_outputs(configuration, f"{key}.{node.block.labels[0]}")
                if inner and (reference.output is None or reference.output in inner):
                    return True
            if node.kind is Kind.LOCAL and target not in seen:
                seen.add(target)
                waiting.append(target)
    return False


def users_of(edges: Edges, copies: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """For each copied data source the real nodes (and `outputs`) whose batches hold a copy of it."""
    users = edges.users() if copies else {}
    copied = frozenset[str]().union(*copies.values())
    return {
        name: frozenset[str]().union(*(users[provider] for provider, those in copies.items() if name in those))
        for name in sorted(copied)
    }


def _tokens(edges: Edges) -> frozenset[str]:
    return frozenset(
        name
        for name, node in edges.nodes.items()
        if node.kind is Kind.DATA and node.block.labels[0] in CREDENTIALS and name in edges.direct
    )


def _reached(edges: Edges, start: str, tokens: frozenset[str], through: frozenset[Kind]) -> frozenset[str]:
    passed, waiting = {start}, [start]
    while waiting:
        for read in edges.reads[waiting.pop()]:
            if read.target not in passed and (read.target in tokens or edges.nodes[read.target].kind in through):
                passed.add(read.target)
                waiting.append(read.target)
    return frozenset(passed & tokens)

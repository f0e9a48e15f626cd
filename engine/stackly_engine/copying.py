"""Data sources that are copied: tokens of minutes are read anew by each batch that needs them, and handed over to none."""

from collections.abc import Iterable, Iterator, Mapping

from stackly_engine import ordering
from stackly_engine.configuration import Configuration
from stackly_engine.edges import OUTPUTS, PASSING, Edges, Read, Use
from stackly_engine.exports import single
from stackly_engine.impure import CREDENTIALS
from stackly_engine.source import REAL, Kind, Node


def copies_of(edges: Edges) -> dict[str, frozenset[str]]:
    """For each provider block the credential data sources that it comes to, and for each other node those it reads itself.

    Those come with it that they are read with. A batch with the node holds copies of these. Only the unit that declares
    one keeps it in the state; what it reads itself, and what of it lasts, is handed over as of any other node. Nodes that
    read none are left out.
    """
    tokens = _tokens(edges)
    found: dict[str, frozenset[str]] = {}
    for name, node in sorted(edges.nodes.items()) if tokens else ():
        if node.kind is Kind.PROVIDER:
            reached = _reached(edges, name, tokens, PASSING)
        else:
            own = {read.target for read in edges.reads[name] if read.target in tokens and not _lasts(edges, read)}
            reached = frozenset(own).union(*(_reached(edges, token, tokens, PASSING) for token in own))
        if reached:
            found[name] = reached
    return found


def _lasts(edges: Edges, read: Read) -> bool:
    """Whether what is read of a credential is no token. What may be there several times is read as a whole."""
    return read.use is not Use.VALUE or _lasting(edges.nodes[read.target], read.attribute)


def _lasting(node: Node, attribute: str | None) -> bool:
    return single(node) and attribute in CREDENTIALS[node.block.labels[0]]


def handed_to(edges: Edges, calls: Iterable[str]) -> Iterator[frozenset[str]]:
    """Each module call with the credential data sources that it comes to by its inputs, not by provider blocks."""
    tokens = _tokens(edges)
    for call in calls if tokens else ():
        yield _reached(edges, call, tokens, PASSING - {Kind.PROVIDER}) | {call}


def made_by_modules(configuration: Configuration, edges: Edges) -> Iterator[frozenset[str]]:
    """Each module whose outputs hold a token, with who reads it: by a provider block or as a value, root outputs apart.

    Such a data source cannot be copied alone, and a recorded token would be out of date: they run together. In an output
    of the root it is out of date a minute later anyway.
    """
    calls = [name for name, node in edges.nodes.items() if node.kind is Kind.MODULE]
    outputs = {call: _token_outputs(configuration, call.removeprefix("module.")) for call in calls}
    if not any(outputs.values()):
        return
    users, passing = edges.users(), _passing(edges)
    for name in (name for name in passing if edges.nodes[name].kind is Kind.PROVIDER):
        for read in (read for address in ordering.reachable(passing, [name]) | {name} for read in edges.reads[address]):
            if _is_token(outputs, read):
                yield users[name] | {read.target}
    for name, reads in edges.reads.items():
        readers = users.get(name, frozenset({name} if edges.nodes[name].kind in REAL else ())) - {OUTPUTS}
        yield from (readers | {read.target} for read in reads if readers and _is_token(outputs, read))


def _is_token(outputs: Mapping[str, frozenset[str]], read: Read) -> bool:
    found = outputs.get(read.target)
    return bool(found) and read.use is Use.VALUE and (read.attribute is None or read.attribute in (found or ()))


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
        for target, reference, taken in nodes[waiting.pop()].targets:
            node = nodes[target]
            if _is_credential(node) and not _lasting(node, (*reference.parts, None)[taken]):
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
    found: dict[str, frozenset[str]] = {}
    for name, copied in copies.items():
        own = users.get(name, frozenset({name if edges.is_real(name) else OUTPUTS}))
        found.update({token: found.get(token, frozenset()) | own for token in copied})
    return dict(sorted(found.items()))


def _tokens(edges: Edges) -> frozenset[str]:
    return frozenset(name for name, node in edges.nodes.items() if _is_credential(node) and name in edges.direct)


def _is_credential(node: Node) -> bool:
    return node.kind is Kind.DATA and node.block.labels[0] in CREDENTIALS


def _reached(edges: Edges, start: str, tokens: frozenset[str], through: frozenset[Kind]) -> frozenset[str]:
    passed, waiting = {start}, [start]
    while waiting:
        for read in edges.reads[waiting.pop()]:
            if read.target not in passed and (read.target in tokens or edges.nodes[read.target].kind in through):
                passed.add(read.target)
                waiting.append(read.target)
    return frozenset(passed & tokens)

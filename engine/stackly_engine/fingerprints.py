"""Fingerprints of units: all that can change a unit's plan, except the real world, as named parts."""

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from stackly_engine import ordering, reasons
from stackly_engine.edges import PASSING, Use
from stackly_engine.gathering import Needs
from stackly_engine.graph import Graph
from stackly_engine.impure import impurities, texts, worldly
from stackly_engine.parts import MISSING, SCHEMA_ID, Context, Parts, differences, dynamic, fingerprint, value_at
from stackly_engine.providers import ModuleProviders
from stackly_engine.reading import How, Reading, Tree, reading
from stackly_engine.records import Place
from stackly_engine.source import Kind, Module, Node, is_conditional
from stackly_engine.syntax import Block, Span

__all__ = [
    "MISSING",
    "SCHEMA_ID",
    "Context",
    "Parts",
    "all_parts",
    "differences",
    "dynamic",
    "fingerprint",
    "parts",
    "value_at",
]

ROOT = ""
BUILTIN = "terraform.io/builtin/terraform"  # comes with Terraform: the version covers it
# Of a terraform block only these reach a provider or change how the rest is read; versions and packages are parts of
# their own, and where the state lies changes no plan.
_SETTINGS_BLOCKS, _SETTINGS = frozenset({"provider_meta"}), frozenset({"experiments", "language"})
_FUNCTION_OF = re.compile(r"\bprovider::([\w-]+)::")
# Trees with more files than this are told apart by folder.
_MANY = 64


def parts(graph: Graph, unit: str, context: Context) -> Parts:
    """The static parts of a unit; ValueError when the files of a module are not in the context."""
    return _Reader(graph, context).parts(unit)


def all_parts(graph: Graph, context: Context) -> dict[str, Parts]:
    """The static parts of every unit of a graph; each file is read once."""
    reader = _Reader(graph, context)
    return {unit: reader.parts(unit) for unit in graph.order()}


class _Module:
    """What one module says by itself, whoever calls it."""

    def __init__(self, module: Module, about: ModuleProviders) -> None:
        nodes = tuple(module.nodes.values())
        self.impure = impurities(nodes)
        self.data = worldly(nodes)
        self.reading = reading(nodes)
        self.asks = any(map(is_conditional, nodes))
        self.providers = frozenset(address for address, _ in about.own) | _by_function(nodes, about)


class _Reader:
    def __init__(self, graph: Graph, context: Context) -> None:
        self.graph = graph
        self.context = context
        self.configuration = graph.configuration
        self._about = ModuleProviders(self.configuration.root, self.configuration.product)
        self._below: dict[str, list[str]] = {}
        for key in sorted(self.configuration.modules):
            self._below.setdefault(key.partition(".")[0], []).append(key)
        self._modules: dict[int, _Module] = {}
        self._trees: dict[tuple[str, ...], dict[str, str]] = {}
        self._tokens: dict[int, str] = {}
        self._directories = {key: call.directory for key, call in self.configuration.calls.items()}
        self._root_tree = Tree(context.trees.get(".", {}))
        self._needs = {unit: graph.needs([unit]) for unit in graph.units}
        owners = {
            unit: frozenset(graph.owner[address] for address in needs.awaited) for unit, needs in self._needs.items()
        }
        self._awaited = owners

    def parts(self, unit: str) -> Parts:
        nodes = [self.configuration.root.nodes[address] for address in sorted(self._needs[unit].kept)]
        keys = [
            key
            for node in nodes
            if node.kind is Kind.MODULE
            for key in self._below.get(node.address.removeprefix("module."), ())
        ]
        modules = [self._module(key) for key in keys]
        data = tuple(sorted({*worldly(nodes), *(name for module in modules for name in module.data)}))
        providers = self._providers(nodes).union(*(module.providers for module in modules)) - {BUILTIN}
        unknown = sorted(address for address in providers if address not in self.context.packages)
        readings = [(reading(nodes), "."), *((self._module(key).reading, self._directories[key]) for key in keys)]
        impure = {*impurities(nodes), *(reason for module in modules for reason in module.impure)}
        of = {
            reasons.SCHEMA: SCHEMA_ID,
            reasons.VERSION: self.context.version,
            reasons.ENVIRONMENT: self.context.environment,
            **self._code(nodes),
            **self._variables(nodes),
            **self._tree(tuple(dict.fromkeys(keys))),
            **self._files(readings),
            **{f"{reasons.PACKAGE}:{name}": self.context.packages.get(name, MISSING) for name in sorted(providers)},
        }
        return Parts(
            of=of,
            inputs=tuple(self._inputs(unit)),
            applies=self._waits(unit) if data else (),
            impure=(
                *sorted(impure),
                *(f"no package hash of {address}" for address in unknown),
                *(("files beside the root",) if self._leaves(readings) else ()),
            ),
            data=data,
        )

    def _code(self, nodes: Iterable[Node]) -> dict[str, str]:
        """Blocks by file, provider blocks each by itself; settled `moved` blocks say nothing."""
        found: dict[str, list[str]] = {}
        for node in nodes:
            if node.kind is Kind.MOVED:
                continue
            named = node.kind is Kind.PROVIDER
            name = f"{reasons.PROVIDER}:{node.address.removeprefix('provider.')}" if named else None
            # an address with a place in the file would move with the blocks above it
            address = node.kind.value if "#" in node.address else node.address
            found.setdefault(name or f"{reasons.CODE}:{node.block.file}", []).append(f"{address}\0{self._node(node)}\0")
        return {name: _digest("".join(sorted(lines)).encode()) for name, lines in sorted(found.items())}

    def _node(self, node: Node) -> str:
        file = self.configuration.root.files[node.block.file]
        if file.name.endswith(".json"):
            return _digest("\0".join(_written(node.block)).encode())
        spans = _settings(node.block) if node.kind is Kind.TERRAFORM else (node.span,)
        return _digest(b"\0\0".join(file.tokens(span) for span in spans))

    def _variables(self, nodes: Iterable[Node]) -> dict[str, str]:
        names = (node.block.labels[0] for node in nodes if node.kind is Kind.VARIABLE)
        return {f"{reasons.VARIABLE}:{name}": self.context.variables.get(name, "default") for name in names}

    def _module(self, key: str) -> _Module:
        module = self.configuration.modules[key]
        if id(module) not in self._modules:
            self._modules[id(module)] = _Module(module, ModuleProviders(module, self.configuration.product))
        return self._modules[id(module)]

    def _tree(self, keys: tuple[str, ...]) -> dict[str, str]:
        """Every file below the directories of these calls; tokens of those that are only read as code."""
        directories = tuple(sorted({self._directories[key] for key in keys}))
        if directories not in self._trees:
            in_place = {self._directories[key] for key in keys if self._module(key).reading.in_place}
            as_code = {
                posixpath.join(self._directories[key], name): (key, name)
                for key in keys
                for name in self.configuration.modules[key].files
            }
            found: dict[str, str] = {}
            for directory in directories:
                found |= self._directory(directory, as_code, in_place)
            self._trees[directories] = found
        return self._trees[directories]

    def _directory(
        self, directory: str, as_code: Mapping[str, tuple[str, str]], in_place: Iterable[str]
    ) -> dict[str, str]:
        if directory not in self.context.trees:
            raise ValueError(f"the files of the module directory {directory} are not given")
        tree = self.context.trees[directory]
        found: dict[str, str] = {}
        for path, digest in sorted(tree.items()):
            place = posixpath.normpath(posixpath.join(directory, path))
            code = as_code.get(posixpath.join(directory, path))
            if code is not None and not any(_is_below(place, other) for other in in_place):
                found[f"{reasons.CODE}:{place}"] = self._file_tokens(*code)
            else:
                found[f"{reasons.CODE}:{place}"] = digest
        return _by_folder(found, posixpath.normpath(directory)) if len(found) > _MANY else found

    def _file_tokens(self, key: str, name: str) -> str:
        """Told once of a file, in however many directories it lies."""
        file = self.configuration.modules[key].files[name]
        if id(file) not in self._tokens:
            written = file.data if name.endswith(".json") else file.tokens(Span(0, len(file.data)))
            self._tokens[id(file)] = f"tokens:{_digest(written)}"
        return self._tokens[id(file)]

    def _files(self, readings: Iterable[tuple[Reading, str]]) -> dict[str, str]:
        """Files of the root that code in a directory reads by a path one can tell; else the whole source."""
        found: dict[str, str] = {}
        for one, directory in readings:
            if one.anywhere or (one.own and directory == "."):
                found[f"{reasons.FILE}:."] = self.context.source
            for how, path in one.paths:
                found |= self._file(how, path, directory)
        return dict(sorted(found.items()))

    def _file(self, how: How, path: str, directory: str) -> dict[str, str]:
        place = _place(how, path, directory)
        if place is None:
            return {}
        if _is_beside(place):
            return {f"{reasons.FILE}:.": self.context.source}
        digest = self._root_tree.find(place)
        if digest is None and how is How.TEXT:
            return {}
        return {f"{reasons.FILE}:{place}": digest or MISSING_FILE}

    def _leaves(self, readings: Iterable[tuple[Reading, str]]) -> bool:
        """Whether code reads what is no part of the source."""
        return not self.context.beside and any(
            one.beside or any(_is_beside(_place(how, path, directory) or "") for how, path in one.paths)
            for one, directory in readings
        )

    def _providers(self, nodes: Iterable[Node]) -> frozenset[str]:
        nodes = list(nodes)
        used = frozenset(address for node in nodes for address, _ in self._about.used_by(node))
        return used | _by_function(nodes, self._about)

    def _inputs(self, unit: str) -> Iterator[Place]:
        found: set[Place] = set()
        needs = self._needs[unit]
        handed = self._handed(needs) if needs.copied else frozenset()
        for address in needs.kept:
            read_here = needs.external | needs.copied if address in handed else needs.external
            read_here -= self.graph.copies.get(address, frozenset())
            for read in self.graph.edges.reads[address]:
                if read.use is Use.VALUE and read.target in read_here:
                    found.add((read.target, read.attribute))
        yield from sorted(found, key=lambda place: (place[0], place[1] or ""))

    def _handed(self, needs: Needs) -> frozenset[str]:
        """Kept nodes that read for other purposes than to configure a provider: of copies only what they read counts."""
        nodes, reads = self.configuration.root.nodes, self.graph.edges.reads
        found = {name for name in needs.kept - needs.copied if nodes[name].kind not in PASSING}
        waiting = list(found)
        while waiting:
            passing = {
                read.target for read in reads[waiting.pop()]
                if read.target in needs.kept and nodes[read.target].kind in {Kind.LOCAL, Kind.VARIABLE}
            }  # fmt: skip
            waiting.extend(passing - found)
            found |= passing
        return frozenset(found)

    def _waits(self, unit: str) -> tuple[str, ...]:
        """The units that this one's depends_on reaches, through theirs; behind a module, and for one, all that they come to."""
        reached = ordering.reachable(self._awaited, [unit])
        modules = reached if self._calls(unit) else [one for one in reached if self._calls(one)]
        reached = reached.union(*(self.graph.ancestors(one) for one in modules), *self._unlisted(unit))
        return tuple(sorted(reached - {unit}))

    def _unlisted(self, unit: str) -> Iterator[frozenset[str]]:
        """What data sources wait for without a depends_on: resources that they read, modules read whole, behind conditions."""
        nodes = self.configuration.root.nodes
        for member in self.graph.units[unit].members:
            if nodes[member].kind is Kind.MODULE:
                below = self._below.get(member.removeprefix("module."), ())
                if any(self._module(key).asks for key in below):
                    yield self.graph.ancestors(unit)
            elif nodes[member].kind is Kind.DATA:
                if is_conditional(nodes[member]):
                    yield self.graph.ancestors(unit)
                yield from self._read_by(member)

    def _read_by(self, data: str) -> Iterator[frozenset[str]]:
        nodes = self.configuration.root.nodes
        for read in self.graph.edges.reads[data]:
            target = nodes[read.target]
            if read.use is Use.VALUE and target.kind is Kind.RESOURCE:
                yield frozenset({self.graph.owner[read.target]})
            whole = read.use is Use.VALUE and target.kind is Kind.MODULE and read.attribute is None
            if whole and "depends_on" in target.block.attributes:
                yield self.graph.ancestors(self.graph.owner[read.target])

    def _calls(self, unit: str) -> bool:
        return any(name.startswith("module.") for name in self.graph.units[unit].members)


MISSING_FILE = "no file"


def _place(how: How, path: str, directory: str) -> str | None:
    """A constant path from the root; None for one that is empty, or that stays in a module's own tree."""
    if how is not How.OWN:
        return posixpath.normpath(path) if path else None
    if directory != "." and ".." not in path.split("/"):
        return None
    return posixpath.normpath(posixpath.join(directory, path))


def _is_beside(place: str) -> bool:
    return place == ".." or place.startswith("../")


def _by_function(nodes: Iterable[Node], about: ModuleProviders) -> frozenset[str]:
    found = (name for node in nodes for text in texts(node) for name in _FUNCTION_OF.findall(text))
    return frozenset(about.address(name) for name in found)


def _settings(block: Block) -> Iterator[Span]:
    yield from (attribute.span for name, attribute in sorted(block.attributes.items()) if name in _SETTINGS)
    yield from (inner.span for inner in block.blocks if inner.type in _SETTINGS_BLOCKS)


def _written(block: Block) -> Iterator[str]:
    yield from (f"{inner.type} {' '.join(inner.labels)} {value.name} {value.text}" for inner, value in block.walk())


def _is_below(place: str, directory: str) -> bool:
    folder = posixpath.normpath(directory)
    return folder == "." or place.startswith(f"{folder}/")


def _by_folder(found: Mapping[str, str], directory: str) -> dict[str, str]:
    """The directory's own files one by one, those of each folder in it as one part."""
    result: dict[str, str] = {}
    folders: dict[str, list[str]] = {}
    start = f"{reasons.CODE}:{directory}/" if directory != "." else f"{reasons.CODE}:"
    for name, digest in found.items():
        folder, slash, _ = name.removeprefix(start).partition("/")
        if slash:
            folders.setdefault(f"{start}{folder}/", []).append(f"{name}\0{digest}\0")
        else:
            result[name] = digest
    return result | {name: _digest("".join(lines).encode()) for name, lines in folders.items()}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

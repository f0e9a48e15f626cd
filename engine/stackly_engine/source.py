"""One directory of Terraform files as one module: its nodes, what each refers to, and why a root must run whole."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from stackly_engine import json_syntax
from stackly_engine.literals import word
from stackly_engine.syntax import Block, ParsedFile, Reference, Span, SyntaxProblem, parse


class Product(StrEnum):
    TERRAFORM = "terraform"
    TOFU = "tofu"


class Kind(StrEnum):
    MODULE = "module"
    RESOURCE = "resource"
    DATA = "data"
    EPHEMERAL = "ephemeral"
    VARIABLE = "variable"
    LOCAL = "local"
    OUTPUT = "output"
    CHECK = "check"
    PROVIDER = "provider"
    TERRAFORM = "terraform"
    MOVED = "moved"
    REMOVED = "removed"
    IMPORT = "import"


REAL = frozenset({Kind.MODULE, Kind.RESOURCE, Kind.DATA, Kind.EPHEMERAL})
"""What has a slice of the state, or is read while a run lasts."""

_TYPES = frozenset(kind.value for kind in Kind if kind is not Kind.LOCAL)
_LABELS = {Kind.RESOURCE: 2, Kind.DATA: 2, Kind.EPHEMERAL: 2, Kind.MODULE: 1, Kind.VARIABLE: 1, Kind.OUTPUT: 1,
           Kind.CHECK: 1, Kind.PROVIDER: 1}  # fmt: skip
_PREFIX = {Kind.RESOURCE: (), Kind.VARIABLE: ("var",)}
# Values with references that are no edges: where code is from, types, addresses, and providers (edges come from use).
_NO_EDGES = {
    Kind.MODULE: frozenset({"source", "version", "providers"}),
    Kind.RESOURCE: frozenset({"provider"}),
    Kind.DATA: frozenset({"provider"}),
    Kind.EPHEMERAL: frozenset({"provider"}),
    Kind.VARIABLE: frozenset({"type"}),
    Kind.MOVED: frozenset({"from", "to"}),
    Kind.REMOVED: frozenset({"from"}),
    Kind.IMPORT: frozenset({"to", "provider"}),
    Kind.PROVIDER: frozenset({"alias", "version"}),
}
_NO_EDGES_INSIDE = {
    "lifecycle": frozenset({"ignore_changes"}),
    "provisioner": frozenset({"when", "on_failure"}),
}
_BUILTIN = frozenset({"path", "terraform", "tofu", "each", "count", "self"})
_LONGER = frozenset({"data", "ephemeral", "resource"})
_SETTINGS = frozenset({"backend", "cloud", "required_providers", "provider_meta"})


@dataclass(frozen=True, slots=True)
class Node:
    """Something that is declared: its address, range, references that count for edges, and those that are declared.

    Addresses: `module.app`, `aws_vpc.main`, `data.t.n`, `ephemeral.t.n`, `var.x`, `local.y`, `output.o`, `check.c`,
    `provider.aws`, `provider.aws.west`; anything else `moved#main.tf#120`. The span of a local is that of its
    attribute inside `block`. `targets` holds (address of a node of this module, the reference, parts it took of it).
    """

    address: str
    kind: Kind
    block: Block
    span: Span
    references: tuple[Reference, ...]
    targets: tuple[tuple[str, Reference, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """Why a root must run whole: a code of engine.md §10 or `invalid`, and where (line from 1, 0 when unknown)."""

    code: str
    detail: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Module:
    """One directory. When `whole` is not empty, `nodes` may be incomplete."""

    files: Mapping[str, ParsedFile]
    nodes: Mapping[str, Node]
    whole: tuple[Whole, ...]

    def target(self, reference: Reference) -> tuple[str, int] | None:
        """The address of the node that a reference reads, and how many of its parts that took; None for no node."""
        named = named_by(reference)
        return named if named is not None and named[0] in self.nodes else None


def named_by(reference: Reference) -> tuple[str, int] | None:
    """The address that a reference is about, declared or not, and the parts it takes; None for `each` or `path`."""
    parts = reference.parts
    if parts[0] in _BUILTIN:
        return None
    taken = 3 if parts[0] in _LONGER else 2
    shown = parts[1:taken] if parts[0] == "resource" else parts[:taken]
    return ".".join(shown), min(taken, len(parts))


def read_module(files: Mapping[str, bytes], product: Product) -> Module:
    """The module that a directory's files are for a product; `files` by name, others than Terraform's are ignored."""
    parsed: dict[str, ParsedFile] = {}
    whole: list[Whole] = []
    for name in read_files(files, product):
        whole.extend(_about_file(name))
        try:
            reader = json_syntax.parse if name.endswith(".json") else parse
            parsed[name] = reader(name, files[name])
        except SyntaxProblem as problem:
            whole.append(Whole("syntax", problem.message, problem.file, problem.line))
    nodes, problems = _nodes(parsed.values())
    whole.extend(problems)
    module = Module(parsed, nodes, ())
    linked = {address: _linked(module, node) for address, node in nodes.items()}
    return Module(parsed, linked, tuple(sorted(whole, key=lambda reason: (reason.file, reason.line, reason.code))))


def read_files(names: Iterable[str], product: Product) -> list[str]:
    """The names that the product reads in a directory, sorted."""
    present = {name for name in names if "/" not in name and not _ignored(name)}
    chosen = {name for name in present if name.endswith((".tf", ".tf.json"))}
    if product is Product.TOFU:
        own = {name for name in present if name.endswith((".tofu", ".tofu.json"))}
        chosen = own | {name for name in chosen if _for_tofu(name) not in own}
    return sorted(chosen)


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.endswith("~") or (name.startswith("#") and name.endswith("#"))


def _for_tofu(name: str) -> str:
    return name.removesuffix(".tf.json") + ".tofu.json" if name.endswith(".json") else name.removesuffix("tf") + "tofu"


def _overrides(name: str) -> bool:
    stem = name.removesuffix(".json").removesuffix(".tf").removesuffix(".tofu")
    return stem == "override" or stem.endswith("_override")


def _about_file(name: str) -> Iterator[Whole]:
    if _overrides(name):
        yield Whole("override-files", f"{name} overrides blocks of other files", name)


def _nodes(files: Iterable[ParsedFile]) -> tuple[dict[str, Node], list[Whole]]:
    nodes: dict[str, Node] = {}
    whole: list[Whole] = []
    for file in files:
        whole.extend(
            _invalid(file, stray.span, f"{stray.name} stands outside of any block")
            for stray in file.attributes.values()
        )
        for block in file.blocks:
            problem = _unsupported(file, block)
            if problem is not None:
                whole.append(problem)
                continue
            for node in _declared(block):
                if node.address in nodes and not _overrides(file.name):
                    whole.append(_invalid(file, node.span, f"{node.address} is declared twice"))
                nodes[node.address] = node
    return nodes, whole


def _unsupported(file: ParsedFile, block: Block) -> Whole | None:
    if block.type == "locals":
        return None
    if block.type not in _TYPES:
        return _whole(file, block.span, "unsupported-block", f"a block of type {block.type}")
    if len(block.labels) != _LABELS.get(Kind(block.type), 0):
        return _invalid(file, block.span, f"{block.type} has {len(block.labels)} labels")
    if any("${" in label or "%{" in label for label in block.labels):
        return _invalid(file, block.span, f"a label of {block.type} is a template")
    return next(_settings(file, block), None) if block.type == Kind.TERRAFORM else None


def _settings(file: ParsedFile, block: Block) -> Iterator[Whole]:
    for inner in block.blocks:
        if inner.type == "encryption":
            yield _whole(file, inner.span, "encryption", "the state is encrypted by OpenTofu")
        elif inner.type not in _SETTINGS:
            yield _whole(file, inner.span, "unsupported-block", f"terraform has a block of type {inner.type}")


def _invalid(file: ParsedFile, span: Span, detail: str) -> Whole:
    return _whole(file, span, "invalid", detail)


def _whole(file: ParsedFile, span: Span, code: str, detail: str) -> Whole:
    return Whole(code, detail, file.name, file.line(span.start))


def _declared(block: Block) -> Iterator[Node]:
    if block.type == "locals":
        for name, attribute in block.attributes.items():
            yield Node(f"local.{name}", Kind.LOCAL, block, attribute.span, attribute.references)
        return
    kind = Kind(block.type)
    yield Node(_address(kind, block), kind, block, block.span, tuple(_edges(kind, block)))


def _address(kind: Kind, block: Block) -> str:
    if kind not in _LABELS:
        return f"{kind}#{block.file}#{block.span.start}"
    names = (*_PREFIX.get(kind, (kind.value,)), *block.labels)
    alias = block.attributes.get("alias") if kind is Kind.PROVIDER else None
    return ".".join(names if alias is None else (*names, word(alias)))


def _edges(kind: Kind, block: Block) -> Iterator[Reference]:
    if kind is Kind.TERRAFORM:
        return
    for inner, attribute in block.walk():
        if inner is block:
            skipped = _NO_EDGES.get(kind, frozenset())
        elif kind is Kind.CHECK and inner.type == Kind.DATA:
            skipped = _NO_EDGES[Kind.DATA]
        else:
            skipped = _NO_EDGES_INSIDE.get(inner.type, frozenset())
        if attribute.name not in skipped:
            yield from attribute.references


def _linked(module: Module, node: Node) -> Node:
    targets = tuple(
        (target[0], reference, target[1])
        for reference in node.references
        if (target := module.target(reference)) is not None
    )
    return replace(node, targets=targets)


def is_conditional(node: Node) -> bool:
    """Whether it is a data source with conditions: Terraform then reads it after all that it comes to is applied."""
    inner = (block.blocks for block in node.block.blocks if block.type == "lifecycle") if node.kind is Kind.DATA else ()
    return any(one.type in {"precondition", "postcondition"} for found in inner for one in found)

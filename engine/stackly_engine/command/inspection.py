"""Read a root and everything that a run of it is made from; `init` only when something that it reads has changed."""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stackly_engine import exact
from stackly_engine.command import statefile, variables
from stackly_engine.command.batch import LocalHands, Shell
from stackly_engine.command.places import OF_THE_TERMINAL
from stackly_engine.command.project import Project
from stackly_engine.command.standing import Standing
from stackly_engine.command.store import Store
from stackly_engine.command.tool import ToolError
from stackly_engine.configuration import Configuration
from stackly_engine.driving import state
from stackly_engine.driving.forcing import forced
from stackly_engine.driving.known import Known
from stackly_engine.exact import FormatError
from stackly_engine.exports import Recorded, from_document
from stackly_engine.fingerprints import Context, all_parts
from stackly_engine.graph import Graph, build
from stackly_engine.moves import Routes, replaced, routes
from stackly_engine.pricing import Price, assumed, measured
from stackly_engine.reasons import FORCED, Reason
from stackly_engine.records import Record
from stackly_engine.schedule import Freshness
from stackly_engine.source import Kind, Module, Whole

_BUILTIN = "terraform.io/builtin/terraform"  # of terraform_data and terraform_remote_state: part of the tool itself


class RunsWholeError(Exception):
    """This root with this state is not cut soundly; `reasons` say why."""

    def __init__(self, reasons: tuple[Whole, ...]) -> None:
        super().__init__("this root runs whole")
        self.reasons = reasons


@dataclass(frozen=True)
class Options:
    """What the user asks of a run."""

    replace: tuple[str, ...] = ()
    refresh: bool = False
    workers: int = 2
    apart: bool = False  # every unit in a batch of its own, whatever that costs
    price: Price | None = None  # None: as measured in this root, or assumed from its providers


def initialized(shell: Shell, store: Store) -> bool:
    """Run `init` when modules or providers are not installed as the code asks; True when it was run.

    A kept digest says whether they are, and whether there was anything to install.
    """
    project = shell.project
    if store.facts().get("init", b"") == _installed(project):
        return False
    done = shell.run(project.root, "init", "-input=false", "-no-color", "-backend=false")
    if done.code:
        raise ToolError(done.output.strip())
    store.learn(facts={"init": _installed(Project(project.root, project.product))})
    return True


def _installed(project: Project) -> bytes:
    there = (project.root / ".terraform").is_dir()
    return f"{_asked(project)}{'' if there else ' nothing installed'}".encode()


def known(shell: Shell, store: Store, options: Options) -> Known:
    """Everything that one run is made from."""
    project = shell.project
    if project.configuration.whole:
        raise RunsWholeError(project.configuration.whole)
    check_given(shell)
    graph = build(project.configuration)
    standing = _standing(shell)
    document = standing.document
    remembered = _remembered(shell, store)
    facts = store.facts()
    key = facts.get("key")
    if key is None:
        key = secrets.token_bytes(32)
        store.learn(facts={"key": key})
    found = routes(graph, document)
    if found.whole:
        raise RunsWholeError(found.whole)
    replace = replaced(graph, document, options.replace)
    try:
        parts = all_parts(graph, context(shell, key))
    except variables.UnreadableError as error:
        raise RunsWholeError((Whole("variables", str(error)),)) from None
    return Known(
        hands=LocalHands(shell, store, standing), graph=graph,
        parts=parts, key=key, routes=found, freshness=Freshness(datetime.now(UTC)),
        price=options.price or remembered.price, workers=options.workers, apart=options.apart, document=document, slices=standing.digests or state.digests(document),
        settled_by=standing.settled_by,
        records=remembered.records, exports=remembered.exports, forced=_forced(graph, document, found, replace, options), replace=replace,
    )  # fmt: skip


def _standing(shell: Shell) -> Standing:
    path = statefile.path_of(shell.project.root, shell.terraform_workspace)
    try:
        return Standing(path, shell.project.root, shell.tool.version)
    except FormatError:
        if statefile.encrypted(path):
            raise RunsWholeError((Whole("encryption", "the state is encrypted", path.name),)) from None
        raise


@dataclass(frozen=True)
class _Remembered:
    price: Price
    records: dict[str, Record]
    exports: Recorded


def _remembered(shell: Shell, store: Store) -> _Remembered:
    """What earlier runs left; nothing when it cannot be understood: then every unit is planned once."""
    for _ in range(2):
        try:
            records = {unit: Record.from_bytes(data) for unit, data in store.records().items()}
            return _Remembered(_price(shell, store), records, _exports(store))
        except (ValueError, TypeError) as error:
            store.forget(f"it is not understood: {error}")
    raise ToolError("what was just forgotten is still there; please report this")


def check_given(shell: Shell) -> None:
    """Terraform refuses a `-var` that the root does not declare; a batch may well not declare one, and is not given it."""
    nodes = shell.project.configuration.root.nodes.values()
    declared = {node.block.labels[0] for node in nodes if node.kind is Kind.VARIABLE}
    for name in sorted(shell.given.named - declared):
        raise variables.VariablesError(f"the root module does not declare the variable {name!r} of --var")


def _price(shell: Shell, store: Store) -> Price:
    runs = exact.loads(store.facts().get("runs", b"[]"))
    return measured(((size, float(seconds)) for size, seconds in runs), assumed(dict(_packages(shell.project.root))))


def context(shell: Shell, key: bytes) -> Context:
    """What counts for every unit; secret things as keyed hashes."""
    project = shell.project
    given = variables.texts(project.root, shell.given, shell.cwd, shell.env)
    seen = {
        name: value
        for name, value in shell.env.items()
        if name not in OF_THE_TERMINAL and not name.startswith("TF_VAR_")
    }
    return Context(
        version=f"{shell.tool.product.value} {shell.tool.version}",
        environment=_keyed(
            key, exact.dumps({**seen, "workspace": shell.terraform_workspace, "root": str(project.root)})
        ),
        source=project.digest,
        variables={name: _keyed(key, name.encode() + b"\0" + value) for name, value in given.items()},
        packages={_BUILTIN: shell.tool.version, **dict(_packages(project.root)), **_reattached(shell.env)},
        trees=project.trees,
    )


def _keyed(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def _reattached(env: Mapping[str, str]) -> dict[str, str]:
    """Providers that already run (TF_REATTACH_PROVIDERS, as their authors do): each is the process that it is."""
    told = exact.loads(env.get("TF_REATTACH_PROVIDERS", "{}").encode())
    return {address: hashlib.sha256(exact.dumps(process)).hexdigest() for address, process in told.items()}


def _packages(root: Path) -> Iterator[tuple[str, str]]:
    """Provider address → what is installed: version, platform, and size and time of the files."""
    providers = root / ".terraform" / "providers"
    for package in sorted(providers.glob("*/*/*/*/*")) if providers.is_dir() else ():
        host, namespace, name = package.relative_to(providers).parts[:3]
        files = sorted(path for path in package.resolve().rglob("*") if path.is_file())
        facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        text = f"{package.relative_to(providers)} {facts}"
        yield f"{host}/{namespace}/{name}", hashlib.sha256(text.encode()).hexdigest()


def _exports(store: Store) -> Recorded:
    found: Recorded = {}
    for data in store.exports().values():
        for address, named in from_document(exact.loads(data)).items():
            found.setdefault(address, {}).update(named)
    return found


def _forced(
    graph: Graph, document: Mapping[str, Any], found: Routes, replace: Mapping[str, tuple[str, ...]], options: Options
) -> dict[str, tuple[Reason, ...]]:
    """The reasons that any run has, and before them that everything was asked for."""
    reasons = forced(graph, document, found, replace)
    if not options.refresh:
        return reasons
    return {unit: (Reason(FORCED, "refresh"), *reasons.get(unit, ())) for unit in graph.units}


def _asked(project: Project) -> str:
    """What `init` reads of the code: calls, settings, which providers there are, and the lock file."""
    asked = hashlib.sha256(project.lock_file)
    for text in _init_texts(project.configuration):
        asked.update(text.encode() + b"\0")
    return asked.hexdigest()


def _init_texts(configuration: Configuration) -> Iterator[str]:
    """By call; what a module says is told once, however often it is called."""
    said: dict[int, str] = {}
    for key, module in sorted(configuration.modules.items()):
        if id(module) not in said:
            said[id(module)] = "\0".join(_asked_by(module))
        yield f"{key}\0{said[id(module)]}"


def _asked_by(module: Module) -> Iterator[str]:
    for address, node in sorted(module.nodes.items()):
        attributes = node.block.attributes
        if node.kind is Kind.MODULE:
            told = (attributes[name].text for name in ("source", "version") if name in attributes)
            yield " ".join((address, *told))
        elif node.kind is Kind.TERRAFORM:
            file = module.files[node.block.file]
            yield file.tokens(node.span).decode(errors="replace")
        elif node.kind in {Kind.RESOURCE, Kind.DATA, Kind.EPHEMERAL}:
            yield node.block.labels[0].partition("_")[0]
        elif node.kind is Kind.PROVIDER:
            yield node.block.labels[0]

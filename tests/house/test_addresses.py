"""House rule: no address of a package registry and no path of one machine in what Git keeps."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In pieces, so that this file does not find itself.
REGISTRIES = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            r"pythonhosted\." + "org",
            r"registry\.npm" + r"js\.",
            r"registry\.terra" + r"form\.io/v",
            r"proxy\.gol" + "ang",
            r"crates\." + "io",
            r"buf\." + "build/",
            r"index-" + r"url\s*=?\s*https?:",
        )
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:root|work|home/[a-z]+|Users/[A-Za-z]+)" + r"/[\w.]")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def hits(pattern: re.Pattern[str]) -> list[str]:
    found: list[str] = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found.extend(f"{path.relative_to(ROOT)}: {hit[0]}" for hit in pattern.finditer(text))
    return found


def test_the_search_finds_what_it_looks_for() -> None:
    assert REGISTRIES.search("see https://pypi" + ".org/simple")
    assert MACHINE_PATHS.search("at /ro" + "ot/x")


def test_no_address_of_a_registry() -> None:
    assert not hits(REGISTRIES)


def test_no_path_of_one_machine() -> None:
    assert not hits(MACHINE_PATHS)


def test_the_lock_holds_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pins = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?==", lock, re.MULTILINE)
    assert pins
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z0-9])", lock.strip()))

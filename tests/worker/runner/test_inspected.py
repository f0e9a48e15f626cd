"""What the engine read of modules is remembered: the same as if it were read, only what changed is read anew, nothing forged is believed."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from stackly_engine.configuration import Configuration, configure
from stackly_engine.source import Product
from stackly_worker.runner import inspected, limits
from stackly_worker.runner.inspected import Inspections

KEY = b"k" * 32


def code(changed: str = "1") -> dict[str, dict[str, bytes]]:
    root = (
        "".join(f'module "m{at}" {{\n  source = "./m{at}"\n}}\n' for at in range(5))
        + "locals {\n  x = module.m1.out\n}\n"
    )
    module = 'resource "terraform_data" "x" {{\n  input = "{0}"\n}}\noutput "out" {{ value = terraform_data.x.id }}\n'
    return {".": {"main.tf": root.encode()}} | {
        f"m{at}": {"main.tf": module.format(f"{at} {changed if at == 3 else ''}").encode()} for at in range(5)
    }


def read(before: Inspections, changed: str = "1") -> Configuration:
    entries = [{"Key": f"m{at}", "Source": f"./m{at}", "Dir": f"m{at}"} for at in range(5)]
    modules = json.dumps({"Modules": entries}).encode()
    with before.kept() as reading:
        found = configure(code(changed), modules, Product.TERRAFORM, reading.read)
    assert found == configure(code(changed), modules, Product.TERRAFORM)
    return found


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INSPECTED_CODE_BYTES", 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "inspected"


def test_only_what_changed_is_read_anew(file: Path) -> None:
    before = Inspections(file, KEY)
    read(before)
    assert before.anew == 6
    assert file.stat().st_mode & 0o777 == 0o600
    again = Inspections(file, KEY)
    read(again)
    assert again.anew == 0
    read(again, "2")
    assert again.anew == 1
    read(again, "1")
    assert again.anew == 1, "what was not met is forgotten"


def test_what_is_soon_read_is_not_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INSPECTED_CODE_BYTES", 10_000)
    read(Inspections(file, KEY))
    assert not file.exists()


def test_what_is_too_much_is_neither_kept_nor_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(Inspections(file, KEY))
    monkeypatch.setattr(limits, "INSPECTED_BYTES", 100)
    before = Inspections(file, KEY)
    read(before)
    assert before.anew == 6
    file.unlink()
    read(before)
    assert not file.exists()


@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: data[:-1], lambda data: data[:40] + b"x" + data[41:]])
def test_what_was_altered_is_read_anew_and_kept_again(file: Path, spoil: Any) -> None:
    read(Inspections(file, KEY))
    file.write_bytes(spoil(file.read_bytes()))
    before = Inspections(file, KEY)
    read(before)
    assert before.anew == 6
    read(before)
    assert before.anew == 0


def test_another_key_and_another_engine_read_for_themselves(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(Inspections(file, KEY))
    other = Inspections(file, b"o" * 32)
    read(other)
    assert other.anew == 6
    monkeypatch.setattr(inspected, "_build", lambda: "another")
    other = Inspections(file, b"o" * 32)
    read(other)
    assert other.anew == 6


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("/nowhere"),)


def test_even_under_the_right_key_nothing_but_the_engine_is_made(file: Path) -> None:
    """The key is not all that stands between a file and this process."""
    with pytest.raises(pickle.UnpicklingError, match="is not of the engine"):
        inspected._module(pickle.dumps(Evil()))
    with pytest.raises(pickle.UnpicklingError, match="is no module"):
        inspected._module(pickle.dumps(Product.TOFU))

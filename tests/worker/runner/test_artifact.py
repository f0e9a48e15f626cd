"""What a run's code is beyond its commit: a function of what was fetched, laid down as it was, bounded, never out of its folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackly_worker.runner import limits
from stackly_worker.runner.artifact import MAGIC, Artifact, ArtifactRefusedError, resolved


def module(key: str, source: str, folder: str) -> dict[str, str]:
    return {"Key": key, "Source": source, "Dir": folder}


def fetched(data: Path, files: Mapping[str, str], *more: dict[str, str]) -> Path:
    """Terraform's data folder after an `init`: package `a` with these files, and entries of other modules."""
    modules = data / "modules"
    for path, text in files.items():
        (modules / "a" / path).parent.mkdir(parents=True, exist_ok=True)
        (modules / "a" / path).write_text(text)
    listed = [module("", "", "."), module("a", "git::https://example.com/a?ref=main", str(modules / "a")), *more]
    (modules / "modules.json").write_text(json.dumps({"Modules": listed}))
    return data


def taken(data: Path) -> Artifact:
    return resolved(data, data / "none", locked=False)


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Path below → permissions and content; of a link where it leads."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = (0, str(path.readlink()))
        elif path.is_file() and path.name != "modules.json":
            found[str(path.relative_to(folder))] = (path.stat().st_mode & 0o777, path.read_text())
    return found


def test_it_is_laid_down_as_it_was_fetched_without_what_git_keeps(tmp_path: Path) -> None:
    data = fetched(
        tmp_path / "one", {"main.tf": "x", "bin/run": "y", ".git/HEAD": "z", "b/.hidden": "x", "sub/m.tf": ""}
    )
    (data / "modules/a/bin/run").chmod(0o755)
    (data / "modules/a/link.tf").symlink_to("sub/m.tf")
    (data / "modules/a/folder").symlink_to("sub")
    Artifact.unpack(taken(data).pack()).lay(tmp_path / "two")
    assert tree(tmp_path / "two" / "modules") == {
        "a/main.tf": (0o644, "x"), "a/bin/run": (0o755, "y"), "a/b/.hidden": (0o644, "x"), "a/sub/m.tf": (0o644, ""),
        "a/link.tf": (0, "sub/m.tf"), "a/folder": (0, "sub"),
    }  # fmt: skip
    listed = json.loads((tmp_path / "two/modules/modules.json").read_text())["Modules"]
    assert [one["Dir"] for one in listed] == [".", str(tmp_path / "two/modules/a")]
    assert taken(tmp_path / "two").pack() == taken(data).pack()


def test_it_does_not_depend_on_machine_clone_or_order(tmp_path: Path) -> None:
    files = {"main.tf": "x", "sub/m.tf": "y"}
    more = module("a.s", "./sub", str(tmp_path / "one/modules/a/sub")), module("local", "./m", "m")
    one = fetched(tmp_path / "one", {**files, ".git/HEAD": "1"}, *more)
    other = module("local", "./m", "m"), module("a.s", "./sub", str(tmp_path / "other/modules/a/sub"))
    two = fetched(tmp_path / "other", {**files, ".git/HEAD": "2"}, *other)
    assert taken(one).pack() == taken(two).pack()
    (two / "modules/a/sub/m.tf").chmod(0o755)
    assert taken(one).pack() != taken(two).pack()


def test_equal_contents_are_held_once(tmp_path: Path) -> None:
    large = "x" * 100_000
    assert len(taken(fetched(tmp_path, {f"{at}.txt": large for at in range(20)})).pack()) < 110_000


def test_modules_of_the_tree_need_nothing(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    listed = {"Modules": [module("", "", "."), module("m", "./m", "m"), module("up", "../up", "../up")]}
    (tmp_path / "modules/modules.json").write_text(json.dumps(listed))
    assert not taken(tmp_path)
    assert not taken(tmp_path / "without any module")


def test_a_lock_file_is_kept_when_init_made_it(tmp_path: Path) -> None:
    lock = tmp_path / ".terraform.lock.hcl"
    assert not resolved(tmp_path, lock, locked=False)
    lock.write_bytes(b"# made\n")
    assert not resolved(tmp_path, lock, locked=True)
    made = resolved(tmp_path, lock, locked=False)
    assert Artifact.unpack(made.pack()).lock == b"# made\n"
    made.lay(tmp_path / "data")
    assert not (tmp_path / "data" / "modules").exists()


def test_a_folder_of_this_machine_is_taken_as_what_it_holds(tmp_path: Path) -> None:
    """Terraform links a module whose source is an absolute path."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/main.tf").write_text("x")
    (tmp_path / "elsewhere/again.tf").symlink_to(tmp_path / "elsewhere/main.tf")
    data = fetched(tmp_path / "one", {"none": ""}, module("l", "file:///elsewhere", str(tmp_path / "one/modules/l")))
    (data / "modules/l").symlink_to(tmp_path / "elsewhere")
    taken(data).lay(tmp_path / "two")
    assert tree(tmp_path / "two/modules") == {
        "a/none": (0o644, ""), "l/main.tf": (0o644, "x"), "l/again.tf": (0, "main.tf"),
    }  # fmt: skip


def test_a_link_out_of_its_module_is_refused(tmp_path: Path) -> None:
    data = fetched(tmp_path / "one", {"main.tf": "x"})
    (data / "modules/a/passwd").symlink_to("/etc/passwd")
    with pytest.raises(ArtifactRefusedError, match="the link passwd leads out of it"):
        taken(data)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a//x", "a\\x", "a/./x", ""])
def test_nothing_is_written_outside(tmp_path: Path, path: str) -> None:
    good = taken(fetched(tmp_path / "one", {"main.tf": "x"}))
    entries = {path: good.entries["a/main.tf"]}
    with pytest.raises(ArtifactRefusedError):
        replace(good, entries=entries).lay(tmp_path / "two")
    assert not [found for found in tmp_path.iterdir() if found.name not in {"one", "two"}]


def test_links_that_lead_out_together_are_refused(tmp_path: Path) -> None:
    good = taken(fetched(tmp_path / "one", {"main.tf": "x"}))
    contents = {"1": b"b/../..", "2": b"deep/er", **good.contents}
    entries = {"a/a": (0o120000, "1"), "a/b": (0o120000, "2"), "a/deep/er/x": good.entries["a/main.tf"]}
    replace(good, contents=contents, entries=entries).lay(tmp_path / "two")  # together they lead to a/
    with pytest.raises(ArtifactRefusedError, match="leads out of its module"):
        replace(good, contents={**contents, "2": b"."}, entries=entries).lay(tmp_path / "three")
    with pytest.raises(ArtifactRefusedError):
        replace(good, modules=good.modules.replace(b".terraform/modules/a", b".terraform/modules/../a")).lay(tmp_path)


@pytest.mark.parametrize("limit", ["ARTIFACT_BYTES", "ARTIFACT_LAID_BYTES", "ARTIFACT_ENTRIES"])
def test_what_is_too_much_is_refused_and_the_largest_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    data = fetched(tmp_path, {f"{at}.tf": f"{at}" * 5000 for at in range(4)})
    monkeypatch.setattr(limits, limit, 3)
    with pytest.raises(ArtifactRefusedError, match=r"more than 3 .*: most in module\.a \(\d+ KiB\)"):
        taken(data)


def test_what_was_altered_is_refused(tmp_path: Path) -> None:
    packed = taken(fetched(tmp_path, {"main.tf": "the text"})).pack()
    for data in (
        packed.replace(b"the text", b"the tex!"),
        packed[:-1],
        packed.removeprefix(MAGIC),
        b"",
        MAGIC,
        packed[:60],
    ):
        with pytest.raises(ArtifactRefusedError):
            Artifact.unpack(data)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    for each in (data, MAGIC + data, MAGIC + b"{}" + data):
        with pytest.raises(ArtifactRefusedError):
            Artifact.unpack(each)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    data = fetched(tmp_path / "one", {"ü €.tf": "x"})
    (data / "modules/a" / os.fsdecode(b"\xff.bin")).write_bytes(b"\xff")
    Artifact.unpack(taken(data).pack()).lay(tmp_path / "two")
    names = {os.fsencode(path.name) for path in (tmp_path / "two/modules/a").iterdir()}
    assert names == {b"\xff.bin", "ü €.tf".encode()}

"""The tree is rebuilt from hostile files without leaving its folder."""

import asyncio
import json
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fakes.control_plane import chunks
from stackly_engine import exact
from stackly_worker.runner import limits, worktree
from stackly_worker.runner.worktree import OVERRIDE, SourceFile, TreeRefusedError, TreeReport

Entry = tuple[str, int, str]
FILE, PROGRAM, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000


@pytest.fixture
def build(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., TreeReport]:
    size = 64 if "whole" in request.fixturenames else 3

    async def files(entries: tuple[Entry, ...]) -> AsyncIterator[SourceFile]:
        for path, mode, text in entries:
            yield SourceFile(path, mode, chunks(text.encode(), size))

    def run(*entries: Entry, root: str = ".") -> TreeReport:
        state = tmp_path / "state" / "terraform.tfstate"
        return asyncio.run(worktree.rebuild(tmp_path / "tree", files(entries), root=root, state=state))

    return run


@pytest.fixture
def whole() -> None:
    """Most files come in one message."""


def test_files_links_modes_and_the_override(build: Callable[..., TreeReport], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    report = build(
        ("root/main.tf", FILE, "# code"), ("root/run.sh", PROGRAM, "#!"), ("root/shared", LINK, "../shared"),
        ("shared/a.txt", FILE, "a" * 10), root="root",
    )  # fmt: skip
    assert (tree / "root/main.tf").read_text() == "# code"
    assert (tree / "root/shared/a.txt").read_text() == "a" * 10
    assert stat.S_IMODE((tree / "root").stat().st_mode) == 0o700
    assert os.access(tree / "root/run.sh", os.X_OK)
    assert stat.S_IMODE((tree / "root/main.tf").stat().st_mode) == 0o600
    assert '"../../state/terraform.tfstate"' in (tree / "root" / OVERRIDE).read_text()
    assert (report.entries, report.left_out) == (4, [])


def test_a_second_build_starts_from_nothing(build: Callable[..., TreeReport], tmp_path: Path) -> None:
    build(("old.tf", FILE, ""))
    (tmp_path / "tree" / "made-by-terraform").write_text("x")
    build(("new.tf", FILE, ""))
    assert sorted(entry.name for entry in (tmp_path / "tree").iterdir()) == ["new.tf", OVERRIDE]


def _lay(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _mode(path: Path, mode: int) -> None:
    path.chmod(mode)


def _gone(path: Path) -> Path:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return path


def _listed(tree: Path) -> dict[str, tuple[int, bytes]]:
    """Path → mode and bytes of each file, links by where they lead; folders too."""
    found = {}
    for path in tree.rglob("*"):
        data = os.fsencode(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(tree))] = (stat.S_IMODE(path.lstat().st_mode) & 0o700, data)
    return found


SOURCE = (("a/main.tf", FILE, "# a"), ("a/b/run.sh", PROGRAM, "#!"), ("c.tf", FILE, ""), ("large", FILE, "x" * 99))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: tree,
        lambda tree: _lay(tree / "a/main.tf", "# A"),
        lambda tree: _lay(tree / "a/more/deep/x.tf"),
        lambda tree: _mode(tree / "a/b/run.sh", 0o600),
        lambda tree: _mode(tree / "c.tf", 0o666),
        lambda tree: _lay(_gone(tree / "c.tf") / "inside"),
        lambda tree: _lay(_gone(tree / "a"), "a file"),
        lambda tree: os.mkfifo(_gone(tree / "c.tf")),
        lambda tree: _gone(tree / "c.tf").symlink_to(tree.parent / "victim"),
        lambda tree: os.link(tree.parent / "victim", _gone(tree / "c.tf")),
        lambda tree: _gone(tree / "a").symlink_to(tree.parent),
        lambda tree: _mode(tree / "a", 0o777),
        lambda tree: _gone(tree).symlink_to(tree.parent / "elsewhere"),
        lambda tree: _lay(_gone(tree), "a file"),
    ],
)
def test_whatever_code_did_to_the_tree_the_next_is_the_source(
    build: Callable[..., TreeReport], tmp_path: Path, whole: None, spoil: Callable[[Path], None]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    tree = tmp_path / "tree"
    build(*SOURCE)
    wanted = _listed(tree)
    spoil(tree)
    build(*SOURCE)
    assert _listed(tree) == wanted
    assert not tree.is_symlink()
    assert stat.S_IMODE((tree / "a").stat().st_mode) & 0o022 == 0
    assert victim.read_text() == "untouched"
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (tree / "c.tf").stat().st_nlink == 1


def test_a_file_that_did_not_change_is_left_alone(
    build: Callable[..., TreeReport], tmp_path: Path, whole: None
) -> None:
    build(*SOURCE)
    before = {path: path.stat().st_ino for path in (tmp_path / "tree").rglob("*.tf")}
    (tmp_path / "tree" / "c.tf").write_text("changed")
    build(*SOURCE)
    after = {path: path.stat().st_ino for path in before if path.name != OVERRIDE}
    assert all(before[path] == inode for path, inode in after.items() if path.name == "main.tf")
    assert (tmp_path / "tree" / "c.tf").read_text() == ""


@pytest.mark.parametrize("second", [("a", FILE, "x"), ("a/b/run.sh/x", FILE, "x"), ("a/main.tf", FILE, "# a")])
def test_names_that_clash_are_refused_in_a_tree_that_is_there(
    build: Callable[..., TreeReport], whole: None, second: Entry
) -> None:
    build(*SOURCE)
    with pytest.raises(TreeRefusedError):
        build(*SOURCE, second)


def test_what_terraform_would_obey_is_left_out(build: Callable[..., TreeReport], tmp_path: Path) -> None:
    hostile = [
        ".terraform/providers/x", "terraform.d/plugins/p", ".terraformrc", "a/terraform.rc", ".git/hooks/post-checkout",
        "m/.terraform/modules/modules.json", "terraform.tfstate", "terraform.tfstate.d/w/terraform.tfstate",
    ]  # fmt: skip
    report = build(*((path, FILE, "x") for path in hostile), ("sub", SUBMODULE, ""), ("main.tf", FILE, ""))
    assert report.left_out == [*hostile, "sub"]
    assert sorted(entry.name for entry in (tmp_path / "tree").iterdir()) == ["main.tf", OVERRIDE]


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "a/../../x", "a//x", "./x", "", "a\0b", "a\\b", "/".join("d" * 33), "x" * 513],
)  # fmt: skip
def test_paths_that_leave_or_exceed(build: Callable[..., TreeReport], path: str) -> None:
    with pytest.raises(TreeRefusedError):
        build((path, FILE, "x"))


@pytest.mark.parametrize(
    "entries",
    [
        [("l", LINK, "/etc/passwd")],
        [("l", LINK, "../outside")],
        [("a/l", LINK, "../../outside")],
        [("l", LINK, "")],
        [("sub/x", FILE, ""), ("p/q/r/d", LINK, "../../../sub"), ("p/q/r/x", LINK, "d/../../../outside")],
        [("l", LINK, "d"), ("l/x", FILE, "written through a link")],
        [("x", FILE, "1"), ("x", FILE, "2")],
        [("x", FILE, "1"), ("x/y", FILE, "2")],
        [("x", FILE, "1"), ("x", LINK, "y")],
        [("dev", 0o020666, "")],
    ],
)
def test_links_that_leave_and_names_that_clash(
    build: Callable[..., TreeReport], tmp_path: Path, entries: list[Entry]
) -> None:
    with pytest.raises(TreeRefusedError):
        build(("main.tf", FILE, ""), *entries)
    assert not (tmp_path / "outside").exists()


def test_a_loop_of_links_stays_inside(build: Callable[..., TreeReport]) -> None:
    build(("main.tf", FILE, ""), ("a", LINK, "b"), ("b", LINK, "a"))


def test_the_limits(build: Callable[..., TreeReport], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TREE_ENTRIES", 2)
    build(("a", FILE, ""), ("b", FILE, ""))
    with pytest.raises(TreeRefusedError, match="more than 2 entries"):
        build(("a", FILE, ""), ("b", FILE, ""), ("c", FILE, ""))
    monkeypatch.setattr(limits, "TREE_BYTES", 8)
    build(("a", FILE, "1234"), ("b", FILE, "5678"))
    with pytest.raises(TreeRefusedError, match="more than 8 bytes"):
        build(("a", FILE, "1234"), ("b", FILE, "56789"))


@pytest.mark.parametrize(
    "name", ["zzzz_stackly_override.tf", "zzzzz_override.tf", "zzzz_stackly_override.tf.json", "zz~_override.tofu"]
)
def test_an_override_after_ours_is_refused(build: Callable[..., TreeReport], name: str) -> None:
    build(("aaa_override.tf", FILE, ""), ("override.tf", FILE, ""), ("zzzzz.tf", FILE, ""))
    with pytest.raises(TreeRefusedError):
        build((name.replace("zz~", "zzzz~"), FILE, ""))


@pytest.mark.parametrize("root", ["nowhere", "../x", "link"])
def test_a_root_that_is_no_folder(build: Callable[..., TreeReport], root: str) -> None:
    with pytest.raises(TreeRefusedError):
        build(("main.tf", FILE, ""), ("other/x", FILE, ""), ("link", LINK, "other"), root=root)


def test_variables_are_private(tmp_path: Path) -> None:
    path = tmp_path / "v.tfvars.json"
    worktree.write_variables(path, {"a": ["x", 1]})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"a": ["x", 1]}


def test_variables_keep_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "v.tfvars.json"
    given = b'{"a":0.5,"b":[1.10,{"c":123456789012345678901234567890.5}]}'
    worktree.write_variables(path, exact.loads(given))
    assert path.read_bytes() == given

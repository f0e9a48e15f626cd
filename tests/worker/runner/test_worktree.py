"""The tree is rebuilt from hostile files without leaving its folder."""

import asyncio
import json
import os
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
def build(tmp_path: Path) -> Callable[..., TreeReport]:
    async def files(entries: tuple[Entry, ...]) -> AsyncIterator[SourceFile]:
        for path, mode, text in entries:
            yield SourceFile(path, mode, chunks(text.encode(), 3))

    def run(*entries: Entry, root: str = ".") -> TreeReport:
        state = tmp_path / "state" / "terraform.tfstate"
        return asyncio.run(worktree.rebuild(tmp_path / "tree", files(entries), root=root, state=state))

    return run


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

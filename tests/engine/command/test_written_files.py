"""What a provider writes into the folder of a batch lands in the root, as if Terraform had run there."""

import json
from pathlib import Path

from stackly_engine.command.workspace import Workspace, create, fill
from stackly_engine.cutting import Cut


def _place(tmp_path: Path) -> tuple[Path, Workspace]:
    root = tmp_path / "root"
    (root / "there").mkdir(parents=True)
    (root / "main.tf").write_text("# the root's own")
    (root / "old.txt").write_text("old")
    (root / "kept.txt").write_text("kept")
    space = create(root, "a", "default")
    cut = Cut({"main.tf": b"# cut"}, b"# made", b"{}", json.dumps({"Modules": []}).encode(), frozenset())
    fill(space, root, cut)
    return root, space


def test_new_files_move_changed_ones_stay_removed_ones_go(tmp_path: Path) -> None:
    root, space = _place(tmp_path)
    here = space.folder
    (here / "new" / "deep").mkdir(parents=True)
    (here / "new" / "deep" / "x.txt").write_text("x")
    (here / "there" / "y.txt").write_text("y")
    (here / "kept.txt").write_text("changed")
    (here / "old.txt").unlink()
    (here / "terraform.tfstate").write_text("a slice")
    space.give_back(root)
    left = [path for path in root.rglob("*.t*") if path.is_file() and not path.is_relative_to(root / ".stackly")]
    assert {str(path.relative_to(root)): path.read_text() for path in left} == {
        "main.tf": "# the root's own", "new/deep/x.txt": "x", "there/y.txt": "y", "kept.txt": "changed",
    }  # fmt: skip
    assert (here / "new").is_symlink()


def test_what_two_batches_write_side_by_side_comes_together(tmp_path: Path) -> None:
    root, one = _place(tmp_path)
    other = create(root, "b", "default")
    other.catch_up(root)
    for name, space in (("1", one), ("2", other)):
        (space.folder / "new" / "deep").mkdir(parents=True)
        (space.folder / "new" / "deep" / name).write_text(name)
    one.give_back(root)
    other.give_back(root)
    assert sorted(path.name for path in (root / "new" / "deep").iterdir()) == ["1", "2"]
    late = create(root, "c", "default")
    late.catch_up(root)
    assert (late.folder / "new" / "deep" / "2").read_text() == "2"


def test_after_a_crash_the_code_of_the_batch_is_not_taken_for_a_file_that_was_written(tmp_path: Path) -> None:
    root, space = _place(tmp_path)
    (space.folder / "x.txt").write_text("x")
    Workspace(space.folder, space.aside).give_back(root)
    assert (root / "x.txt").read_text() == "x"
    assert (root / "main.tf").read_text() == "# the root's own"
    assert not (root / "stackly_gen.tf").exists()


def test_the_states_of_other_workspaces_are_not_reached_from_a_batch(tmp_path: Path) -> None:
    root, _ = _place(tmp_path)
    whole = root / "terraform.tfstate.d" / "w" / "terraform.tfstate"
    whole.parent.mkdir(parents=True)
    whole.write_text("whole")
    space = create(root, "w", "w")
    space.catch_up(root)
    assert not space.state_file("w").exists()

"""Stack roots and what a push did to them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from git_repos import Repo
from stackly_server.git.model import Changes, StackRoot, compare
from stackly_server.git.roots import find_roots, named_paths
from stackly_server.git.tree import TreeReader

BASE: dict[str, bytes] = {
    "net/stackly.hcl": b"1",
    "net/main.tf": b'module "m" {\n  source = "../modules/vpc"\n}\n',
    "app/stackly.hcl": b"2",
    "app/main.tf": b'locals {\n t = templatefile("${path.module}/../shared/t.tpl", {})\n}\n',
    "modules/vpc/main.tf": b'module "n" {\n  source = "./../deep"\n}\n',
    "modules/deep/main.tf": b"",
    "shared/t.tpl": b"x",
    "README.md": b"",
}


def changes(repo: Repo, files: dict[str, bytes]) -> tuple[list[str], list[str], list[str]]:
    reader = TreeReader(repo.folder)
    before = find_roots(reader, repo.commit(repo.files(BASE)))
    found = compare(before, find_roots(reader, repo.commit(repo.files(files))))
    return [r.path for r in found.added], [r.path for r in found.updated], [r.path for r in found.removed]


def test_nothing(repo: Repo) -> None:
    assert changes(repo, BASE) == ([], [], [])
    assert changes(repo, {**BASE, "README.md": b"new"}) == ([], [], [])


def test_own_file(repo: Repo) -> None:
    assert changes(repo, {**BASE, "net/x.tf": b""}) == ([], ["net"], [])


def test_module_and_module_of_the_module(repo: Repo) -> None:
    assert changes(repo, {**BASE, "modules/vpc/x.tf": b""}) == ([], ["net"], [])
    assert changes(repo, {**BASE, "modules/deep/x.tf": b""}) == ([], ["net"], [])


def test_template_beside(repo: Repo) -> None:
    assert changes(repo, {**BASE, "shared/t.tpl": b"y"}) == ([], ["app"], [])
    assert changes(repo, {**BASE, "shared/other": b"y"}) == ([], [], [])


def test_added_removed_moved(repo: Repo) -> None:
    assert changes(repo, {**BASE, "new/stackly.hcl": b""}) == (["new"], [], [])
    assert changes(repo, {path: data for path, data in BASE.items() if path != "net/stackly.hcl"}) == ([], [], ["net"])
    moved = {path.replace("net/", "network/"): data for path, data in BASE.items()}
    assert changes(repo, moved) == (["network"], [], ["net"])


def test_the_top_may_be_a_root_and_hidden_places_may_not(repo: Repo) -> None:
    files: dict[str, bytes | tuple[str, bytes]] = {
        "stackly.hcl": b"",
        ".terraform/x/stackly.hcl": b"",
        ".git-x/stackly.hcl": b"",
        "d/stackly.hcl": ("120000", b"../stackly.hcl"),
    }
    roots = find_roots(TreeReader(repo.folder), repo.commit(repo.files(files)))
    assert [root.path for root in roots] == [""]


def test_a_link_out_of_the_root_counts(repo: Repo) -> None:
    reader = TreeReader(repo.folder)
    files: dict[str, bytes | tuple[str, bytes]] = {
        "a/stackly.hcl": b"",
        "a/lib": ("120000", b"../lib"),
        "lib/main.tf": b"1",
    }
    before = find_roots(reader, repo.commit(repo.files(files)))
    after = find_roots(reader, repo.commit(repo.files({**files, "lib/main.tf": b"2"})))
    assert [root.path for root in compare(before, after).updated] == ["a"]


def test_modules_in_a_circle_end(repo: Repo) -> None:
    files = {
        "a/stackly.hcl": b"",
        "a/m.tf": b'source = "../b"',
        "b/m.tf": b'source = "../a/../b/../c"',
        "c/m.tf": b'source = "../b"',
    }
    assert len(find_roots(TreeReader(repo.folder), repo.commit(repo.files(files)))) == 1


def test_named_paths() -> None:
    source = (
        b'source = "../m//sub" x = file("${path.module}/a/b.json") y = "./z" w = "https://h/../q" {"source": "../../j"}'
    )
    assert {"../m/sub", "a/b.json", "z", "../../j"} <= named_paths(source)


ROOTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123")).map(
    lambda found: [StackRoot(path, "", digest) for path, digest in found.items()]
)


@settings(deadline=None)
@given(ROOTS, ROOTS)
def test_compare_is_exact(before: list[StackRoot], after: list[StackRoot]) -> None:
    found = compare(before, after)
    now = {root.path: root for root in before}
    for root in found.removed:
        del now[root.path]
    now.update({root.path: root for root in (*found.added, *found.updated)})
    assert now == {root.path: root for root in after}
    assert bool(found) == (sorted(before, key=str) != sorted(after, key=str))
    assert compare(after, after) == Changes((), (), ())

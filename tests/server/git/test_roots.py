"""Stack roots and what a push did to them."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from git_repos import Repo
from stackly_server.git.model import StackRoot
from stackly_server.git.push import Known, decide
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


def compared(before: Sequence[StackRoot], after: Sequence[StackRoot]) -> tuple[list[str], list[str], list[str]]:
    """The paths that are added, updated, removed, where the roots before are all registered."""
    codes = {root.path: Known("main", root.digest, 7, live=True) for root in before}
    found = decide(after, codes, "main", adopt=True)
    added = [change.path for change in found if change.seen == 0]
    updated = [change.path for change in found if change.seen and change.file_id]
    return added, updated, [change.path for change in found if not change.file_id]


def changes(repo: Repo, files: dict[str, bytes]) -> tuple[list[str], list[str], list[str]]:
    reader = TreeReader(repo.folder)
    before = find_roots(reader, repo.commit(repo.files(BASE)))
    return compared(before, find_roots(reader, repo.commit(repo.files(files))))


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
    assert compared(before, after) == ([], ["a"], [])


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
    lambda found: [StackRoot(path, "file", digest) for path, digest in found.items()]
)
CODES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        Known, st.sampled_from(["main", "side"]), st.sampled_from(["", "1", "2", "3"]), st.integers(1, 9), st.booleans()
    ),
)


@settings(deadline=None)
@given(CODES, ROOTS, st.booleans())
def test_what_is_decided_makes_the_codes_those_of_the_head(
    codes: dict[str, Known], roots: list[StackRoot], adopt: bool
) -> None:
    there = {root.path: root for root in roots}
    found = decide(roots, codes, "main", adopt=adopt)
    assert len({change.path for change in found}) == len(found)
    after = dict(codes)
    for change in found:
        assert change.seen == (codes[change.path].version if change.path in codes else 0)
        after[change.path] = Known("main", change.digest, change.seen + 1, live=bool(change.file_id))
    assert decide(roots, after, "main", adopt=adopt) == []
    for path, code in codes.items():
        if code.live and code.ref == "side":
            assert after[path] == code, "a stack that follows another branch is left alone"
        elif code.live:
            assert after[path].live is (path in there)
    live = {path for path, code in after.items() if code.live}
    assert there.keys() <= live or not adopt

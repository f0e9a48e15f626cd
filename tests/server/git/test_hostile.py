"""Booby-trapped repositories: what is left out, what is refused, and where a walk stops."""

import pytest

from git_repos import Repo
from stackly_server.git.model import Mode, TreeLimitError, TreeLimits, TreeRefusedError
from stackly_server.git.roots import find_roots
from stackly_server.git.tree import TreeReader

LINK = "120000"
GOOD = {"main.tf": b"", "stackly.hcl": b""}


def listed(repo: Repo, files: dict[str, bytes | tuple[str, bytes]]) -> tuple[set[str], set[str]]:
    listing = TreeReader(repo.folder).listing(repo.commit(repo.files({**GOOD, **files})))
    return {entry.path for entry in listing.entries} - GOOD.keys(), {f"{f.code} {f.path}" for f in listing.findings}


LEFT_OUT = {
    ".terraform/providers/x": "terraform .terraform",
    "a/.terraform/x": "terraform a/.terraform",
    ".Terraform/x": "terraform .Terraform",
    "terraform.d/plugins/x": "terraform terraform.d",
    "a/terraform.d/x": "terraform a/terraform.d",
    ".terraform.d/x": "terraform .terraform.d",
    ".terraformrc": "terraform .terraformrc",
    ".TERRAFORMRC": "terraform .TERRAFORMRC",
    "terraform.rc": "terraform terraform.rc",
    "x.tfrc": "terraform x.tfrc",
    "credentials.tfrc.json": "terraform credentials.tfrc.json",
    "plan.tfplan": "plan plan.tfplan",
    "terraform.tfstate": "state terraform.tfstate",
    "terraform.tfstate.backup": "state terraform.tfstate.backup",
    "terraform.tfstate.d/x/y": "state terraform.tfstate.d",
    ".terraform.tfstate.lock.info": "state .terraform.tfstate.lock.info",
    "errored.tfstate": "state errored.tfstate",
    ".stackly-b1/x": "reserved .stackly-b1",
}


@pytest.mark.parametrize(("path", "finding"), LEFT_OUT.items())
def test_left_out_and_told(repo: Repo, path: str, finding: str) -> None:
    assert listed(repo, {path: b"x"}) == (set(), {finding})


@pytest.mark.parametrize(
    "path", [".gitignore", ".gitattributes", ".gitmodules", ".github/workflows/x.yml", ".gitconfig"]
)
def test_files_of_git_are_left_out_silently(repo: Repo, path: str) -> None:
    assert listed(repo, {path: b"x"}) == (set(), set())


@pytest.mark.parametrize(
    "path",
    [
        "x.auto.tfvars",
        "terraform.tfvars",
        ".terraform.lock.hcl",
        "override.tf",
        "a_override.tf",
        "zz_override.tf.json",
        "my.tfstate",
        ".terraform-version",
        "päth/ü.tf",
        "a b.tf",
    ],
)
def test_allowed(repo: Repo, path: str) -> None:
    assert listed(repo, {path: b"x"}) == ({path}, set())


@pytest.mark.parametrize(
    "name",
    [
        b".git", b".GIT", b".Git ", b".git.", b"git~1", b"GIT~2", ".g\u200cit".encode(), b".git::$INDEX_ALLOCATION", b".", b"..", b"a\\b", b"a\nb", b"a\x7f", b"\xff.tf",
        b"zzzz_stackly_override.tf", b"zzzzz_override.tf", b"ZZZZZ_OVERRIDE.tf", b"zzzz_stackly_override.tf.json", "ü_override.tf".encode(), b"zzzz_t_override.tofu", b"a/b", b"",
    ],
)  # fmt: skip
def test_names_refused(repo: Repo, name: bytes) -> None:
    commit = repo.commit(repo.tree([("100644", name, repo.blob(b"x"))]))
    with pytest.raises(TreeRefusedError) as caught:
        TreeReader(repo.folder).listing(commit)
    assert caught.value.findings[0].code == "name"
    assert find_roots(TreeReader(repo.folder), commit) == ()


@pytest.mark.parametrize(
    ("first", "second"), [("A.tf", "a.tf"), ("A/x", "a/y"), ("é.tf", "e\u0301.tf"), ("ß", "SS"), ("a", "A/x")]
)
def test_twins_refused(repo: Repo, first: str, second: str) -> None:
    commit = repo.commit(repo.files({first: b"1", second: b"2"}))
    with pytest.raises(TreeRefusedError, match="differs from it by case or form alone"):
        TreeReader(repo.folder).listing(commit)


def test_the_same_name_twice_is_refused(repo: Repo) -> None:
    blob = repo.blob(b"x")
    commit = repo.commit(repo.tree([("100644", b"a", blob), ("100755", b"a", blob)]))
    with pytest.raises(TreeRefusedError):
        TreeReader(repo.folder).listing(commit)


@pytest.mark.parametrize(
    "links",
    [
        {"a": "/etc/passwd"}, {"a": "../x"}, {"d/a": "../../x"}, {"a": "b", "b": "a"}, {"a": "a"}, {"a": ""}, {"a": "..\\x"}, {"a": "x\0y"}, {"a": "x" * 5000},
        {"d/up": "../e/f", "d/a": "up/../../../x", "e/f/g": "../../main.tf"}, {"d/b": "..", "a": "d/b/../x"}, {"a": "./.././x"}, {"a": "\xff"},
    ],
)  # fmt: skip
def test_links_refused(repo: Repo, links: dict[str, str]) -> None:
    files = {path: (LINK, target.encode("latin-1")) for path, target in links.items()}
    with pytest.raises(TreeRefusedError) as caught:
        listed(repo, {**files})
    assert {finding.code for finding in caught.value.findings} == {"link"}


def test_links_inside_are_kept(repo: Repo) -> None:
    files: dict[str, bytes | tuple[str, bytes]] = {
        "d/x.tf": b"", "a.tf": (LINK, b"main.tf"), "e": (LINK, b"d"), "d/up": (LINK, b".."), "f.tf": (LINK, b"e/x.tf"), "g": (LINK, b"e/up/d/../main.tf"),
    }  # fmt: skip
    assert listed(repo, files) == (set(files), set())


@pytest.mark.parametrize(
    "target", ["nothing", ".terraform", ".terraform/providers", "terraform.tfstate", "main.tf/x", "d/nothing"]
)
def test_links_to_what_reaches_no_worker_are_left_out(repo: Repo, target: str) -> None:
    paths, findings = listed(repo, {"a": (LINK, target.encode()), "terraform.tfstate": b"", "d/x": b""})
    assert paths == {"d/x"}
    assert "link a" in findings


def test_submodules_are_left_out(repo: Repo) -> None:
    commit = repo.commit(repo.tree([("160000", b"sub", "1" * 40)]))
    listing = TreeReader(repo.folder).listing(commit)
    assert listing.entries == ()
    assert [finding.code for finding in listing.findings] == ["submodule"]


def test_strange_modes_are_refused(repo: Repo) -> None:
    commit = repo.commit(repo.tree([("10644", b"pipe", repo.blob(b"x"))]))
    with pytest.raises(TreeRefusedError, match="mode"):
        TreeReader(repo.folder).listing(commit)


def test_executables_keep_their_mode(repo: Repo) -> None:
    commit = repo.commit(repo.files({"x.sh": ("100755", b"#!/bin/sh"), "y": ("100664", b"")}))
    assert [entry.mode for entry in TreeReader(repo.folder).listing(commit).entries] == [Mode.EXECUTABLE, Mode.FILE]


def test_a_tree_of_a_million_paths_stops_at_the_limit(repo: Repo) -> None:
    tree = repo.files({"stackly.hcl": b"x"})
    for _ in range(10):
        tree = repo.tree([("40000", b"%d" % n, tree) for n in range(10)])
    commit = repo.commit(tree)
    with pytest.raises(TreeLimitError, match="more than 50000 files"):
        TreeReader(repo.folder).listing(commit)
    with pytest.raises(TreeLimitError):
        find_roots(TreeReader(repo.folder), commit)


def nested(repo: Repo, depth: int) -> str:
    return repo.commit(repo.files({"/".join(["d"] * (depth - 1) + ["f"]): b"x"}))


@pytest.mark.parametrize(
    ("limits", "within", "beyond"),
    [
        (TreeLimits(entries=3), {"a": b"", "d/b": b""}, {"a": b"", "b": b"", "d/b": b""}),
        (TreeLimits(total_bytes=4), {"a": b"xx", "b": b"xx"}, {"a": b"xx", "b": b"xxx"}),
        (TreeLimits(path_bytes=5), {"dd/ab": b""}, {"dd/abc": b""}),
        (TreeLimits(depth=3), {"a/b/c": b""}, {"a/b/c/d": b""}),
    ],
)
def test_limits_at_the_limit_and_one_beyond(
    repo: Repo, limits: TreeLimits, within: dict[str, bytes], beyond: dict[str, bytes]
) -> None:
    reader = TreeReader(repo.folder, limits)
    assert len(reader.listing(repo.commit(repo.files(within))).entries) == len(within)
    with pytest.raises(TreeLimitError):
        reader.listing(repo.commit(repo.files(beyond)))


def test_content_has_a_limit(repo: Repo) -> None:
    reader = TreeReader(repo.folder)
    blob = repo.blob(b"12345")
    assert reader.content(blob, 5) == b"12345"
    with pytest.raises(TreeLimitError):
        reader.content(blob, 4)


def test_a_folder_of_the_tree(repo: Repo) -> None:
    commit = repo.commit(repo.files({"a/b/x.tf": b"", "c": b"", "a/b/up": (LINK, b"../../c")}))
    with pytest.raises(TreeRefusedError, match="out of the repository"):
        TreeReader(repo.folder).listing(commit, "a/b")
    assert [entry.path for entry in TreeReader(repo.folder).listing(commit).entries] == ["a/b/up", "a/b/x.tf", "c"]

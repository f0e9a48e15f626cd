"""Transport: real git against real repositories, with hooks, settings and addresses that must not matter."""

import asyncio
import os
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from git_repos import Repo
from stackly_server.git.command import Access, GitCommand, environment
from stackly_server.git.mirror import KEEP, Mirror, checked_branch
from stackly_server.git.model import GitError, GitMissingError, GitTimeoutError, RemoteRefusedError
from stackly_server.git.remote import Remote, allowed_remote


async def test_fetch_then_read(repo: Repo, mirror: Mirror) -> None:
    commit = repo.commit(repo.files({"app/stackly.hcl": b"x", "app/main.tf": b"y"}), message="first\n\nbody")
    assert await mirror.fetch_branch("main") == commit
    listing = mirror.reader.listing(commit)
    assert [entry.path for entry in listing.entries] == ["app/main.tf", "app/stackly.hcl"]
    assert mirror.reader.content(listing.entries[0].object_id, 10) == b"y"
    info = mirror.reader.commit_info(commit)
    assert (info.author_name, info.author_email, info.subject) == ("Ann Author", "ann@example.com", "first")
    assert info.authored_at == datetime(2023, 11, 15, 0, 13, 20, tzinfo=timezone(timedelta(hours=2)))


async def test_kept_commit_outlives_a_forced_push(repo: Repo, mirror: Mirror) -> None:
    old = repo.commit(repo.files({"a": b"1"}))
    await mirror.fetch_branch("main")
    new = repo.commit(repo.files({"a": b"2"}))
    await mirror.fetch()
    assert mirror.reader.resolve("refs/heads/main") == new
    assert mirror.reader.resolve(KEEP + old) == old
    assert not mirror.reader.is_ancestor(old, new)
    repo.git("update-ref", "-d", "refs/heads/main")
    await mirror.fetch()
    with pytest.raises(GitMissingError):
        mirror.reader.resolve("refs/heads/main")
    assert mirror.reader.listing(old).entries


async def test_fetch_by_commit(repo: Repo, mirror: Mirror) -> None:
    first = repo.commit(repo.files({"a": b"1"}))
    second = repo.commit(repo.files({"a": b"2"}), first)
    await mirror.fetch_commit(first)
    assert not mirror.has_commit(second)
    await mirror.fetch_commit(second)
    assert mirror.reader.is_ancestor(first, second)
    assert mirror.reader.is_ancestor(first, first)
    assert not mirror.reader.is_ancestor(second, first)


async def test_missing_things(repo: Repo, mirror: Mirror) -> None:
    with pytest.raises(GitMissingError):
        mirror.reader.has_commit("0" * 40)
    repo.commit(repo.files({"a": b"1"}))
    with pytest.raises(GitMissingError, match="no branch"):
        await mirror.fetch_branch("other")
    with pytest.raises(GitMissingError, match="no commit"):
        await mirror.fetch_commit("1" * 40)
    with pytest.raises(GitMissingError):
        await mirror.keep("1" * 40)
    assert not mirror.has_commit("1" * 40)


async def test_nothing_of_either_side_runs(
    repo: Repo, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, script = tmp_path / "ran", tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho $0 >> {mark}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-update", "pre-receive"):
        (repo.folder / "hooks" / hook).write_bytes(script.read_bytes())
        (repo.folder / "hooks" / hook).chmod(0o755)
    repo.git("config", "uploadpack.packObjectsHook", str(script))
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[core]\n fsmonitor = {script}\n hooksPath = {repo.folder}/hooks\n[credential]\n helper = "!{script}"\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_SSH_COMMAND", str(script))
    monkeypatch.setenv("GIT_ASKPASS", str(script))
    commit = repo.commit(repo.files({"a": b"1"}))
    assert mark.exists()  # the script works: writing the ref ran the served side's own hook
    mark.unlink()
    await mirror.fetch_branch("main")
    assert mirror.has_commit(commit)
    assert not mark.exists()
    assert not (tmp_path / "mirrors" / "one" / "hooks").exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a/b", "git://example.com/a", "ext::sh -c id", "fd::3", "file://host/x", "git@host:a/b.git", "/etc", "",
        "https://user:pw@example.com/a/b", "https://user@example.com/a/b", "https://-oProxyCommand=x/a", "ssh://-oProxyCommand=x/a/b",
        "ssh://a@-x/b", "https://example.com/a?b=c", "https://example.com/a#b", "https://example.com/--upload-pack=x", "https://example.com/a/../b",
        "https://example.com/a\nb", "https://example.com:x/a", "https:///a", "https://exa mple.com/a", "https://example.com/%2e%2e/a", "https://example.com/a;b",
    ],
)  # fmt: skip
def test_addresses_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(RemoteRefusedError):
        allowed_remote(url, {"https", "ssh", "file"}, [tmp_path])


def test_addresses_allowed() -> None:
    assert allowed_remote("https://example.com:8443/a/b.git", {"https"}, []).url == "https://example.com:8443/a/b.git"
    assert allowed_remote("ssh://git@example.com/a/b.git", {"ssh"}, []).url == "ssh://git@example.com/a/b.git"
    with pytest.raises(RemoteRefusedError):
        allowed_remote("https://example.com/a/b.git", {"ssh"}, [])


def test_files_only_under_the_roots(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "door").symlink_to(outside)
    assert allowed_remote(f"file://{inside}/x.git", {"file"}, [inside]).protocol == "file"
    for path in (f"{outside}/x.git", f"{inside}/door/x.git", f"{inside}-x/y.git", str(tmp_path)):
        with pytest.raises(RemoteRefusedError):
            allowed_remote(f"file://{path}", {"file"}, [inside])
    with pytest.raises(RemoteRefusedError):
        allowed_remote(f"file://{inside}/x.git", {"file"}, [])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.",
        "@",
        "a@{1}",
        "a\x01",
        "x" * 300,
    ],
)
def test_branch_names_refused(name: str) -> None:
    with pytest.raises(GitMissingError):
        checked_branch(name)


def test_branch_names_allowed() -> None:
    assert checked_branch("feature/ä-1") == checked_branch("refs/heads/feature/ä-1") == "refs/heads/feature/ä-1"


async def test_git_itself_refuses_other_protocols(tmp_path: Path) -> None:
    """The allow-list of git holds even when an address got past ours."""
    for url, protocol in (("ext::sh -c id", "https"), ("file:///tmp", "https")):
        other = Mirror(tmp_path / "m", Remote(url, protocol))
        with pytest.raises(GitError, match="not allowed"):
            await other.fetch()


def test_secrets_stay_out_of_arguments_and_words() -> None:
    access = Access(headers=("Authorization: Basic c2VjcmV0",))
    assert "c2VjcmV0" not in repr(access)
    remote = Remote("https://example.com/a", "https")
    assert "Authorization: Basic c2VjcmV0" in environment(remote, access).values()
    assert "HOME" in environment(remote, access)
    assert environment(None, access)["HOME"] == os.devnull


async def test_a_slow_git_is_killed(tmp_path: Path) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nsleep 600 & sleep 600\n")
    slow.chmod(0o755)
    with pytest.raises(GitTimeoutError):
        await GitCommand(seconds=0.2, program=str(slow)).run(tmp_path, "fetch")


async def test_malformed_objects_are_not_fetched(repo: Repo, mirror: Mirror) -> None:
    """Fsck refuses at the door what the walk would refuse too."""
    blob = repo.blob(b"x")
    good = repo.commit(repo.files({"a": b"1"}))
    await mirror.fetch_branch("main")
    for entries in (
        [("100644", b".git", blob)],
        [("100644", b"a", blob)] * 2,
        [("100644", b"a/b", blob)],
        [("100644", b"..", blob)],
    ):
        bad = repo.commit(repo.tree(entries))
        with pytest.raises(GitError):
            await mirror.fetch_branch("main")
        assert not mirror.has_commit(bad)
    repo.git("update-ref", "refs/heads/main", good)
    assert await mirror.fetch_branch("main") == good


async def test_reading_without_blocking_the_loop(repo: Repo, mirror: Mirror) -> None:
    first = repo.commit(repo.files({"a/stackly.hcl": b"1"}))
    second = repo.commit(repo.files({"a/stackly.hcl": b"22"}), first)
    await mirror.fetch_branch("main")
    assert [root.path for root in await mirror.roots(second)] == ["a"]
    (entry,) = (await mirror.listing(second)).entries
    assert await mirror.content(entry.object_id, entry.size) == b"22"
    assert (await mirror.info(second)).parents == (first,)
    assert await mirror.is_ancestor(first, second)
    assert [entry.path for entry in (await mirror.listing(second, "a")).entries] == ["a/stackly.hcl"]


async def test_fetches_at_once(repo: Repo, mirror: Mirror) -> None:
    commits = [repo.commit(repo.files({"a": b"%d" % n}), branch=f"b{n}") for n in range(5)]
    assert await asyncio.gather(*(mirror.fetch_branch(f"b{n}") for n in range(5))) == commits


async def test_a_branch_that_becomes_a_folder_of_branches(repo: Repo, mirror: Mirror) -> None:
    repo.commit(repo.files({"a": b"1"}), branch="x")
    await mirror.fetch()
    repo.git("update-ref", "-d", "refs/heads/x")
    commit = repo.commit(repo.files({"a": b"2"}), branch="x/y")
    assert await mirror.fetch_branch("x/y") == commit
    await mirror.fetch()
    assert mirror.reader.resolve("refs/heads/x/y") == commit


async def test_a_partial_name_is_another_branch(repo: Repo, mirror: Mirror) -> None:
    """`ls-remote main` would also match `refs/heads/x/main`."""
    repo.commit(repo.files({"a": b"1"}), branch="refs/heads/main")
    with pytest.raises(GitMissingError):
        await mirror.fetch_branch("main")

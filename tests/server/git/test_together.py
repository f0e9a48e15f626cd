"""Several at once: people, pushes, repositories, accounts."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from git_repos import Repo
from pushing import MODULE, STACK, World
from stackly_server.accounts.repositories import NewRepository, Repositories
from stackly_server.errors import NotNow
from stackly_server.git.sources import Sources

if TYPE_CHECKING:
    from api import Tenant


def repositories_of(world: World, root: Path) -> Repositories:
    ground = world.ground
    return Repositories(ground.database, ground.keys, ground.pages, ground.routes, ground.clock, [root])


async def test_the_same_registered_by_many_at_once_is_one(world: World) -> None:
    world.commit({"a/stackly.hcl": STACK, "a/main.tf": MODULE})
    ask = (world.subject, "accounts/dev", world.repository_name, "a", "")
    codes = await asyncio.gather(*(world.requests.register(*ask) for _ in range(8)))
    assert len({code.id for code in codes}) == 1
    assert list(await world.stack_states()) == ["hello"]
    told = [kind for kind, _ in await world.events()]
    assert (told.count("stack_code.registered"), told.count("stack_state.created")) == (1, 1)


async def test_one_name_in_two_repositories_is_qualified_by_the_second(world: World, tmp_path: Path) -> None:
    world.commit({"stackly.hcl": STACK})
    await world.requests.register(world.subject, "accounts/dev", world.repository_name, "", "")
    other = Repo(tmp_path / "repositories" / "other.git")
    other.commit(other.files({"stackly.hcl": STACK}))
    repositories = repositories_of(world, tmp_path / "repositories")
    new = NewRepository(other.url, "acme/other", "4712", "main")
    second, _ = await repositories.connect(world.subject, "accounts/dev", new)
    name = f"accounts/dev/repositories/{second.slug}"
    code = await world.requests.register(world.subject, "accounts/dev", name, "", "")
    states = await world.stack_states()
    assert sorted(states) == ["hello", f"hello-{second.slug}"]
    assert states[f"hello-{second.slug}"].state.stack_code_id == code.id


async def test_two_processes_share_a_mirror(world: World, tmp_path: Path) -> None:
    commit = world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    account, repository = world.dev.account_id, world.repository.id
    root = tmp_path / "repositories"

    def beside() -> Sources:
        return Sources(world.ground.database, repositories_of(world, root), tmp_path / "mirrors", [root])

    heads = await asyncio.gather(*(beside().head(account, repository, "main") for _ in range(6)))
    assert set(heads) == {commit}


async def test_trees_and_contents_outlive_the_mirror_and_the_repository(world: World, tmp_path: Path) -> None:
    commit = world.commit(
        {"stackly.hcl": STACK, "main.tf": MODULE, ".terraform.d/x": b"no", "run.sh": ("100755", b"#!")}
    )
    account, repository = world.dev.account_id, world.repository.id
    tree = await world.sources.tree(account, repository, commit)
    assert [(entry.path, oct(entry.mode)) for entry in tree] == [
        ("main.tf", "0o100644"),
        ("run.sh", "0o100755"),
        ("stackly.hcl", "0o100644"),
    ]
    contents = [await world.sources.content(account, repository, entry.object_id) for entry in tree]
    assert contents == [MODULE, b"#!", STACK]
    world.repo.folder.rename(world.repo.folder.with_name("away.git"))
    root = tmp_path / "repositories"
    empty = Sources(world.ground.database, repositories_of(world, root), tmp_path / "other", [root])
    assert await empty.tree(account, repository, commit) == tree
    assert [await empty.content(account, repository, entry.object_id) for entry in tree] == contents


async def test_a_whole_tree_is_read_in_order_from_mirror_and_cache_alike(world: World) -> None:
    files = {f"f{n:03}.tf": b"# %d\n" % (n % 7) for n in range(600)}
    files |= {f"large{n}.bin": bytes([n]) * (5 * 2**20) for n in range(3)} | {"stackly.hcl": STACK}
    commit = world.commit(files)
    account, repository = world.dev.account_id, world.repository.id
    tree = await world.sources.tree(account, repository, commit)
    for _ in range(2):
        read = [(entry.path, content) async for entry, content in world.sources.contents(account, repository, tree)]
        assert [path for path, _ in read] == sorted(files)
        assert dict(read) == files


async def test_an_emptied_mirror_is_filled_again(world: World, tmp_path: Path) -> None:
    commit = world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    account, repository = world.dev.account_id, world.repository.id
    root = tmp_path / "repositories"
    tree = await world.sources.tree(account, repository, commit)
    fresh = Sources(world.ground.database, repositories_of(world, root), tmp_path / "emptied", [root])
    assert await fresh.content(account, repository, tree[0].object_id) == MODULE
    assert await fresh.info(account, repository, commit) == await world.sources.info(account, repository, commit)


async def test_trees_of_another_account_are_not_there(world: World, rival: "Tenant") -> None:
    commit = world.commit({"stackly.hcl": STACK, "main.tf": MODULE})
    await world.sources.tree(world.dev.account_id, world.repository.id, commit)
    with pytest.raises(NotNow) as caught:
        await world.sources.tree(rival.account_id, world.repository.id, commit)
    assert caught.value.reason == "REPOSITORY_NOT_CONNECTED"

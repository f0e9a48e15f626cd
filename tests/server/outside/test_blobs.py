"""The suite of the port `Blobs`, on the directory."""

import asyncio
from pathlib import Path

import pytest

from stackly_server.outside.blobs import DirectoryBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    return DirectoryBlobs(tmp_path)


async def test_a_version_is_kept_and_the_newest_is_given(blobs: DirectoryBlobs) -> None:
    assert [await blobs.put("a/b", b"one"), await blobs.put("a/b", b"two")] == [1, 2]
    assert await blobs.get("a/b") == b"two"
    assert await blobs.get("a/b", 1) == b"one"
    assert await blobs.versions("a/b") == [1, 2]


async def test_a_conditional_put_never_overwrites(blobs: DirectoryBlobs) -> None:
    assert await blobs.put_new("k", b"first")
    assert not await blobs.put_new("k", b"second")
    assert await blobs.get("k") == b"first"


async def test_of_many_conditional_puts_one_wins(blobs: DirectoryBlobs) -> None:
    won = await asyncio.gather(*(blobs.put_new("race", bytes([n])) for n in range(16)))
    assert won.count(True) == 1
    assert await blobs.get("race") == bytes([won.index(True)])


async def test_of_many_puts_none_is_lost(blobs: DirectoryBlobs) -> None:
    numbers = await asyncio.gather(*(blobs.put("many", bytes([n])) for n in range(16)))
    assert sorted(numbers) == list(range(1, 17))
    assert {await blobs.get("many", number) for number in numbers} == {bytes([n]) for n in range(16)}


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../b", "a//b", ".hidden", "a/.new-x", "a\0b"])
async def test_a_key_stays_in_the_folder(blobs: DirectoryBlobs, key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        await blobs.put(key, b"")


async def test_an_unknown_key_is_a_key_error(blobs: DirectoryBlobs) -> None:
    with pytest.raises(KeyError):
        await blobs.get("nothing")
    assert await blobs.versions("nothing") == []


async def test_nothing_is_left_beside_the_versions(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    await blobs.put_new("k", b"first")
    await blobs.put_new("k", b"second")
    assert [path.name for path in (tmp_path / "k").iterdir()] == ["1"]

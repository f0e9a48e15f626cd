"""Raw objects of a mirror: sizes, contents, the lists of folders. Blocking; call it in a thread."""

from __future__ import annotations

from collections.abc import Iterator

import pygit2
from pygit2.enums import ObjectType

from stackly_server.git.model import GitError, GitMissingError, TreeLimitError

TREE_OBJECT_BYTES = 16 * 2**20
"""The largest object that lists one folder."""

_HASH_BYTES = 20
Raw = tuple[bytes, int, str]
"""A folder's entry as git has it: raw name, mode, object id."""


class Objects:
    """Raw objects of an open repository."""

    def __init__(self, repository: pygit2.Repository) -> None:
        self._odb = repository.odb

    def size(self, object_id: str) -> int:
        """The bytes of a file's content, without reading it.

        Raises:
            GitMissingError: no such object, or it is no file.
        """
        kind, size = self._header(object_id)
        if kind != ObjectType.BLOB:
            raise GitMissingError(f"the object {object_id} is no file")
        return size

    def content(self, object_id: str, limit: int) -> bytes:
        """A file's content, see `TreeReader.content`."""
        size = self.size(object_id)
        if size > limit:
            raise TreeLimitError(f"the object {object_id} has {size} bytes; at most {limit} are allowed")
        return self._read(object_id)

    def entries(self, object_id: str) -> Iterator[Raw]:
        """A folder's entries as git has them: raw name, mode, object id.

        Raises:
            GitMissingError: no such object, or it is no folder.
            TreeLimitError: its list is larger than 16 MiB.
            GitError: the list is malformed.
        """
        kind, size = self._header(object_id)
        if kind != ObjectType.TREE:
            raise GitMissingError(f"the object {object_id} is no folder")
        if size > TREE_OBJECT_BYTES:
            raise TreeLimitError(
                f"the list of the folder {object_id} has {size} bytes; at most {TREE_OBJECT_BYTES} are allowed"
            )
        return _parse_tree(self._read(object_id))

    def _header(self, object_id: str) -> tuple[ObjectType, int]:
        try:
            kind, size = self._odb.read_header(object_id)
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise GitMissingError(f"the mirror has no object {object_id[:40]}") from error
        return ObjectType(kind), int(size)

    def _read(self, object_id: str) -> bytes:
        try:
            return bytes(self._odb.read(object_id)[1])
        except (KeyError, pygit2.GitError) as error:
            raise GitMissingError(f"the mirror has no object {object_id}") from error


def _parse_tree(data: bytes) -> Iterator[Raw]:
    position = 0
    while position < len(data):
        space = data.find(b" ", position)
        end = data.find(b"\0", space)
        after = end + 1 + _HASH_BYTES
        if space < 0 or end < 0 or after > len(data):
            raise GitError("a folder's list is malformed")
        yield data[space + 1 : end], _octal(data[position:space]), data[end + 1 : after].hex()
        position = after


def _octal(raw: bytes) -> int:
    try:
        return int(raw, 8)
    except ValueError as error:
        raise GitError("a folder's list is malformed") from error

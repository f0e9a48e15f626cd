"""The state file as Terraform leaves it at any moment: only whole, new versions come out."""

import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stackly_worker.runner import statewatch
from stackly_worker.runner.statewatch import StateWatch, whole


def document(serial: int, size: int = 10) -> bytes:
    return json.dumps({"version": 4, "serial": serial, "lineage": "l", "outputs": {"x": "y" * size}}).encode() + b"\n"


@given(st.integers(0, 200))
def test_no_part_of_a_document_is_taken_for_one(cut: int) -> None:
    data = document(3)
    part = data[:cut]
    assert (whole(part) is not None) == (part.rstrip() == data.rstrip())


def test_other_documents_are_no_state() -> None:
    for data in (b"{}", b"[]", b'{"serial": 1}', b'{"serial": "x", "lineage": ""}', b"[" * 100_000 + b"}"):
        assert whole(data) is None
    assert whole(b'{"serial":1,"lineage":"l","n":' + b"9" * 5000 + b"}") is not None


def test_each_whole_version_once(tmp_path: Path) -> None:
    path = tmp_path / "s"
    watch = StateWatch(path)
    assert watch.look() is None
    with path.open("wb", buffering=0) as file:
        assert watch.look() is None
        file.write(document(1)[:20])
        assert watch.look() is None
        file.write(document(1)[20:])
        found = watch.look()
        assert found is not None
        assert (found.serial, found.document) == (1, document(1))
        assert watch.look() is None
        file.truncate(0)
        file.seek(0)
        assert watch.look() is None
        file.write(document(2))
        found = watch.look()
        assert found is not None
        assert found.serial == 2
    path.write_bytes(document(2))
    assert watch.look() is None
    last = statewatch.newest([path])
    assert last is not None
    assert last.serial == 2


def test_a_document_of_equal_time_and_size_is_seen_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(document(1))
    watch = StateWatch(path)
    assert watch.look()
    found = path.stat()
    path.write_bytes(document(2))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    last = statewatch.newest([path])
    assert last is not None
    assert last.serial == 2


def test_what_is_no_plain_file_is_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "real").write_bytes(document(1))
    (tmp_path / "link").symlink_to("real")
    for name in ("pipe", "folder", "link", "absent"):
        assert statewatch.read_whole(tmp_path / name) is None
    assert statewatch.newest([tmp_path / "pipe", tmp_path / "real"])


def test_the_version_one_starts_from_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(document(1))
    known = whole(document(1))
    assert known is not None
    assert StateWatch(path, known.sha256).look() is None
    assert not known.large
    assert statewatch.StateVersion(b"x" * (17 * 1024 * 1024), 1, "l", "").large

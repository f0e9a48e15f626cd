"""The search for canaries finds them: in each form, in each kind of place."""

import asyncio
import base64
import gzip
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from flows.canary import Canary, hits
from flows.haystacks import Watcher, files, found_in
from waiting import until

CANARY = Canary("it")
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "base64": base64.b64encode,
    "base64 after one": lambda data: base64.b64encode(b"x" + data),
    "base64 after two": lambda data: base64.urlsafe_b64encode(b"xy" + data),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "gzip in base64": lambda data: base64.b64encode(gzip.compress(data)),
    "base64 in gzip": lambda data: gzip.compress(base64.b64encode(b"x" + data)),
    "url": lambda data: quote(data, safe="").encode(),
    "url of a form": lambda data: quote_plus(data).encode(),
    "json": lambda data: json.dumps(data.decode()).encode(),
    "json in json": lambda data: json.dumps(json.dumps(data.decode())).encode(),
    "hex": lambda data: data.hex().encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", [b"", os.urandom(1001), b'{"a": "'])
def test_each_form_is_found_and_no_other_secret(form: str, before: bytes) -> None:
    data = before + FORMS[form](CANARY.value.encode()) + os.urandom(500)
    assert hits(data, [CANARY])
    assert not hits(data, [Canary("other")])


def test_a_file_is_found_wherever_it_lies(tmp_path: Path) -> None:
    place = tmp_path / "deep/er/log.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(gzip.compress(f"token={CANARY.value}".encode()))
    assert found_in(files(tmp_path), [CANARY]) == {(str(place), "it gzip plain")}


@pytest.mark.parametrize("where", ["argv", "environment"])
async def test_a_process_that_shows_it_is_seen(where: str) -> None:
    shown = base64.b64encode(CANARY.value.encode()).decode()
    argv = ["/bin/sh", "-c", "read -r line", shown] if where == "argv" else ["/bin/cat"]
    environment = {"TOKEN": shown} if where == "environment" else {}
    with Watcher([CANARY], {os.getpid()}) as watcher:
        process = await asyncio.create_subprocess_exec(*argv, env=environment, stdin=asyncio.subprocess.PIPE)
        await until(lambda: watcher.found)
        await process.communicate(b"")
    assert {hit for _, hit in watcher.found} == {"it base64 at 0"}

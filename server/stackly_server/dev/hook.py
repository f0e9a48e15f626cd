"""The post-receive hook of the development repository: each push becomes a signed, GitHub-shaped delivery.

Run by git as `python -I hook.py SETTINGS`, so it needs the standard library only. A delivery lies in a spool folder until
it is answered: what the server did not take is sent again by the next push, or by `stackly-server dev` when it starts.
"""

import hashlib
import hmac
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

_TRIES = 5
_TIMEOUT_SECONDS = 10
_CONFLICT = 409


def main() -> int:
    """Spools what was pushed, then sends what is spooled. A push is never refused for want of a server."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    for line in sys.stdin:
        before, after, ref = line.split()
        spool(settings, ref, before, after)
    left = send_all(settings)
    if left:
        sys.stderr.write(f"stackly: {left} deliveries wait for the server; the next push sends them too\n")
    return 0


def spool(settings: Mapping[str, str], ref: str, before: str, after: str) -> Path:
    """Writes one delivery, whole or not at all."""
    body = {
        "ref": ref,
        "before": before,
        "after": after,
        "deleted": not after.strip("0"),
        "forced": False,
        "repository": {"id": settings["repository_id"], "full_name": settings["full_name"]},
        "pusher": {"name": "dev"},
        "head_commit": {"id": after},
    }
    folder = Path(settings["spool"])
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{time.time_ns():020d}-{uuid.uuid4()}.json"
    aside = folder / f".{name}"
    aside.write_text(json.dumps(body))
    return aside.rename(folder / name)


def send_all(settings: Mapping[str, str]) -> int:
    """Sends the spooled deliveries, oldest first, and gives how many are left."""
    waiting = sorted(path for path in Path(settings["spool"]).glob("[0-9]*.json"))
    for path in waiting:
        if not _send_patiently(settings, path):
            break
        path.unlink()
    return sum(1 for path in waiting if path.exists())


def _send_patiently(settings: Mapping[str, str], path: Path) -> bool:
    for attempt in range(_TRIES):
        if send(settings, path):
            return True
        time.sleep(0.2 * 2**attempt)
    return False


def send(settings: Mapping[str, str], path: Path) -> bool:
    """Sends one delivery; True when the server keeps it now, or kept it before."""
    body = path.read_bytes()
    signature = hmac.new(settings["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/stackly-dev",
        "x-github-event": "push",
        "x-github-delivery": path.stem.partition("-")[2],
        "x-github-hook-installation-target-id": settings["repository_id"],
        "x-hub-signature-256": f"sha256={signature}",
    }
    request = urllib.request.Request(settings["url"], body, headers, method="POST")  # noqa: S310  # our own https URL
    try:
        context = ssl.create_default_context(cafile=settings["ca_file"])
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=context):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        _say(error.read())
        return error.code == _CONFLICT
    except OSError as error:
        _say(str(error).encode())
        return False


def _say(text: bytes) -> None:
    first: Iterable[str] = text.decode(errors="replace").splitlines()[:1]
    sys.stderr.write("".join(f"stackly: {line}\n" for line in first))


if __name__ == "__main__":
    sys.exit(main())

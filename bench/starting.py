"""`make dev` on a home that is there already: until the first REST answer, and until all is up."""

import json
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bench.figures import median, say
from bench.installed import Installed, begin, free_base, started, stop

ROUNDS = 5
_SECONDS = 60.0


def measure(_installed: Installed) -> None:
    """Prints the median of five starts of a platform of its own."""
    with tempfile.TemporaryDirectory(prefix="stackly-start-", ignore_cleanup_errors=True) as folder:
        home, port = Path(folder) / "home", free_base()
        began = time.monotonic()
        with started(home, port):
            first = time.monotonic() - began
        answered, up = zip(*(_start(home, port) for _ in range(ROUNDS)), strict=True)
    say(f"warm start of `make dev`, {ROUNDS} times, medians (beside the platform of the other measurements)")
    say(f"  to the first REST answer {median(answered):.2f} s, until the worker polls {median(up):.2f} s")
    say(f"  the very first start, until the worker polls: {first:.2f} s")


def _start(home: Path, port: int) -> tuple[float, float]:
    log = home.with_name("dev.log")
    began = time.monotonic()
    process = begin(home, port, log)
    try:
        answered = _until(lambda: _answers(home, port), began)
        return answered, _until(lambda: "Stackly is up." in log.read_text(encoding="utf-8"), began)
    finally:
        stop(process)


def _answers(home: Path, port: int) -> bool:
    """Whether our own API, not Envoy for it, answers: without a token it says 401 and why."""
    try:
        context = ssl.create_default_context(cafile=str(home / "envoy" / "tls" / "ca.pem"))
        urllib.request.urlopen(f"https://localhost:{port}/v1/auth:whoAmI", context=context, timeout=5)
    except urllib.error.HTTPError as error:
        body = error.read()
        return error.code == 401 and bool(json.loads(body))
    except (OSError, ValueError):
        return False
    return True


def _until(question: Callable[[], bool], began: float) -> float:
    while not question():
        if time.monotonic() - began > _SECONDS:
            raise TimeoutError("the platform did not start")
        time.sleep(0.01)
    return time.monotonic() - began

"""REST through Envoy: an HTTP/1.1 connection for each of 16 threads, all of them kept open."""

import http.client
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.figures import say
from bench.installed import Installed

_SECONDS = 3.0
_AT_ONCE = 16


@dataclass(frozen=True)
class Rest:
    """Whom to ask, as whom, and for which run."""

    installed: Installed
    token: str
    run: str


def measure_rest(rest: Rest) -> None:
    """Prints calls per second; the client is Python's own and costs about as much as the server."""
    for title, path in (("WhoAmI", "/v1/auth:whoAmI"), ("GetRun", f"/v1/{rest.run}")):
        say(f"  {title + ', REST through Envoy':<28} {_rate(rest, path):6.0f}")


def _rate(rest: Rest, path: str) -> float:
    end = time.monotonic() + _SECONDS
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        counts = list(pool.map(lambda _: _calls(rest, path, end), range(_AT_ONCE)))
    return sum(counts) / _SECONDS


def _calls(rest: Rest, path: str, end: float) -> int:
    context = ssl.create_default_context(cafile=str(rest.installed.ca_file))
    connection = http.client.HTTPSConnection("localhost", rest.installed.port, context=context, timeout=30)
    count = 0
    while time.monotonic() < end:
        connection.request("GET", path, headers={"authorization": f"Bearer {rest.token}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path} was answered {answer.status}: {body[:300]!r}")
        count += 1
    connection.close()
    return count

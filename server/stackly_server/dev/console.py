"""What the supervisor says on the terminal: a line for each thing that happens, with its time."""

import threading
import time
from typing import TextIO

from stackly_server.dev.keeper import Happening, Report

_QUIET = (Happening.STARTING,)


class Console:
    """Callable as the supervisor's `tell`; lines of several threads never mix."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, report: Report) -> None:
        if report.happening not in _QUIET:
            self.line(_text(report))

    def line(self, text: str) -> None:
        with self._lock:
            self._out.write(f"{time.monotonic() - self._began:6.1f} s  {text}\n")
            self._out.flush()


def _text(report: Report) -> str:
    if report.happening is Happening.FAILED:
        return f"{report.part} failed: stopping everything"  # the whole message comes last, where it is read
    if report.text:
        return f"{report.part} {report.happening}\n{_indented(report.text)}"
    return f"{report.part} {report.happening} ({report.seconds:.1f} s)"


def _indented(text: str) -> str:
    return "\n".join(f"          {line}" for line in text.splitlines())

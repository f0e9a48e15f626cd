"""Counts what the oracle has reached, and prints it."""

import shutil
from collections import Counter
from collections.abc import Callable

import pytest

from oracle.harness import Report
from oracle.worlds import TOOL
from stackly_engine.source import Product

Tell = Callable[[Report], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Count a report in the summary."""

    def one(report: Report) -> None:
        for name, number in report.figures().items():
            record_property(f"oracle {name}", number)

    return one


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, number in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "call" else ():
                if name.startswith("oracle "):
                    counted[name.removeprefix("oracle ")] += int(number)
    if counted:
        told = ", ".join(f"{number} {name}" for name, number in counted.items())
        terminalreporter.write_line(f"oracle with {TOOL.product.value} {TOOL.version}: {told}")
        if TOOL.product is Product.TERRAFORM and shutil.which("tofu") is None:
            terminalreporter.write_line("oracle: no tofu on PATH, so nothing was held against OpenTofu")

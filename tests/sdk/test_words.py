"""What is said in one line of the command line's output."""

import datetime as dt

from stackly_sdk._gen.stackly.v1 import PlanSummary, StackConfig
from stackly_sdk.cli import words

DAY, HOUR = 86_400, 3_600


def test_the_engine_of_a_stack_is_said_with_what_its_file_asks() -> None:
    cut = StackConfig(engine="terraform ~> 1.11", units=True, audit_seconds=7 * DAY)
    assert words.engine(cut) == "terraform ~> 1.11, by unit; audited every 7d"
    assert words.engine(cut, suspended=True).startswith(
        "terraform ~> 1.11, by unit, but whole while that is suspended;"
    )
    more = StackConfig(units=True, data_refresh_seconds=12 * HOUR, max_age_seconds=90, max_parallel=4)
    assert words.engine(more) == (
        "by unit; data read again after 12h; each unit at least every 90s; audited on demand; at most 4 at a time"
    )
    assert words.engine(StackConfig(engine="tofu")) == "tofu, whole"
    assert words.engine(None) == ""


def test_lengths_and_counts() -> None:
    began = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
    assert words.took(began, began + dt.timedelta(seconds=1.24)) == "1.2s"
    assert words.took(began, began + dt.timedelta(seconds=185)) == "3m05s"
    assert words.took(None, None) == ""
    assert words.took(began, None).endswith(" …")
    assert words.saved([0.0, 0.01]) == ""
    assert words.saved([0.3, 0.1]) == "about 0.4s of planning saved"
    assert words.saved([60, 14.4]) == "about 1m14s of planning saved"
    assert words.counts(PlanSummary(add=2, destroy=1, import_=1)) == "+2 -1 import 1"
    assert (words.counts(PlanSummary()), words.counts(PlanSummary(output_changes=1))) == ("no changes", "1 output")

"""Lengths of time as people write them."""

import datetime as dt
import re

from stackly_sdk.mistakes import Mistake

Duration = str | float | dt.timedelta

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds_of(duration: Duration) -> float:
    """Reads `30m`, `1h30m`, `45s`, a number of seconds or a timedelta. Raises Mistake for anything else."""
    if isinstance(duration, dt.timedelta):
        return duration.total_seconds()
    if not isinstance(duration, str):
        return float(duration)
    if not _WHOLE.fullmatch(duration):
        raise Mistake(f"{duration!r} is no length of time: write it like 90s, 30m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def said(seconds: float) -> str:
    """`75` as `1m15s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"

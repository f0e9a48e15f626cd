"""Stackly's Python SDK: the public names, each loaded when it is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackly_sdk._gen.blocking.client import Stackly
    from stackly_sdk._gen.blocking.pages import Page, Pager
    from stackly_sdk._gen.blocking.runs import Run
    from stackly_sdk._gen.blocking.stacks import Stack
    from stackly_sdk._gen.blocking.states import State
    from stackly_sdk.aio.client import AsyncStackly
    from stackly_sdk.aio.pages import AsyncPager
    from stackly_sdk.aio.runs import AsyncRun
    from stackly_sdk.aio.stacks import AsyncStack
    from stackly_sdk.aio.states import AsyncState
    from stackly_sdk.config import ConfigError
    from stackly_sdk.errors import ApprovalRequired, LoginRequired, RunDenied, RunFailed, StacklyError, WaitTimeout
    from stackly_sdk.retries import RetryPolicy
    from stackly_sdk.values import MASKED, Secret

__all__ = [
    "MASKED",
    "ApprovalRequired",
    "AsyncPager",
    "AsyncRun",
    "AsyncStack",
    "AsyncStackly",
    "AsyncState",
    "ConfigError",
    "LoginRequired",
    "Page",
    "Pager",
    "RetryPolicy",
    "Run",
    "RunDenied",
    "RunFailed",
    "Secret",
    "Stack",
    "Stackly",
    "StacklyError",
    "State",
    "WaitTimeout",
]

_HOMES = {
    "_gen.blocking.client": ("Stackly",),
    "_gen.blocking.pages": ("Page", "Pager"),
    "_gen.blocking.runs": ("Run",),
    "_gen.blocking.stacks": ("Stack",),
    "_gen.blocking.states": ("State",),
    "aio.client": ("AsyncStackly",),
    "aio.pages": ("AsyncPager",),
    "aio.runs": ("AsyncRun",),
    "aio.stacks": ("AsyncStack",),
    "aio.states": ("AsyncState",),
    "config": ("ConfigError",),
    "errors": ("ApprovalRequired", "LoginRequired", "RunDenied", "RunFailed", "StacklyError", "WaitTimeout"),
    "retries": ("RetryPolicy",),
    "values": ("MASKED", "Secret"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""The parts of a stack file whose feature is not there yet: checked as they will be, then named as findings. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stackly_server.hcl.document import Place

if TYPE_CHECKING:
    from stackly_server.hcl.shape import Body

Find = Callable[[str, Place, str], None]

HOOK_POINTS = ("pre_plan", "post_plan", "pre_apply", "post_apply", "pre_destroy", "post_destroy", "on_failure")
"""Where a hook may stand."""


def note_unbuilt(stack: Body, find: Find) -> None:
    """Reads these parts of the stack block; each that asks for something is found with its line."""
    _hooks(stack, find)
    _triggers(stack, find)
    _drift(stack, find)
    _engine_options(stack, find)
    if stack.choice("on_deregister", ("loose", "destroy")) == "destroy":
        _found(stack, "on_deregister", find, 'on_deregister = "destroy"')


def _hooks(stack: Body, find: Find) -> None:
    hooks = stack.inner("hooks")
    if hooks is None:
        return
    for point in HOOK_POINTS:
        if hooks.texts(point):
            _found(hooks, point, find, f"hooks.{point}", code="hooks")
    hooks.close()


def _triggers(stack: Body, find: Find) -> None:
    triggers = stack.inner("triggers")
    if triggers is None:
        return
    triggers.text("branch")
    triggers.texts("paths")
    triggers.texts("ignore")
    for name in ("branch", "paths", "ignore"):
        if triggers.attribute(name) is not None:
            _found(triggers, name, find, f"triggers.{name}", code="triggers")
    triggers.close()


def _drift(stack: Body, find: Find) -> None:
    drift = stack.inner("drift")
    if drift is None:
        return
    drift.text("schedule")
    drift.text("timezone")
    drift.choice("on_drift", ("notify", "approve", "fix"))
    drift.close()
    find("drift", drift.block.place, "drift is not there yet")


def _engine_options(stack: Body, find: Find) -> None:
    """Of the engine's options this one is not there."""
    stack.choice("refresh", ("upstream", "none", "all"))
    _found(stack, "refresh", find, "refresh")


def _found(body: Body, name: str, find: Find, title: str, code: str = "") -> None:
    attribute = body.attribute(name)
    if attribute is not None:
        find(code or name, attribute.place, f"{title} is not there yet")

"""What people ask of stack states. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from stackly_server.stacks.variables import Variables


@dataclass(frozen=True, slots=True)
class NewStackState:
    """What a person asks for. `namespace` is a short name, "" for `default`."""

    name: str
    stack_code: str
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    variables: Variables | None = None
    auto_deploy: bool | None = None


@dataclass(frozen=True, slots=True)
class StackStateChange:
    """What to change; None leaves a thing as it is. `clear_auto_deploy`: as the stack file says, from now on.

    `suspended`: whether it runs whole, though its code wants it cut into units.
    `stack_code` and `namespace` are resource names of what the caller takes for given; empty for nothing.
    """

    labels: Mapping[str, str] | None = None
    variables: Variables | None = None
    auto_deploy: bool | None = None
    clear_auto_deploy: bool = False
    suspended: bool | None = None
    etag: str = ""
    stack_code: str = ""
    namespace: str = ""

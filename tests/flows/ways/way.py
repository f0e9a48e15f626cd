"""What every client has to be able to do for the main job."""

from typing import Any, Protocol

from google.protobuf.json_format import MessageToDict, ParseDict

from stackly.v1 import runs_pb2

ENOUGH = 120  # seconds for any one step of a small run


class Way(Protocol):
    """A client. Runs and stack states are given and found by their resource names."""

    async def desired_commit(self, stack: str) -> str:
        """Empty while the stack state is not there."""
        ...

    async def runs_of(self, stack: str, commit: str) -> list[str]: ...
    async def planned(self, run: str) -> str:
        """Waits until the plan is there; gives its digest."""
        ...

    async def approve(self, run: str, digest: str) -> None: ...
    async def log(self, run: str) -> str:
        """Follows the log to its end."""
        ...

    async def applied(self, run: str) -> None:
        """Waits until the run has ended; AssertionError when it was not applied."""
        ...

    async def outputs(self, stack: str) -> dict[str, Any]: ...
    async def read(self, run: str) -> dict[str, Any]:
        """The run with every field, as `shown` gives it."""
        ...


def shown(run: runs_pb2.Run) -> dict[str, Any]:
    """A run with every field that has no presence, zeros and empty ones too."""
    whole: dict[str, Any] = MessageToDict(run, always_print_fields_with_no_presence=True)
    return whole


def from_json(found: dict[str, Any]) -> dict[str, Any]:
    """A run that came as JSON: a field that the wire does not know is an error."""
    return shown(ParseDict(found, runs_pb2.Run()))


def from_bytes(found: bytes) -> dict[str, Any]:
    return shown(runs_pb2.Run.FromString(found))

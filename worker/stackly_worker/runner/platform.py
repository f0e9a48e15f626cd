"""This machine as Terraform names it."""

import platform
import sys

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i686": "386", "armv7l": "arm"}


def name() -> str:
    """Such as `linux_amd64`."""
    machine = platform.machine().lower()
    return f"{'darwin' if sys.platform == 'darwin' else sys.platform}_{_MACHINES.get(machine, machine)}"

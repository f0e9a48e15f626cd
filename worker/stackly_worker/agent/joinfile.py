"""The join file, what a machine is given so that it can join: JSON in a file of mode 0600.

    {"server": "https://host:port", "ca_pin": "sha256:<64 hex digits>", "token": "stj_…"}

`server` is the public address (Envoy). `ca_pin` is SHA-256 over the DER SubjectPublicKeyInfo of the root certificate.
`token` is the secret of a join token, good for one worker. Further keys are ignored.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

_PIN = re.compile(r"sha256:([0-9a-f]{64})")


class JoinFileError(ValueError):
    """The file is not there or is no join file; the message never holds its content."""


@dataclass(frozen=True)
class JoinFile:
    """`ca_pin` is the 64 hex digits alone."""

    server: str
    ca_pin: str
    token: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "JoinFile":
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise JoinFileError(f"{path}: {error.strerror}") from None
        try:
            facts = json.loads(text)
            pin = _PIN.fullmatch(facts["ca_pin"])
            server, token = str(facts["server"]), str(facts["token"])
        except (ValueError, KeyError, TypeError):
            raise JoinFileError(f"{path} is no join file") from None
        if pin is None:
            raise JoinFileError(f"{path}: ca_pin must be sha256: and 64 hex digits")
        return cls(server, pin[1], token)

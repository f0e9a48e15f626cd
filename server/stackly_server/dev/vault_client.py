"""The few calls the supervisor itself makes to OpenBao, over loopback, by the standard library."""

import http.client
import json
from dataclasses import dataclass
from typing import Any

from stackly_server.dev.ports import LOOPBACK

_SECONDS = 10


class VaultRefused(Exception):
    """OpenBao answered with an error; `status` is the HTTP status, 0 when it could not be reached."""

    def __init__(self, path: str, status: int, text: str) -> None:
        self.status = status
        super().__init__(f"{path}: {status} {text[:500]}")


@dataclass(frozen=True, slots=True)
class VaultClient:
    """No proxy, no environment: the address is a loopback port. `token` may be empty for what is open to all."""

    port: int
    token: str = ""

    def get(self, path: str) -> bytes:
        return self._ask("GET", path, None)

    def post(self, path: str, **data: Any) -> dict[str, Any]:
        answer = self._ask("POST", path, data)
        parsed: dict[str, Any] = json.loads(answer) if answer else {}
        return parsed

    def login(self, role_id: str, secret_id: str) -> "VaultClient":
        """A client with the token (period 1 h) of an AppRole."""
        auth = self.post("auth/approle/login", role_id=role_id, secret_id=secret_id)["auth"]
        return VaultClient(self.port, auth["client_token"])

    def _ask(self, method: str, path: str, data: dict[str, Any] | None) -> bytes:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_SECONDS)
        headers = {"X-Vault-Token": self.token} if self.token else {}
        try:
            connection.request(method, f"/v1/{path}", None if data is None else json.dumps(data), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise VaultRefused(path, 0, str(error)) from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise VaultRefused(path, response.status, body.decode("utf-8", "replace"))
        return body

"""A gRPC server of a test, over TLS: started, stopped and started again at the same port."""

from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import grpc.aio

from fakes.authority import LOOPBACK

Register = Callable[[grpc.aio.Server], None]


@dataclass
class Served:
    """`register` adds the servicers; `root` (PEM) is what clients trust, and what signed them when `mutual`."""

    chain: bytes
    key: bytes
    root: bytes
    register: Register
    mutual: bool = False
    port: int = 0
    _server: grpc.aio.Server | None = field(default=None)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    async def start(self) -> None:
        root = self.root if self.mutual else None
        credentials = grpc.ssl_server_credentials([(self.key, self.chain)], root, require_client_auth=self.mutual)
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.register(self._server)
        self.port = self._server.add_secure_port(f"{LOOPBACK}:{self.port}", credentials)
        await self._server.start()

    async def stop(self) -> None:
        """Gone at once: calls under way are cut off."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

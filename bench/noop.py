"""A server that does nothing: grpc.aio on uvloop, as fast as Python's gRPC can be. Run as `python -m bench.noop SOCKET`."""

import sys
from typing import Any

import grpc.aio
import uvloop

METHOD = "/bench.Noop/Call"
_ANSWER = b"\x0a\xfd\x02" + b"x" * 381  # as large as a small answer of ours


class _Everything(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002
        return grpc.unary_unary_rpc_method_handler(_call)


async def _call(_request: bytes, _context: Any) -> bytes:
    return _ANSWER


async def _serve(path: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Everything(),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
